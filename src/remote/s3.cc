// S3: one object an entry, signed for ourselves, for libcurl's own signatures fail on real servers.
// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include <atomic>

#include "remote/credentials.h"
#include "remote/http.h"

namespace remote {

namespace {

class S3 final : public HttpBackend {
 public:
  explicit S3(const Settings& s)
      : HttpBackend(HttpOptions(s)), credentials_(s), region_(credentials_.region().empty() ? "us-east-1" : credentials_.region()),
        prefix_(s.has("prefix") ? s.get("prefix") : "cache/"), sse_(s.get("sse")), sse_key_(s.get("sse_kms_key_id")) {
    const std::string& bucket = s.get("bucket");
    for (char c : bucket)
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_')) throw Refused("\"bucket\" is no name of a bucket");
    while (!prefix_.empty() && prefix_.front() == '/') prefix_.erase(0, 1);
    std::string endpoint = s.get("endpoint");
    if (endpoint.empty()) endpoint = s.env("AWS_ENDPOINT_URL_S3");
    if (endpoint.empty()) endpoint = s.env("AWS_ENDPOINT_URL");
    bool own = !endpoint.empty();
    if (!own) endpoint = "https://s3." + region_ + ".amazonaws.com" + (region_.compare(0, 3, "cn-") == 0 ? ".cn" : "");
    if (endpoint.find("://") == std::string::npos) endpoint = "https://" + endpoint;
    if (endpoint.compare(0, 7, "http://") != 0 && endpoint.compare(0, 8, "https://") != 0) throw Refused("\"endpoint\" begins neither with http:// nor with https://");
    while (endpoint.back() == '/') endpoint.pop_back();
    size_t start = endpoint.find("://") + 3;
    scheme_ = endpoint.substr(0, start);
    host_ = endpoint.substr(start);
    if (size_t slash = host_.find('/'); slash != std::string::npos) base_ = host_.substr(slash), host_.resize(slash);
    if (host_.empty() || host_.find_first_of("?#@") != std::string::npos) throw Refused("\"endpoint\" has no host, or a query");
    // A certificate for *.host does not cover a bucket with a dot.
    if (s.flag("path_style", own || bucket.find('.') != std::string::npos)) base_ += "/" + bucket;
    else host_ = bucket + "." + host_;
  }

 protected:
  void prepare(const cc_transfer& t, int cancel_fd, HttpRequest* r) override {
    static const char* const kMethods[] = {"GET", "PUT", "HEAD", "DELETE"};
    r->method = kMethods[t.kind & 3];
    const std::string path = percent_encode(base_ + "/" + prefix_ + path_of(t.address), true);
    r->url = scheme_ + host_ + path;
    ToSign s;
    if (t.kind == CC_TRANSFER_PUT) {
      r->body = std::string_view(static_cast<const char*>(t.data), t.size);
      s.headers.emplace_back("content-type", "application/octet-stream");
      if (!(t.flags & CC_PUT_REPLACE) && conditional_) s.headers.emplace_back("if-none-match", "*");
      else if (t.etag[0] && conditional_) s.headers.emplace_back("if-match", t.etag);
      if (!sse_.empty()) s.headers.emplace_back("x-amz-server-side-encryption", sse_);
      if (!sse_key_.empty()) s.headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", sse_key_);
    }
    for (auto& [name, value] : s.headers) r->headers.push_back(name + ": " + value);
    if (credentials_.anonymous()) return;
    Keys keys = credentials_.get([&](const HttpRequest& ask, int timeout_ms, HttpAnswer* answer, std::string* error) {
      return fetch(ask, timeout_ms, cancel_fd, answer, error);
    });
    s.method = r->method;
    s.host = host_;
    s.path = path;
    s.payload_hash = sha256_hex(r->body);
    s.region = region_;
    s.service = "s3";
    s.time = time(nullptr);
    for (std::string& h : sign(s, keys)) r->headers.push_back(std::move(h));
  }

  void judge(cc_transfer* t, const HttpAnswer& a) override {
    size_t at = a.body.find("<Code>"), end = a.body.find("</Code>");
    std::string code = at != std::string::npos && end != std::string::npos && end > at ? a.body.substr(at + 6, std::min<size_t>(end - at - 6, 60)) : "";
    for (char& c : code)
      if (static_cast<unsigned char>(c) < 0x20) c = '?';
    if (t->kind == CC_TRANSFER_PUT && (!(t->flags & CC_PUT_REPLACE) || t->etag[0]) && a.status == 501 && conditional_.exchange(false))
      return fail(t, CC_FAIL_BUSY, "the server knows no conditional requests: tried again without");
    if (!a.region.empty() && a.region != region_ && (a.status == 301 || a.status == 307 || a.status == 400))
      return fail(t, CC_FAIL_DENIED, "the bucket is in the region %s", a.region.c_str());
    if (code == "RequestTimeTooSkewed") return fail(t, CC_FAIL_DENIED, "the clock of this machine is wrong: %s", code.c_str());
    if (code == "ExpiredToken" || code == "InvalidToken" || code == "TokenRefreshRequired") credentials_.forget();
    if (a.status == 403 && t->kind == CC_TRANSFER_GET && code == "AccessDenied") {
      // Who may read but not list is told so of an object that is not there.
      t->status = CC_LAYER_MISS;
      snprintf(t->error, sizeof t->error, "the server answers 403 AccessDenied: the keys may not read here, or may not list the bucket");
      return;
    }
    if (code == "NoSuchBucket") return fail(t, CC_FAIL_DENIED, "there is no such bucket");
    if (code == "SlowDown" || code == "RequestTimeout") return fail(t, CC_FAIL_BUSY, "the server answers %d %s", a.status, code.c_str());
    HttpBackend::judge(t, a);
    if (t->status == CC_LAYER_ERROR && !code.empty()) fail(t, t->failure, "the server answers %d %s", a.status, code.c_str());
  }

 private:
  Credentials credentials_;
  const std::string region_;
  std::string prefix_, scheme_, host_, base_;
  const std::string sse_, sse_key_;
  std::atomic<bool> conditional_{true};
};

}  // namespace

std::unique_ptr<Backend> make_s3(const Settings& s) { return std::make_unique<S3>(s); }

}  // namespace remote
