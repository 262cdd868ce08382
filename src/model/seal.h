// The seal behind an entry or a record: who vouches for the bytes before it. src/FORMAT.md describes it byte by byte. Also the keys that seals are made with.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/sign.h"

namespace cchain {

enum class SealKind : uint8_t {
  kNone = 0,     // nobody: a checksum of what has no other, the metadata
  kLocal = 1,    // the user who owns the folder: believed there only, by its token
  kHmac = 2,     // whoever has the shared key
  kEd25519 = 3,  // whoever has the private key
};

struct Seal {
  SealKind kind = SealKind::kNone;
  uint64_t key_id = 0;     // of kLocal: the key that vouched for it where it came from, 0 for what was compiled here
  std::string_view proof;  // 16 bytes token, 32 or 64 bytes signature
};

// Takes a seal off the end of `bytes`. False if there is none; then nothing is changed.
bool take_seal(std::string_view* bytes, Seal* seal);
void put_seal(std::string* bytes, const Seal& seal);
// Whether the seal's checksum is right for `bytes`, which ends with it. Not asked on a hit.
bool seal_intact(std::string_view bytes);

// What is signed: a SHA-256 over namespace ("compile", "inputs"), tenant and all bytes before the seal: key, roles, contents, metadata.
Digest sealed_digest(std::string_view space, std::string_view tenant, std::string_view bytes);

struct SealKey {
  SealKind kind = SealKind::kHmac;
  bool can_sign = false;
  KeyBytes secret{}, open{};  // `open`: the public half of an Ed25519 key
  uint64_t id = 0;
};

// The text of a key file; "" or what is wrong with it. `secret`: whether it holds what nobody else may know.
std::string parse_key(std::string_view text, SealKey* key);
std::string key_text(const SealKey& key, bool with_secret);
uint64_t key_id(const SealKey& key);

Ed25519 sign_digest(const SealKey& key, const Digest& digest, std::string* proof);
Ed25519 verify_digest(const SealKey& key, const Digest& digest, std::string_view proof);

}  // namespace cchain
