// SPDX-License-Identifier: Apache-2.0
#include "core/trust.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/dynamic.h"
#include "base/fs.h"

namespace cchain {

namespace {

constexpr size_t kKeyFileMost = 4096, kTokenSize = 16;
constexpr const char* kSpaceNames[] = {"compile", "inputs", "source", "manifest"};

std::string_view view(const Digest& d) { return {reinterpret_cast<const char*>(d.b.data()), d.b.size()}; }

std::string error_text(int e) {
  char buf[128];
  return strerror_r(e, buf, sizeof buf);
}

Digest digest_of(const Address& a, std::string_view bytes) { return sealed_digest(kSpaceNames[static_cast<int>(a.space)], a.tenant, bytes); }

// A table knows 128 bits of a key; the other half is the value.
Digest verified_key(const SealKey& key, const Digest& digest, std::string_view proof) {
  KeyHasher h("cchain verified 1");
  h.field("key", std::string_view(reinterpret_cast<const char*>(key.open.data()), key.open.size()));
  h.field("digest", digest);
  h.field("proof", proof);
  return h.finish();
}
Table::Value second_half(const Digest& d) {
  Table::Value v{};
  memcpy(v.data(), d.b.data() + 16, 16);
  return v;
}

}  // namespace

std::string load_key(const std::string& path, bool to_sign, SealKeyPtr* out) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return "the key file " + path + " can't be read: " + error_text(errno);
  struct stat st;
  std::string text;
  if (fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return "the key file " + path + " is no regular file";
  if (int e = read_fd(fd.get(), &text, kKeyFileMost)) return "the key file " + path + " can't be read: " + error_text(e);
  auto key = std::make_shared<SealKey>();
  if (std::string wrong = parse_key(text, key.get()); !wrong.empty()) return "the key file " + path + ": " + wrong;
  if (st.st_uid != geteuid() && st.st_uid != 0) return "the key file " + path + " is another user's";
  if (key->can_sign && (st.st_mode & 077)) return "the key file " + path + " is open to others: chmod 600";
  if (st.st_mode & 022) return "the key file " + path + " can be written by others: chmod 644";
  std::string folder(path_dir(path));
  if (std::string wrong = exposed_way(folder); !wrong.empty()) return "the key file " + path + " could be exchanged: " + wrong;
  if (to_sign && !key->can_sign) return "the key file " + path + " holds a public key, which can't sign";
  *out = std::move(key);
  return {};
}

std::string make_key(std::string_view algorithm, const std::string& path) {
  SealKey key;
  if (algorithm == "ed25519") key.kind = SealKind::kEd25519;
  else if (algorithm != "hmac-sha256") return "\"" + std::string(algorithm) + "\" is no algorithm (hmac-sha256, ed25519)";
  key.can_sign = true;
  if (!random_bytes(key.secret.data(), key.secret.size())) return "the system gives no random bytes: " + error_text(errno);
  if (key.kind == SealKind::kEd25519 && ed25519_public(key.secret, &key.open) != Ed25519::kGood)
    return ed25519_trouble().empty() ? "no key could be made" : ed25519_trouble();
  const std::string open = path + ".pub";
  FileId id;
  if (key.kind == SealKind::kEd25519 && lstat_file(open.c_str(), &id) == 0) return open + ": " + error_text(EEXIST);
  // The mode of a secret does not depend on the umask, and what stands there is never written to.
  PublishOptions o;
  o.mode = 0600;
  o.umask_override = 0;
  const std::string about = "# a key of cchain's (cchain help keygen)";
  if (int e = publish_file(path, about + ": keep it secret\n" + key_text(key, true), o)) return path + ": " + error_text(e);
  if (key.kind != SealKind::kEd25519) return {};
  o.mode = 0644;
  if (int e = publish_file(open, about + ": for \"verify_keys\"\n" + key_text(key, false), o)) {
    unlink(path.c_str());
    return open + ": " + error_text(e);
  }
  return {};
}

std::string local_token(const std::string& state_dir) {
  if (state_dir.empty()) return {};
  const std::string path = state_dir + "/token";
  for (int round = 0; round < 2; round++) {
    if (Fd fd(open_private(path, O_RDONLY)); fd) {
      std::string token;
      return read_fd(fd.get(), &token, kTokenSize) == 0 && token.size() == kTokenSize ? token : std::string();
    }
    char fresh[kTokenSize];
    if (make_dirs(state_dir, 0700) != 0 || !is_private_or_absent(state_dir) || !random_bytes(fresh, sizeof fresh)) return {};
    PublishOptions o;
    o.mode = 0600;
    o.umask_override = 0;
    if (int e = publish_file(path, {fresh, sizeof fresh}, o); e && e != EEXIST) return {};
  }
  return {};
}

const SealKey* Trust::find(uint64_t id) const {
  for (auto& k : keys_)
    if (k->id == id) return k.get();
  return nullptr;
}

bool Trust::Check::good(std::string_view sealed, const Seal* seal) {
  const Trust& t = *trust_;
  const std::string who = "layer " + t.layer_->name() + ": ";
  if (!seal || seal->kind == SealKind::kNone) return why = who + (t.own_ ? "it was put there before there were keys" : "it is not signed"), false;
  if (seal->kind == SealKind::kLocal) {
    if (!t.own_ || t.token_.empty() || !same_secret(seal->proof, t.token_)) return why = who + "it is not signed", false;
    if (seal->key_id && !t.find(seal->key_id)) return why = who + "it was signed by a key that is trusted no more", false;
    if (std::string open = t.layer_->exposed(&address_); !open.empty()) return why = who + open, false;
    voucher = seal->key_id;
    return true;
  }
  const SealKey* key = t.find(seal->key_id);
  if (!key || key->kind != seal->kind) return why = who + "it is signed by an unknown key", false;
  const Digest digest = digest_of(address_, sealed);
  Digest known;
  Table::Value value;
  const bool slow = seal->kind == SealKind::kEd25519;
  if (slow && t.verified_) {
    known = verified_key(*key, digest, seal->proof);
    if (t.verified_->get(known, &value) && value == second_half(known)) return voucher = key->id, true;
  }
  switch (verify_digest(*key, digest, seal->proof)) {
    case Ed25519::kBad:
      return why = who + "its signature is wrong", false;
    case Ed25519::kNoLibrary:
      t.wants_library_.store(true, std::memory_order_relaxed);
      return why = who + "its signature can't be checked: " + ed25519_trouble(), false;
    case Ed25519::kGood:
      break;
  }
  if (slow && t.verified_) t.verified_->put(known, second_half(known));
  voucher = key->id;
  return true;
}

bool Trust::seal(const Address& a, Voucher voucher, std::string* bytes) const {
  if (!voucher) return false;
  Seal seal;
  std::string proof;
  if (own_) {
    if (token_.empty() || !layer_->exposed(nullptr).empty()) return false;
    seal = {SealKind::kLocal, *voucher, token_};
  } else {
    if (!sign_ || sign_digest(*sign_, digest_of(a, *bytes), &proof) != Ed25519::kGood) return false;
    seal = {sign_->kind, sign_->id, proof};
  }
  put_seal(bytes, seal);
  return true;
}

EntryState Trust::open_record(const Address& a, std::string_view bytes, const Digest& key, InputsRecord* r, std::string* why) const {
  Check check(this, a);
  EntryState state = decode_record(bytes, key, r, &check);
  if (state == EntryState::kUntrusted && why && why->empty()) *why = std::move(check.why);
  return state;
}

bool Trust::make_record(const Address& a, const InputsRecord& r, const Digest& key, std::string* out) const {
  *out = encode_record(r, key);
  return seal(a, 0, out);
}

}  // namespace cchain
