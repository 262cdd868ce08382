// The log that `cchain explain` reads, as it lies in the private folder, and the packed part of a record.
// SPDX-License-Identifier: Apache-2.0
#include "base/compress.h"
#include "base/varint.h"
#include "core/explain.h"
#include "fuzz.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ExplainLog::Item item;
  ExplainRecord record, again;
  for (size_t at = 0; next_explain(bytes, &at, &item);) ExplainLog::read_body(item, &record);
  std::string packed, head = std::string("\1\0\0\0\0", 5);
  if (!zstd_compress(bytes, 1, &packed)) return 0;
  put_varint(&head, bytes.size());
  item.body = head + packed;
  if (!ExplainLog::read_body(item, &record)) return 0;
  record.kind = ExplainRecord::kMiss;
  const std::string text = encode_explain(record);
  size_t at = 0;
  if (text.empty()) return 0;
  REQUIRE(next_explain(text, &at, &item) && at == text.size() && ExplainLog::read_body(item, &again));
  REQUIRE(again.fields == record.fields && again.argv == record.argv && (again.files.size() == record.files.size() || record.files.size() > 20000));
  compare(record, again);
  return 0;
}
