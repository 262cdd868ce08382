// What a Redis server answers. First byte: bits 0 and 1 the kinds of the transfers, bit 2 a password and a database, bit 3 an expiry, bits 4 and 5 the pieces it comes in, bit 7 two answers with a NUL between them.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fuzz_answers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static const cc_plugin_option kPlain[] = {{"host", "127.0.0.1"}, {"expire", "60"}};
  static const cc_plugin_option kLogin[] = {{"host", "127.0.0.1"}, {"user", "u"}, {"password", "p"}, {"database", "3"}};
  static const remote::Settings plain({"redis", kPlain, 1, CC_PLUGIN_NO_ENV, 0}), expiring({"redis", kPlain, 2, CC_PLUGIN_NO_ENV, 0}), login({"redis", kLogin, 4, CC_PLUGIN_NO_ENV, 0});
  const uint8_t how = data[0];
  fuzz::answer_with({reinterpret_cast<const char*>(data) + 1, size - 1}, how >> 4 & 3, how & 128);
  fuzz::Feed feed{fuzz::Transfer(how & 1 ? CC_TRANSFER_PUT : CC_TRANSFER_GET), fuzz::Transfer(how & 2 ? CC_TRANSFER_HEAD : CC_TRANSFER_GET)};
  feed.run(remote::make_redis(how & 4 ? login : how & 8 ? expiring : plain).get(), 1);
  return 0;
}
