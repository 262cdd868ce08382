// JSON: the only place that knows cJSON, which is loaded on the first parse; writing needs no library.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cchain {

struct JsonMember;

// A parsed value. `line` is the line on which it begins, from 1.
struct Json {
  enum Type : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Type type = kNull;
  bool boolean = false;
  int line = 0;
  double number = 0;
  std::string string;               // never holds a NUL
  std::vector<Json> items;          // kArray
  std::vector<JsonMember> members;  // kObject, in document order, repeated keys included

  // The member of that name (the last one, if it is repeated), or nullptr.
  const Json* get(std::string_view key) const;
  // True for a number without fraction that a double holds exactly (up to 2^53).
  bool to_int(int64_t* out) const;
};

struct JsonMember {
  std::string key;
  int line = 0;
  Json value;
};

struct JsonError {
  int line = 0;  // 0: not about a place in the text
  std::string text;
  bool no_library = false;
};

constexpr size_t kJsonMaxSize = 1 << 20;
constexpr int kJsonMaxDepth = 64;

// Refused besides what is no JSON: text over kJsonMaxSize, nesting over kJsonMaxDepth, NUL and \u0000. Any thread. Without
// libcjson.so.1 on the machine every parse fails, and the error says so.
bool json_parse(std::string_view text, Json* out, JsonError* error);

// A value as bytes (FORMAT.md), so that a text that was parsed once need not be again, nor the library be loaded. False if the bytes are none.
std::string json_encode(const Json& value);
bool json_decode(std::string_view bytes, Json* out);

// Appends `s` as a JSON string with its quotes. The output is always valid UTF-8: each byte that is part of no valid sequence
// becomes \ufffd.
void json_quote(std::string* out, std::string_view s);

// Builds a text without white space. The caller keeps the calls in grammatical order; commas are put by the writer.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view k);
  JsonWriter& string(std::string_view v);
  JsonWriter& boolean(bool v) { return raw(v ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  template <std::integral T>
  JsonWriter& number(T v) {
    return raw(std::to_string(v));
  }
  // A whole value that is JSON already.
  JsonWriter& raw(std::string_view json);

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void comma() {
    if (comma_) out_ += ',';
    comma_ = true;
  }
  JsonWriter& open(char c) {
    comma();
    out_ += c;
    comma_ = false;
    return *this;
  }
  JsonWriter& close(char c) {
    out_ += c;
    comma_ = true;
    return *this;
  }

  std::string out_;
  bool comma_ = false;
};

}  // namespace cchain
