// Where the keys of an S3 layer come from: the options, the environment, ~/.aws, and the services that hand out keys for a while.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <mutex>
#include <string>

#include "remote/http.h"
#include "remote/remote.h"
#include "remote/sigv4.h"

namespace remote {

// One request to a service that hands out keys. False, with a text, if there was no answer.
using Ask = std::function<bool(const HttpRequest& request, int timeout_ms, HttpAnswer* answer, std::string* error)>;

class Credentials {
 public:
  explicit Credentials(const Settings& settings);
  bool anonymous() const { return anonymous_; }
  // "" if neither option, environment nor profile says.
  const std::string& region() const { return region_; }
  // Throws Refused. Keys for a while are asked for again before they end.
  Keys get(const Ask& ask);
  // The server took them for outdated.
  void forget();

 private:
  struct Timed {
    Keys keys;
    long long until = 0;  // seconds since 1970; 0: for ever
  };
  struct Profile {
    std::map<std::string, std::string> values;
    const std::string& get(const char* name) const;
  };
  std::string file_of(const char* variable, const char* name) const;
  Profile profile(const std::string& name) const;
  bool from_profile(const std::string& name, const Ask& ask, int depth, Timed* out) const;
  bool from_environment(Timed* out) const;
  bool from_web_identity(const std::string& role, const std::string& token_file, const std::string& session, const Ask& ask, Timed* out) const;
  bool from_container(const Ask& ask, Timed* out) const;
  bool from_instance(const Ask& ask, Timed* out) const;
  Timed assume(const Keys& with, const Profile& p, const Ask& ask) const;
  std::string sts_url() const;
  Timed sts_answer(const HttpAnswer& answer) const;
  Timed find(const Ask& ask) const;

  const Settings settings_;
  bool anonymous_ = false;
  std::string profile_, region_;
  std::mutex mutex_;
  bool known_ = false;
  Timed timed_;
  std::string refused_;
  uint32_t refused_as_ = 0;
  long long refused_until_ms_ = 0;
};

}  // namespace remote
