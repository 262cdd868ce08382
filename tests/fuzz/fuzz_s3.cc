// What an S3 server answers. First byte: bits 0 and 1 the kinds of the transfers; bits 2 and 3 the pieces the answer comes in; bits 4 to 6 a status in front of a body alone, bit 7 a second transfer and two answers with a NUL between them.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fuzz_answers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  // To sign takes longer than all else, and says nothing of answers: now and then.
  static const cc_plugin_option kOptions[] = {{"bucket", "b"}, {"endpoint", "http://127.0.0.1:9"}, {"access_key_id", "a"}, {"secret_access_key", "s"}};
  static const cc_plugin_option kAnonymous[] = {kOptions[0], kOptions[1], {"credentials", "none"}};
  static const remote::Settings signs({"s3", kOptions, 4, CC_PLUGIN_NO_ENV | CC_PLUGIN_NO_FILES, 0}), anonymous({"s3", kAnonymous, 3, CC_PLUGIN_NO_ENV | CC_PLUGIN_NO_FILES, 0});
  static const char* const kStatus[] = {nullptr, "200 OK", "301 Moved", "400 Bad Request", "403 Forbidden", "404 Not Found", "501 Not Implemented", "503 Slow Down"};
  const uint8_t how = data[0];
  std::string answer(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const char* status = kStatus[how >> 4 & 7]) answer = std::string("HTTP/1.1 ") + status + "\r\nx-amz-bucket-region: r-1\r\nContent-Length: " + std::to_string(answer.size()) + "\r\n\r\n" + answer;
  fuzz::answer_with(answer, how >> 2 & 3, how & 128);
  fuzz::Feed feed{fuzz::Transfer(how & 1 ? CC_TRANSFER_PUT : CC_TRANSFER_GET), fuzz::Transfer(how & 2 ? CC_TRANSFER_PUT : CC_TRANSFER_GET)};
  static std::unique_ptr<remote::Backend> backends[2];
  const bool sign = size % 16 == 0;
  std::unique_ptr<remote::Backend>& backend = backends[sign];
  if (!backend) backend = remote::make_s3(sign ? signs : anonymous);
  feed.both = how & 128;
  feed.run(backend.get(), 1);
  if (answer.find("501") != answer.npos) backend.reset();  // it knows now what the server can't do
  return 0;
}
