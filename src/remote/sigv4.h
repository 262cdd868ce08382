// AWS Signature Version 4, over the parts of OpenSSL that cost nothing to start.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remote {

struct Keys {
  std::string access_key, secret_key, token;  // token "": none
};

struct ToSign {
  std::string method, host;  // host with its port, as the Host header has it
  std::string path;          // percent-encoded once, begins with /
  std::vector<std::pair<std::string, std::string>> query;    // not encoded
  std::vector<std::pair<std::string, std::string>> headers;  // further ones to be signed; names in lower case
  std::string payload_hash;  // hex
  std::string region, service;
  long long time = 0;        // seconds since 1970
};

// The headers to send besides those given: x-amz-date, x-amz-content-sha256 (of s3), x-amz-security-token, Authorization.
std::vector<std::string> sign(const ToSign& what, const Keys& keys);
std::string sha256_hex(std::string_view data);
// All but A-Z a-z 0-9 - . _ ~ (and / if kept) as %XX.
std::string percent_encode(std::string_view text, bool keep_slash);

}  // namespace remote
