// SPDX-License-Identifier: Apache-2.0
#include "model/seal.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace cchain {

namespace {

constexpr std::string_view kMagic = "CCG1";
constexpr size_t kProof[] = {0, 16, 32, 64};
constexpr const char* kNames[] = {"", "", "hmac-sha256", "ed25519"};
constexpr size_t kTail = 8 + 1 + 4;  // checksum, kind, magic

std::string_view view(const uint8_t* p, size_t n) { return {reinterpret_cast<const char*>(p), n}; }
std::string_view view(const Digest& d) { return view(d.b.data(), d.b.size()); }
std::string_view view(const KeyBytes& k) { return view(k.data(), k.size()); }

std::string hex(const KeyBytes& k) {
  Digest d;
  d.b = k;
  return d.hex();
}

std::string_view next_word(std::string_view* line) {
  size_t from = line->find_first_not_of(" \t\r");
  if (from == std::string_view::npos) return {};
  line->remove_prefix(from);
  std::string_view word = line->substr(0, line->find_first_of(" \t\r"));
  line->remove_prefix(word.size());
  return word;
}

}  // namespace

bool take_seal(std::string_view* bytes, Seal* seal) {
  if (bytes->size() < kTail || bytes->substr(bytes->size() - 4) != kMagic) return false;
  const uint8_t kind = static_cast<uint8_t>((*bytes)[bytes->size() - 5]);
  if (kind >= std::size(kProof)) return false;
  const size_t proof = kProof[kind], id = kind ? 8 : 0;
  if (bytes->size() < proof + id + kTail) return false;
  const size_t start = bytes->size() - kTail - id - proof;
  seal->kind = static_cast<SealKind>(kind);
  seal->proof = bytes->substr(start, proof);
  seal->key_id = 0;
  if (id) memcpy(&seal->key_id, bytes->data() + start + proof, 8);
  bytes->remove_suffix(bytes->size() - start);
  return true;
}

void put_seal(std::string* bytes, const Seal& seal) {
  bytes->append(seal.proof);
  if (seal.kind != SealKind::kNone) bytes->append(reinterpret_cast<const char*>(&seal.key_id), 8);
  uint64_t check = xxh64(*bytes, static_cast<uint64_t>(seal.kind));
  bytes->append(reinterpret_cast<const char*>(&check), 8);
  *bytes += static_cast<char>(seal.kind);
  bytes->append(kMagic);
}

bool seal_intact(std::string_view bytes) {
  Seal seal;
  std::string_view rest = bytes;
  if (!take_seal(&rest, &seal)) return false;
  uint64_t check;
  memcpy(&check, bytes.data() + bytes.size() - kTail, 8);
  return check == xxh64(bytes.substr(0, bytes.size() - kTail), static_cast<uint64_t>(seal.kind));
}

Digest sealed_digest(std::string_view space, std::string_view tenant, std::string_view bytes) {
  KeyHasher h("cchain seal 1");
  h.field("space", space);
  h.field("tenant", tenant);
  h.field("bytes", bytes);
  return h.finish();
}

uint64_t key_id(const SealKey& key) {
  KeyHasher h("cchain key id 1");
  h.field("kind", static_cast<uint64_t>(key.kind));
  if (key.kind == SealKind::kHmac) h.field("key", hmac_sha256(view(key.secret), "cchain key id"));
  else h.field("key", view(key.open));
  uint64_t id;
  Digest d = h.finish();
  memcpy(&id, d.b.data(), 8);
  return id;
}

std::string parse_key(std::string_view text, SealKey* key) {
  *key = SealKey{};
  bool found = false;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::string_view type = next_word(&line), first = next_word(&line), second = next_word(&line);
    if (type.empty() || type[0] == '#') continue;
    if (found) return "it holds more than one key";
    found = true;
    Digest a, b;
    const bool shared = type == "hmac-sha256", secret = type == "ed25519-private";
    if (!shared && !secret && type != "ed25519-public") return "it is no key file of cchain (see cchain help keygen)";
    if (!digest_from_hex(first, &a) || secret != digest_from_hex(second, &b) || (!secret && !second.empty()) || !next_word(&line).empty())
      return "its key is not what cchain keygen writes";
    key->kind = shared ? SealKind::kHmac : SealKind::kEd25519;
    key->can_sign = shared || secret;
    if (key->can_sign) key->secret = a.b;
    if (!shared) key->open = secret ? b.b : a.b;
  }
  if (!found) return "it holds no key";
  key->id = key_id(*key);
  return {};
}

std::string key_text(const SealKey& key, bool with_secret) {
  std::string text = kNames[static_cast<int>(key.kind)];
  if (key.kind == SealKind::kEd25519) text += with_secret ? "-private" : "-public";
  if (with_secret) text += " " + hex(key.secret);
  if (key.kind == SealKind::kEd25519) text += " " + hex(key.open);
  return text + "\n";
}

Ed25519 sign_digest(const SealKey& key, const Digest& digest, std::string* proof) {
  proof->clear();
  if (!key.can_sign) return Ed25519::kBad;
  if (key.kind == SealKind::kEd25519) return ed25519_sign(key.secret, key.open, view(digest), proof);
  proof->append(view(hmac_sha256(view(key.secret), view(digest))));
  return Ed25519::kGood;
}

Ed25519 verify_digest(const SealKey& key, const Digest& digest, std::string_view proof) {
  if (key.kind == SealKind::kEd25519) return ed25519_verify(key.open, view(digest), proof);
  return same_secret(view(hmac_sha256(view(key.secret), view(digest))), proof) ? Ed25519::kGood : Ed25519::kBad;
}

}  // namespace cchain
