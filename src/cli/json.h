// A small strict JSON reader, for what the library says about itself (cc_stats_json, cc_config_json).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>
#include <stdlib.h>

#include <string>
#include <string_view>
#include <vector>

namespace cli {

struct JsonItem;

struct Json {
  enum Type { kNull, kBool, kNumber, kString, kArray, kObject } type = kNull;
  bool truth = false;
  double number = 0;
  uint64_t whole = 0;  // of a number that is neither negative nor a fraction nor too large; else 0
  std::string text;
  std::vector<JsonItem> items;  // of an array or an object

  // A member, or a null value if there is none.
  inline const Json& operator[](std::string_view name) const;
};

struct JsonItem {
  std::string name;  // empty in an array
  Json value;
};

const Json& Json::operator[](std::string_view name) const {
  static const Json none;
  for (const JsonItem& item : items) {
    if (item.name == name) return item.value;
  }
  return none;
}

class JsonReader {
 public:
  // False if `text` is not exactly one JSON value.
  static bool read(std::string_view text, Json* out) {
    JsonReader r(text);
    r.blanks();
    if (!r.value(out, 0)) return false;
    r.blanks();
    return r.p_ == r.end_;
  }

 private:
  static constexpr int kMaxDepth = 32;

  explicit JsonReader(std::string_view text) : p_(text.data()), end_(text.data() + text.size()) {}

  void blanks() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\n' || *p_ == '\r')) p_++;
  }
  bool take(std::string_view word) {
    if (static_cast<size_t>(end_ - p_) < word.size() || std::string_view(p_, word.size()) != word) return false;
    p_ += word.size();
    return true;
  }

  bool value(Json* out, int depth) {
    if (p_ == end_ || depth > kMaxDepth) return false;
    switch (*p_) {
      case '{': return sequence(out, Json::kObject, '}', depth);
      case '[': return sequence(out, Json::kArray, ']', depth);
      case '"': out->type = Json::kString; return string(&out->text);
      case 't': out->type = Json::kBool, out->truth = true; return take("true");
      case 'f': out->type = Json::kBool; return take("false");
      case 'n': return take("null");
      default: return number(out);
    }
  }

  bool sequence(Json* out, Json::Type type, char close, int depth) {
    out->type = type;
    p_++;
    blanks();
    if (p_ < end_ && *p_ == close) return p_++, true;
    for (;;) {
      JsonItem& item = out->items.emplace_back();
      if (type == Json::kObject) {
        if (p_ == end_ || *p_ != '"' || !string(&item.name)) return false;
        blanks();
        if (!take(":")) return false;
        blanks();
      }
      if (!value(&item.value, depth + 1)) return false;
      blanks();
      if (p_ < end_ && *p_ == close) return p_++, true;
      if (!take(",")) return false;
      blanks();
    }
  }

  bool digits() {
    const char* start = p_;
    while (p_ < end_ && *p_ >= '0' && *p_ <= '9') p_++;
    return p_ > start;
  }

  bool number(Json* out) {
    out->type = Json::kNumber;
    const char* start = p_;
    bool simple = !take("-");
    const char* first = p_;
    if (!digits() || (*first == '0' && p_ - first > 1)) return false;
    if (take(".")) {
      simple = false;
      if (!digits()) return false;
    }
    if (take("e") || take("E")) {
      simple = false;
      if (!take("+")) take("-");
      if (!digits()) return false;
    }
    std::string copy(start, p_);
    out->number = strtod(copy.c_str(), nullptr);
    if (simple && out->number < 18446744073709551615.0) out->whole = strtoull(copy.c_str(), nullptr, 10);
    return true;
  }

  bool hex4(uint32_t* code) {
    *code = 0;
    for (int i = 0; i < 4; i++, p_++) {
      if (p_ == end_) return false;
      char c = *p_;
      int digit = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
      if (digit < 0) return false;
      *code = *code * 16 + static_cast<uint32_t>(digit);
    }
    return true;
  }

  static void append_utf8(std::string* out, uint32_t c) {
    if (c < 0x80) {
      *out += static_cast<char>(c);
      return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *out += static_cast<char>((0xff00 >> (more + 1) & 0xff) | c >> 6 * more);
    while (more-- > 0) *out += static_cast<char>(0x80 | (c >> 6 * more & 0x3f));
  }

  bool string(std::string* out) {
    p_++;
    while (p_ < end_) {
      unsigned char c = static_cast<unsigned char>(*p_++);
      if (c == '"') return true;
      if (c < 0x20) return false;
      if (c != '\\') {
        *out += static_cast<char>(c);
        continue;
      }
      if (p_ == end_) return false;
      static constexpr char kFrom[] = "\"\\/bfnrt", kTo[] = "\"\\/\b\f\n\r\t";
      char escape = *p_++;
      size_t at = std::string_view(kFrom).find(escape);
      if (at != std::string_view::npos) {
        *out += kTo[at];
        continue;
      }
      uint32_t code, low;
      if (escape != 'u' || !hex4(&code)) return false;
      if (code >= 0xdc00 && code < 0xe000) return false;
      if (code >= 0xd800 && code < 0xdc00) {
        if (!take("\\u") || !hex4(&low) || low < 0xdc00 || low > 0xdfff) return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      }
      append_utf8(out, code);
    }
    return false;
  }

  const char* p_;
  const char* end_;
};

}  // namespace cli
