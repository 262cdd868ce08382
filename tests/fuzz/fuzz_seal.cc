// Seals behind entries and records, key files, and tenants of a layer's shares. The first byte picks.
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/config.h"
#include "fuzz_unwritten.h"
#include "model/entry.h"
#include "model/seal.h"

using namespace cchain;

namespace {
void require(bool ok) {
  if (!ok) abort();
}
// Lets pass what a key that nobody else has signed.
class Signed final : public SealCheck {
 public:
  explicit Signed(std::string_view space) : space_(space) {
    key_.can_sign = true;
    key_.secret.fill(7);
    key_.id = key_id(key_);
  }
  bool good(std::string_view sealed, const Seal* seal) override {
    return seal && seal->kind == SealKind::kHmac && seal->key_id == key_.id &&
           verify_digest(key_, sealed_digest(space_, "local", sealed), seal->proof) == Ed25519::kGood;
  }
  std::string sign(std::string bytes) const {
    std::string proof;
    require(sign_digest(key_, sealed_digest(space_, "local", bytes), &proof) == Ed25519::kGood);
    put_seal(&bytes, {key_.kind, key_.id, proof});
    return bytes;
  }

 private:
  std::string_view space_;
  SealKey key_;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Digest key;
  static Signed check("compile");
  switch (data[0] % 5) {
    case 0: {  // any bytes
      Seal seal;
      std::string_view rest = bytes;
      const bool intact = seal_intact(bytes);
      if (take_seal(&rest, &seal)) {
        require(rest.size() < bytes.size());
        std::string again(rest);
        put_seal(&again, seal);
        // But for the checksum it is the same, and if that was right, it is.
        require(again.size() == bytes.size() && seal_intact(again) && (!intact || again == bytes));
      } else {
        require(rest == bytes && !intact);
      }
      break;
    }
    case 1: {  // an unsigned entry or record never passes
      Entry e;
      InputsRecord r;
      std::string decoded;
      require(decode_entry(bytes, key, 1 << 20, &e, &decoded, &check) != EntryState::kWhole);
      require(decode_record(bytes, key, &r, &check) != EntryState::kWhole);
      break;
    }
    case 2: {  // a signed one is what it is without
      Entry e, f;
      std::string decoded, more;
      const EntryState plain = decode_entry(bytes, key, 1 << 20, &e, &decoded);
      Seal seal;
      std::string_view rest = bytes;
      if (!take_seal(&rest, &seal)) require(decode_entry(check.sign(std::string(bytes)), key, 1 << 20, &f, &more, &check) == plain);
      break;
    }
    case 3: {
      SealKey k, again;
      if (parse_key(bytes, &k).empty()) {
        require(parse_key(key_text(k, k.can_sign), &again).empty());
        require(again.id == k.id && again.kind == k.kind && again.can_sign == k.can_sign && again.secret == k.secret && again.open == k.open);
      }
      break;
    }
    default: {  // a layer's members, in a URL
      std::string env = "CCHAIN_LAYERS=/cache?" + std::string(bytes.substr(0, bytes.find('\0')));
      const char* vars[] = {env.c_str(), nullptr};
      ConfigSource source;
      source.env = vars;
      source.no_files = true;
      Config c = load_config(source);
      for (auto& l : c.layers) {
        uint64_t sum = 0;
        for (auto& [tenant, share] : l.tenants) require(valid_tenant(tenant) && share > 0), sum += share;
        require(!l.disabled.empty() || l.tenants.empty() || sum < l.max_size);
        require(!l.disabled.empty() || l.verify_files.size() == l.verify_keys.size());
        if (l.disabled.empty())
          for (auto& k : l.verify_keys) require(k != nullptr);
      }
      if (size % 16 == 0) require(config_json(c).size() > 2);
    }
  }
  return 0;
}
