// Signatures and seals: the published vectors, and every way in which a seal can be wrong.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cstring>
#include <string>

extern "C" {
#include <cmocka.h>
}

#include "base/fs.h"
#include "base/sign.h"
#include "model/entry.h"
#include "model/seal.h"

using namespace cchain;

extern "C" [[gnu::weak]] void OPENSSL_cpuid_setup(void);

namespace {

// FIPS 180-2's long message. The processor is asked what it can do in the midst of it (base/hash.cc); that function of libcrypto's must still be there.
void sha256_in_pieces(void**) {
  const std::string piece(1000, 'a');
  Sha256 h;
  for (int i = 0; i < 1000; i++) h.update(piece.data(), piece.size());
  assert_string_equal(h.finish().hex().c_str(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
#ifdef __x86_64__
  assert_non_null(OPENSSL_cpuid_setup);
#endif
}

std::string bytes_of(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}
KeyBytes key_of(std::string_view hex) {
  KeyBytes k;
  memcpy(k.data(), bytes_of(hex).data(), 32);
  return k;
}

// RFC 4231.
void hmac(void**) {
  assert_string_equal(hmac_sha256(std::string(20, '\x0b'), "Hi There").hex().c_str(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  assert_string_equal(hmac_sha256("Jefe", "what do ya want for nothing?").hex().c_str(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  assert_string_equal(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd')).hex().c_str(), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  assert_string_equal(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First").hex().c_str(),
                      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  assert_true(same_secret("abc", "abc"));
  assert_false(same_secret("abc", "abd") || same_secret("abc", "ab") || same_secret("", "a"));
}

// RFC 8032, 7.1.
void ed25519(void**) {
  const struct {
    const char *secret, *open, *message, *signature;
  } cases[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
  };
  for (auto& c : cases) {
    KeyBytes open;
    std::string signature, message = bytes_of(c.message);
    assert_true(ed25519_public(key_of(c.secret), &open) == Ed25519::kGood);
    assert_true(open == key_of(c.open));
    assert_true(ed25519_sign(key_of(c.secret), open, message, &signature) == Ed25519::kGood);
    assert_true(signature == bytes_of(c.signature));
    assert_true(ed25519_verify(open, message, signature) == Ed25519::kGood);
    assert_true(ed25519_verify(open, message + "x", signature) == Ed25519::kBad);
    for (size_t i = 0; i < signature.size(); i++) {
      std::string bad = signature;
      bad[i] ^= 1;
      assert_true(ed25519_verify(open, message, bad) == Ed25519::kBad);
    }
    assert_true(ed25519_verify(open, message, signature.substr(1)) == Ed25519::kBad);
    KeyBytes other = open;
    other[0] ^= 1;
    assert_true(ed25519_sign(key_of(c.secret), other, message, &signature) == Ed25519::kBad);
  }
}

void key_files(void**) {
  SealKey key, again;
  const std::string a(64, 'a'), b(64, 'b');
  assert_string_equal(parse_key("# x\n\n  ed25519-private " + a + "\t" + b + " \r\n", &key).c_str(), "");
  assert_true(key.can_sign && key.kind == SealKind::kEd25519);
  assert_string_equal(parse_key(key_text(key, false), &again).c_str(), "");
  assert_true(!again.can_sign && again.id == key.id && again.open == key.open);
  assert_string_equal(parse_key(key_text(key, true), &again).c_str(), "");
  assert_true(again.can_sign && again.secret == key.secret);
  assert_string_equal(parse_key("hmac-sha256 " + a, &key).c_str(), "");
  assert_true(key.can_sign && key.id != again.id);
  for (const std::string& bad : {std::string(), std::string("# none\n"), "hmac-sha256 " + a + "\nhmac-sha256 " + a, "hmac-sha256 " + a + " x", "hmac-sha256 " + a.substr(1),
                                 "ed25519-private " + a, "ed25519-public " + a + " " + b, std::string("ssh-ed25519 AAAA"), "hmac-sha256 " + std::string(64, 'A')})
    assert_string_not_equal(parse_key(bad, &key).c_str(), "");
}

void seals(void**) {
  const std::string proof[] = {"", std::string(16, 't'), std::string(32, 'h'), std::string(64, 'e')};
  for (int kind = 0; kind < 4; kind++) {
    std::string bytes = "what is sealed";
    put_seal(&bytes, {static_cast<SealKind>(kind), kind ? uint64_t{0x1122334455667788} : 0, proof[kind]});
    assert_true(seal_intact(bytes));
    for (size_t i = 0; i < bytes.size(); i++)
      for (int bit = 0; bit < 8; bit++) {
        std::string bad = bytes;
        bad[i] = static_cast<char>(bad[i] ^ 1 << bit);
        assert_false(seal_intact(bad));
      }
    std::string_view rest = bytes;
    Seal seal;
    assert_true(take_seal(&rest, &seal));
    assert_true(rest == "what is sealed" && seal.kind == static_cast<SealKind>(kind) && seal.proof == proof[kind]);
    assert_false(take_seal(&rest, &seal));
    for (size_t n = 0; n < bytes.size(); n++) {
      std::string_view cut = std::string_view(bytes).substr(n);
      std::string_view was = cut;
      if (take_seal(&cut, &seal)) assert_true(cut.size() < was.size());
      else assert_true(cut == was);
    }
  }
  // Tenant, namespace and bytes: none can stand for another.
  assert_true(sealed_digest("compile", "a", "b") != sealed_digest("compile", "b", "b"));
  assert_true(sealed_digest("compile", "a", "b") != sealed_digest("inputs", "a", "b"));
  assert_true(sealed_digest("compile", "ab", "c") != sealed_digest("compile", "a", "bc"));
}

// What is read without asking for a seal is the same with one and without.
void entries(void**) {
  Digest key = sha256("key");
  Entry e, f;
  e.outputs.push_back({"object", 0, "bytes"});
  std::string plain = encode_entry(e, key, {1, UINT64_MAX}, "{\"a\":1}"), sealed = plain, decoded;
  put_seal(&sealed, {SealKind::kHmac, 7, std::string(32, 'h')});
  for (const std::string& bytes : {plain, sealed}) {
    assert_true(decode_entry(bytes, key, 1 << 20, &f, &decoded) == EntryState::kWhole);
    assert_true(f.outputs.size() == 1 && f.outputs[0].data == "bytes" && f.meta == "{\"a\":1}");
  }
  struct Never final : SealCheck {
    int asked = 0, without = 0;
    bool good(std::string_view, const Seal* seal) override { return asked++, without += !seal, false; }
  } never;
  assert_true(decode_entry(sealed, key, 1 << 20, &f, &decoded, &never) == EntryState::kUntrusted);
  assert_true(decode_entry(plain, key, 1 << 20, &f, &decoded, &never) == EntryState::kUntrusted);
  InputsRecord r, s;
  r.sets.push_back({true, "places"});
  std::string record = encode_record(r, key);
  assert_true(decode_record(record, key, &s, &never) == EntryState::kUntrusted);
  put_seal(&record, {SealKind::kHmac, 7, std::string(32, 'h')});
  assert_true(decode_record(record, key, &s) == EntryState::kWhole && s.sets.size() == 1);
  assert_true(decode_record(record, key, &s, &never) == EntryState::kUntrusted);
  assert_int_equal(never.asked, 4);
  assert_int_equal(never.without, 2);
}

void ways(void**) {
  assert_string_equal(exposed_way("/").c_str(), "");
  assert_string_not_equal(exposed_way("relative").c_str(), "");
  assert_string_not_equal(exposed_way("/absent-name").c_str(), "");
  assert_string_not_equal(exposed_way("/tmp").c_str(), "");  // it can be written by others, if only to add to it
  assert_string_equal(exposed_way("/usr/../usr/./bin//").c_str(), "");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(sha256_in_pieces), cmocka_unit_test(hmac), cmocka_unit_test(ed25519), cmocka_unit_test(key_files), cmocka_unit_test(seals), cmocka_unit_test(entries), cmocka_unit_test(ways)};
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
