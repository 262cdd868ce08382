// The include scanner reads text that anybody may have written, and its stored results from files that may be damaged.
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>

#include <string>
#include <string_view>

#include "model/scanner.h"

using namespace cchain;

#define CHECK(x) \
  do {           \
    if (!(x)) __builtin_trap(); \
  } while (0)

static void round_trip(const ScanResult& r) {
  ScanResult back;
  std::string bytes = encode_scan(r);
  CHECK(decode_scan(bytes, &back));
  CHECK(back == r);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ScanResult raw;
  if (decode_scan(text, &raw)) round_trip(raw);
  for (ScanAs as : {ScanAs::kC, ScanAs::kAssembler, ScanAs::kMadeAssembler}) {
    ScanResult r = scan(text, as);
    round_trip(r);
    if (size % 8 == 0) CHECK(r == scan(text, as));
    for (auto& o : r.operands) CHECK(!o.name.empty() || (o.kind == ScanOperand::kGuarded && o.quoted));  // an #include of what macros make, in no branch
    for (auto& alias : r.has_aliases) alias_escapes(text, alias);
  }
  alias_escapes(text, "HI");
  // A directive in front of it all is found, whatever follows.
  ScanResult r = scan("#include <first.h>\n" + std::string(text));
  CHECK(!r.operands.empty() && r.operands[0] == (ScanOperand{ScanOperand::kInclude, false, "first.h"}));
  return 0;
}
