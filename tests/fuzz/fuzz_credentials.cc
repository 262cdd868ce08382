// Where the keys of an S3 layer come from: config, credentials and the answers of services, each ended by a NUL. First byte: bits 0 to 2 the profile, bit 3 a web identity, bit 4 a container.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fuzz_files.h"
#include "remote/credentials.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const uint8_t how = data[0];
  fuzz::Memory& folder = fuzz::Memory::get();
  folder.clear();
  fuzz::Pieces pieces(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  folder.put("config", pieces.next());
  folder.put("credentials", pieces.next());
  static bool first = true;
  folder.put("token", "token\n");
  if (first) {
    setenv("AWS_CONFIG_FILE", (folder.path() + "/config").c_str(), 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", (folder.path() + "/credentials").c_str(), 1);
    for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"}) unsetenv(name);
    first = false;
  }
  auto set = [](const char* name, const std::string& value) { value.empty() ? unsetenv(name) : setenv(name, value.c_str(), 1); };
  set("AWS_ROLE_ARN", how & 8 ? "arn:role" : "");
  set("AWS_WEB_IDENTITY_TOKEN_FILE", how & 8 ? folder.path() + "/token" : "");
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", how & 16 ? "http://127.0.0.1/keys" : "");
  static const char* const kProfiles[] = {"", "a", "b", "default", "a b", "[", "p", "x"};
  const cc_plugin_option options[] = {{"profile", kProfiles[how & 7]}};
  const remote::Settings settings({"s3", options, 1, 0, 0});
  int asked = 0;
  auto ask = [&](const remote::HttpRequest& r, int timeout_ms, remote::HttpAnswer* a, std::string* error) {
    REQUIRE(++asked < 20 && timeout_ms > 0);
    for (auto& h : r.headers)
      for (char c : h) REQUIRE(static_cast<unsigned char>(c) >= 0x20);
    std::string_view text = pieces.next();
    if (text.empty()) return *error = "no answer", false;
    a->status = text[0] == '!' ? 500 : 200;
    a->body = text;
    return true;
  };
  try {
    remote::Credentials c(settings);
    remote::Keys keys = c.get(ask);
    REQUIRE(!keys.access_key.empty() && !keys.secret_key.empty());
    c.forget();
    c.get(ask);
  } catch (const remote::Refused& e) {
    REQUIRE(*e.what());
  }
  return 0;
}
