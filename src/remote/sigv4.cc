// SPDX-License-Identifier: Apache-2.0
#include "remote/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

namespace remote {

namespace {

using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Hash sha256(std::string_view data) {
  Hash h;
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, data.data(), data.size());
  SHA256_Final(h.data(), &c);
  return h;
}

std::string_view view(const Hash& h) { return {reinterpret_cast<const char*>(h.data()), h.size()}; }

// RFC 2104. The library's own pulls in its whole provider machinery: a millisecond for each process.
Hash hmac(std::string_view key, std::string_view data) {
  unsigned char block[64] = {}, pad[64];
  if (key.size() > sizeof block) memcpy(block, sha256(key).data(), SHA256_DIGEST_LENGTH);
  else memcpy(block, key.data(), key.size());
  Hash h;
  SHA256_CTX c;
  for (int i = 0; i < 64; i++) pad[i] = block[i] ^ 0x36;
  SHA256_Init(&c);
  SHA256_Update(&c, pad, sizeof pad);
  SHA256_Update(&c, data.data(), data.size());
  SHA256_Final(h.data(), &c);
  for (int i = 0; i < 64; i++) pad[i] = block[i] ^ 0x5c;
  SHA256_Init(&c);
  SHA256_Update(&c, pad, sizeof pad);
  SHA256_Update(&c, h.data(), h.size());
  SHA256_Final(h.data(), &c);
  OPENSSL_cleanse(block, sizeof block);
  OPENSSL_cleanse(pad, sizeof pad);
  return h;
}

std::string hex(const Hash& h) {
  static const char digits[] = "0123456789abcdef";
  std::string s;
  for (unsigned char b : h) s += digits[b >> 4], s += digits[b & 15];
  return s;
}

// A header's value as it is signed: no blanks at its ends, one for each run of them.
std::string trimmed(std::string_view v) {
  std::string out;
  for (char c : v) {
    if (c == '\t') c = ' ';
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out += c;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::string sha256_hex(std::string_view data) { return hex(sha256(data)); }

std::string percent_encode(std::string_view text, bool keep_slash) {
  static const char digits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
    if (plain) out += static_cast<char>(c);
    else out += '%', out += digits[c >> 4], out += digits[c & 15];
  }
  return out;
}

std::vector<std::string> sign(const ToSign& w, const Keys& keys) {
  char stamp[32];
  time_t seconds = static_cast<time_t>(w.time);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
  const std::string date(stamp, 8);

  std::map<std::string, std::string> headers = {{"host", trimmed(w.host)}, {"x-amz-date", stamp}};
  std::vector<std::string> out = {std::string("x-amz-date: ") + stamp};
  if (w.service == "s3") {
    headers["x-amz-content-sha256"] = w.payload_hash;
    out.push_back("x-amz-content-sha256: " + w.payload_hash);
  }
  if (!keys.token.empty()) {
    headers["x-amz-security-token"] = keys.token;
    out.push_back("x-amz-security-token: " + keys.token);
  }
  for (auto& [name, value] : w.headers) headers[name] = trimmed(value);

  std::vector<std::pair<std::string, std::string>> query;
  for (auto& [k, v] : w.query) query.emplace_back(percent_encode(k, false), percent_encode(v, false));
  std::sort(query.begin(), query.end());
  std::string canonical = w.method + "\n" + w.path + "\n", names;
  for (size_t i = 0; i < query.size(); i++) canonical += (i ? "&" : "") + query[i].first + "=" + query[i].second;
  canonical += "\n";
  for (auto& [name, value] : headers) {
    canonical += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += "\n" + names + "\n" + w.payload_hash;

  const std::string scope = date + "/" + w.region + "/" + w.service + "/aws4_request";
  const std::string text = std::string("AWS4-HMAC-SHA256\n") + stamp + "\n" + scope + "\n" + sha256_hex(canonical);
  Hash k = hmac("AWS4" + keys.secret_key, date);
  k = hmac(view(k), w.region);
  k = hmac(view(k), w.service);
  k = hmac(view(k), "aws4_request");
  out.push_back("Authorization: AWS4-HMAC-SHA256 Credential=" + keys.access_key + "/" + scope + ", SignedHeaders=" + names +
                ", Signature=" + hex(hmac(view(k), text)));
  return out;
}

}  // namespace remote
