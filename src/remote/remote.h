// What the remote layers share. This folder sees include/ only.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "cchain_plugin.h"

namespace remote {

// Why a layer can't be opened, or a credential not be had. Never holds a credential.
struct Refused : std::runtime_error {
  explicit Refused(const std::string& text, uint32_t as = CC_FAIL_DENIED) : std::runtime_error(text), failure(as) {}
  uint32_t failure;  // CC_FAIL_* of a transfer that it ends
};

class Settings {
 public:
  explicit Settings(const cc_plugin_settings& s) : type(s.type ? s.type : ""), no_env(s.flags & CC_PLUGIN_NO_ENV), no_files(s.flags & CC_PLUGIN_NO_FILES) {
    for (size_t i = 0; i < s.option_count; i++) options_[s.options[i].name] = s.options[i].value;
  }
  // "" if it was not given.
  const std::string& get(const char* name) const {
    static const std::string none;
    auto it = options_.find(name);
    return it == options_.end() ? none : it->second;
  }
  bool has(const char* name) const { return !get(name).empty(); }
  bool flag(const char* name, bool if_not_given) const { return has(name) ? get(name) == "true" : if_not_given; }
  // The environment, where it may be read; "" if it is not set.
  std::string env(const char* name) const;

  const std::string type;
  const bool no_env, no_files;

 private:
  std::map<std::string, std::string> options_;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual void run(const cc_transfer_feed& feed) = 0;
};

std::unique_ptr<Backend> make_http(const Settings& settings);
std::unique_ptr<Backend> make_s3(const Settings& settings);
std::unique_ptr<Backend> make_redis(const Settings& settings);

// Writing to a connection that the server has closed must not raise SIGPIPE in the host, whatever TLS does below.
class NoSigpipe {
 public:
  NoSigpipe();
  ~NoSigpipe();
  NoSigpipe(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_, old_;
  bool was_pending_;
};

// `<space>/<tenant>/<hh>/<hex>/<blob>`
std::string path_of(const cc_address& a);
// Ends a transfer: an error, with text from printf.
void fail(cc_transfer* t, uint32_t failure, const char* format, ...) __attribute__((format(printf, 3, 4)));
int64_t now_ms();  // monotonic

}  // namespace remote
