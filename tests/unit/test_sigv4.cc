// Signatures of AWS's version 4: the examples of Amazon's own documentation (S3, "Signature calculations for the Authorization header") and what servers are
// known to differ in. tests/remote/test_s3.py checks every request that is really sent, by another implementation and by a real server.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string>

extern "C" {
#include <cmocka.h>
}

#include "remote/sigv4.h"

using namespace remote;

namespace {

const Keys kKeys = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};

ToSign example() {
  ToSign s;
  s.method = "GET";
  s.host = "examplebucket.s3.amazonaws.com";
  s.path = "/";
  s.payload_hash = sha256_hex("");
  s.region = "us-east-1";
  s.service = "s3";
  s.time = 1369353600;  // 2013-05-24
  return s;
}

std::string signature(const ToSign& s, const Keys& keys = kKeys) {
  std::string last = sign(s, keys).back();
  return last.substr(last.find("Signature=") + 10);
}

void documented(void**) {
  ToSign s = example();
  s.path = "/test.txt";
  s.headers = {{"range", "bytes=0-9"}};
  assert_string_equal(signature(s).c_str(), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

  s = example();
  s.method = "PUT";
  s.path = "/" + percent_encode("test$file.text", true);
  s.headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  s.payload_hash = sha256_hex("Welcome to Amazon S3.");
  assert_string_equal(signature(s).c_str(), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

  s = example();
  s.query = {{"lifecycle", ""}};
  assert_string_equal(signature(s).c_str(), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");

  s = example();
  s.query = {{"prefix", "J"}, {"max-keys", "2"}};  // not in order
  assert_string_equal(signature(s).c_str(), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

void encoding(void**) {
  assert_string_equal(percent_encode("a/b c=d:e~f+g%\xc3\xa9", true).c_str(), "a/b%20c%3Dd%3Ae~f%2Bg%25%C3%A9");
  assert_string_equal(percent_encode("a/b", false).c_str(), "a%2Fb");
}

void headers(void**) {
  ToSign a = example(), b = example();
  a.headers = {{"x-amz-meta", "one  two "}};
  b.headers = {{"x-amz-meta", " one two"}};
  assert_string_equal(signature(a).c_str(), signature(b).c_str());
  Keys with = kKeys;
  with.token = "t0ken";
  assert_string_not_equal(signature(a).c_str(), signature(a, with).c_str());
  bool sent = false;
  for (auto& h : sign(a, with)) sent = sent || h == "x-amz-security-token: t0ken";
  assert_true(sent);
  Keys long_key = kKeys;
  long_key.secret_key = std::string(100, 'k');  // longer than a block of the hash
  assert_string_not_equal(signature(a).c_str(), signature(a, long_key).c_str());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(documented), cmocka_unit_test(encoding), cmocka_unit_test(headers)};
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
