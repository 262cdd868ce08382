// What an HTTP server answers, through libcurl. First byte: bits 0 and 1 the kinds of the transfers, bit 2 two at once, bit 3 a body alone, with status 200 and its length; bits 4 and 5 the pieces it comes in, bit 7 two answers with a NUL between them; the second transfer is made with bit 2 or 7.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fuzz_answers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static const cc_plugin_option kOptions[] = {{"url", "http://127.0.0.1:9/c"}, {"token", "t"}};
  static const remote::Settings settings({"http", kOptions, 2, CC_PLUGIN_NO_ENV | CC_PLUGIN_NO_FILES, 0});
  const uint8_t how = data[0];
  std::string answer(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (how & 8) answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(answer.size()) + "\r\n\r\n" + answer;
  fuzz::answer_with(answer, how >> 4 & 3, (how & 136) == 128);
  fuzz::Feed feed{fuzz::Transfer(how & 1 ? CC_TRANSFER_PUT : CC_TRANSFER_GET), fuzz::Transfer(how & 2 ? CC_TRANSFER_HEAD : CC_TRANSFER_GET)};
  static const auto backend = remote::make_http(settings);  // what it keeps of one answer for the next are connections, which have ended
  feed.both = how & (128 | 4);
  feed.run(backend.get(), how & 4 ? 2 : 1);
  if ((how & 11) == 8 && size - 1 <= fuzz::Transfer::kMost) REQUIRE(feed.first.t.status == CC_LAYER_HIT && feed.first.body.size() == size - 1);
  return 0;
}
