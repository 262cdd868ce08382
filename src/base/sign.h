// What signatures are made of: HMAC-SHA256, by hand from SHA-256 (the first one of OpenSSL 3 costs a process a millisecond), and Ed25519, by a libcrypto that
// is loaded when the first one is made or checked. A static program has none: there every Ed25519 call answers kNoLibrary.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace cchain {

using KeyBytes = std::array<uint8_t, 32>;

Digest hmac_sha256(std::string_view key, std::string_view message);
// In a time that does not depend on where they differ.
bool same_secret(std::string_view a, std::string_view b);
// Of the kernel's random source; false if there is none.
bool random_bytes(void* out, size_t size);

enum class Ed25519 { kGood, kBad, kNoLibrary };
// The public half of a private key.
Ed25519 ed25519_public(const KeyBytes& secret, KeyBytes* out);
// Appends 64 bytes. kBad: `expected` is not the key's public half.
Ed25519 ed25519_sign(const KeyBytes& secret, const KeyBytes& expected, std::string_view message, std::string* out);
Ed25519 ed25519_verify(const KeyBytes& key, std::string_view message, std::string_view signature);
// Why it answers kNoLibrary.
const std::string& ed25519_trouble();

}  // namespace cchain
