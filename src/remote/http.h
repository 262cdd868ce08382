// Transfers by HTTP: the only file that knows libcurl is http.cc.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "remote/remote.h"

namespace remote {

struct HttpRequest {
  std::string method;                // "GET", "PUT", "HEAD", "DELETE", "POST"
  std::string url;                   // sent as it stands
  std::vector<std::string> headers;  // "Name: value"
  std::string_view body;
};

struct HttpAnswer {
  int status = 0;
  std::string body;    // of an answer that is not 200, or of fetch(): its beginning
  std::string region;  // x-amz-bucket-region
  int64_t date = 0;    // Date, in seconds since 1970; 0 if there was none
  std::string etag;    // a strong one
};

// How a server is reached and trusted.
struct HttpOptions {
  explicit HttpOptions(const Settings& s);
  std::string user, password, token, ca_file, client_cert, client_key, proxy;
  bool no_env;
};

class HttpBackend : public Backend {
 public:
  explicit HttpBackend(HttpOptions options);
  ~HttpBackend() override;
  void run(const cc_transfer_feed& feed) final;

 protected:
  // What the transfer is to send. May throw Refused: the transfer ends as DENIED. `cancel_fd` for what it has to ask first.
  virtual void prepare(const cc_transfer& t, int cancel_fd, HttpRequest* request) = 0;
  // What an answer other than 200 means; the default knows plain HTTP.
  virtual void judge(cc_transfer* t, const HttpAnswer& answer);
  // One small request of its own, without this layer's credentials and proxy. False with a text if there is no answer.
  bool fetch(const HttpRequest& request, int timeout_ms, int cancel_fd, HttpAnswer* answer, std::string* error);

 private:
  class Driver;
  std::unique_ptr<Driver> take();
  const HttpOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Driver>> idle_;  // with their open connections; the last used comes first
};

}  // namespace remote
