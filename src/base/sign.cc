// SPDX-License-Identifier: Apache-2.0
#include "base/sign.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/dynamic.h"

namespace cchain {

Digest hmac_sha256(std::string_view key, std::string_view message) {
  constexpr size_t kBlock = 64;
  uint8_t block[kBlock] = {};
  if (key.size() > kBlock) {
    Digest d = sha256(key);
    memcpy(block, d.b.data(), d.b.size());
  } else if (!key.empty()) {
    memcpy(block, key.data(), key.size());
  }
  auto pass = [&](uint8_t pad, std::string_view text) {
    uint8_t padded[kBlock];
    for (size_t i = 0; i < kBlock; i++) padded[i] = block[i] ^ pad;
    Sha256 h;
    h.update(padded, kBlock);
    h.update(text);
    return h.finish();
  };
  Digest inner = pass(0x36, message);
  return pass(0x5c, {reinterpret_cast<const char*>(inner.b.data()), inner.b.size()});
}

bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile uint8_t differ = 0;
  for (size_t i = 0; i < a.size(); i++) differ = static_cast<uint8_t>(differ | (a[i] ^ b[i]));
  return differ == 0;
}

bool random_bytes(void* out, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = getrandom(static_cast<char*>(out) + done, size - done, 0);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) done += static_cast<size_t>(n);
  }
  return true;
}

namespace {

struct Crypto {
  decltype(&EVP_PKEY_new_raw_private_key) new_private;
  decltype(&EVP_PKEY_new_raw_public_key) new_public;
  decltype(&EVP_PKEY_get_raw_public_key) get_public;
  decltype(&EVP_PKEY_free) free_key;
  decltype(&EVP_MD_CTX_new) new_context;
  decltype(&EVP_MD_CTX_free) free_context;
  decltype(&EVP_DigestSignInit) sign_init;
  decltype(&EVP_DigestSign) sign;
  decltype(&EVP_DigestVerifyInit) verify_init;
  decltype(&EVP_DigestVerify) verify;
  std::string trouble;
};

// Loaded once and for good: neither is this library ever unloaded.
const Crypto& crypto() {
  static const Crypto* const loaded = [] {
    auto* c = new Crypto{};
    std::string why;
    void* handle = load_library("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE, &why);
    if (!handle) handle = load_library("libcrypto.so.1.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    bool whole = handle;
    auto take = [&](auto* function, const char* name) {
      if (handle) *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(library_symbol(handle, name));
      whole = whole && *function;
    };
    take(&c->new_private, "EVP_PKEY_new_raw_private_key");
    take(&c->new_public, "EVP_PKEY_new_raw_public_key");
    take(&c->get_public, "EVP_PKEY_get_raw_public_key");
    take(&c->free_key, "EVP_PKEY_free");
    take(&c->new_context, "EVP_MD_CTX_new");
    take(&c->free_context, "EVP_MD_CTX_free");
    take(&c->sign_init, "EVP_DigestSignInit");
    take(&c->sign, "EVP_DigestSign");
    take(&c->verify_init, "EVP_DigestVerifyInit");
    take(&c->verify, "EVP_DigestVerify");
    // Neither a configuration file that the environment names, which can load code, nor a function that runs at exit.
    decltype(&OPENSSL_init_crypto) init = nullptr;
    take(&init, "OPENSSL_init_crypto");
    if (whole) init(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
    if (!whole) c->trouble = handle ? "libcrypto lacks the functions of Ed25519" : "Ed25519 needs the library libcrypto.so.3 (package libssl3): " + why;
    return c;
  }();
  return *loaded;
}

struct FreeKey {
  void operator()(EVP_PKEY* k) const { crypto().free_key(k); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* c) const { crypto().free_context(c); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

const unsigned char* raw(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

bool public_half(const Key& key, KeyBytes* out) {
  size_t size = out->size();
  return key && crypto().get_public(key.get(), out->data(), &size) == 1 && size == out->size();
}

}  // namespace

const std::string& ed25519_trouble() { return crypto().trouble; }

Ed25519 ed25519_public(const KeyBytes& secret, KeyBytes* out) {
  if (!crypto().trouble.empty()) return Ed25519::kNoLibrary;
  Key key(crypto().new_private(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size()));
  return public_half(key, out) ? Ed25519::kGood : Ed25519::kBad;
}

Ed25519 ed25519_sign(const KeyBytes& secret, const KeyBytes& expected, std::string_view message, std::string* out) {
  if (!crypto().trouble.empty()) return Ed25519::kNoLibrary;
  Key key(crypto().new_private(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size()));
  KeyBytes half;
  if (!public_half(key, &half) || half != expected) return Ed25519::kBad;
  Context context(crypto().new_context());
  unsigned char signature[64];
  size_t size = sizeof signature;
  if (!context || crypto().sign_init(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      crypto().sign(context.get(), signature, &size, raw(message), message.size()) != 1 || size != sizeof signature)
    return Ed25519::kBad;
  out->append(reinterpret_cast<const char*>(signature), size);
  return Ed25519::kGood;
}

Ed25519 ed25519_verify(const KeyBytes& bytes, std::string_view message, std::string_view signature) {
  if (!crypto().trouble.empty()) return Ed25519::kNoLibrary;
  Key key(crypto().new_public(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()));
  Context context(crypto().new_context());
  bool good = key && context && signature.size() == 64 && crypto().verify_init(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
              crypto().verify(context.get(), raw(signature), signature.size(), raw(message), message.size()) == 1;
  return good ? Ed25519::kGood : Ed25519::kBad;
}

}  // namespace cchain
