// What an S3 server answers. First byte: bits 0 and 1 the kinds of the transfers; bits 4 to 6 a status in front of a body alone.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fuzz_answers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static const cc_plugin_option kOptions[] = {{"bucket", "b"}, {"endpoint", "http://127.0.0.1:9"}, {"access_key_id", "a"}, {"secret_access_key", "s"}};
  static const remote::Settings settings({"s3", kOptions, 4, CC_PLUGIN_NO_ENV | CC_PLUGIN_NO_FILES, 0});
  static const char* const kStatus[] = {nullptr, "200 OK", "301 Moved", "400 Bad Request", "403 Forbidden", "404 Not Found", "501 Not Implemented", "503 Slow Down"};
  const uint8_t how = data[0];
  std::string answer(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const char* status = kStatus[how >> 4 & 7]) answer = std::string("HTTP/1.1 ") + status + "\r\nx-amz-bucket-region: r-1\r\nContent-Length: " + std::to_string(answer.size()) + "\r\n\r\n" + answer;
  fuzz::answer_with(answer);
  fuzz::Feed feed{fuzz::Transfer(how & 1 ? CC_TRANSFER_PUT : CC_TRANSFER_GET), fuzz::Transfer(how & 2 ? CC_TRANSFER_PUT : CC_TRANSFER_GET)};
  feed.run(remote::make_s3(settings).get(), 1);
  return 0;
}
