// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <cjson/cJSON.h>
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "base/dynamic.h"
#include "base/varint.h"

namespace cchain {

namespace {

struct Library {
  cJSON* (*parse)(const char*, const char**, cJSON_bool) = nullptr;
  void (*free)(cJSON*) = nullptr;
  std::string error;
};

// Loaded once and for good: this library is never unloaded either. Each parse holds the lock, since cJSON leaves its error
// position in a global variable.
std::mutex g_mutex;
Library* g_library;

const Library& library() {
  if (g_library) return *g_library;
  g_library = new Library;
  std::string why;
  void* handle = load_library("libcjson.so.1", RTLD_NOW | RTLD_LOCAL, &why);
  if (!handle) {
    g_library->error = "JSON can't be read without the library libcjson.so.1 (package libcjson1): " + why;
    return *g_library;
  }
  g_library->parse = reinterpret_cast<decltype(Library::parse)>(library_symbol(handle, "cJSON_ParseWithOpts"));
  g_library->free = reinterpret_cast<decltype(Library::free)>(library_symbol(handle, "cJSON_Delete"));
  if (!g_library->parse || !g_library->free) g_library->error = "libcjson.so.1 lacks the functions that JSON is read with";
  return *g_library;
}

// Walks over the text in document order, as cJSON takes it (every byte up to 32 is white space). cJSON keeps no positions: what
// begins at the i-th token is the i-th key or value of its tree, so the lines are exact, not guessed.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {
    if (text_.substr(0, 3) == "\xef\xbb\xbf") pos_ = 3;
  }

  // Moves to the next key or beginning of a value and over it (over the bracket alone for an array or object). False at the end.
  bool next() {
    for (; pos_ < text_.size(); pos_++) {
      char c = text_[pos_];
      if (c == '\n') line_++;
      if (c == ']' || c == '}') depth_--;
      if (static_cast<unsigned char>(c) > 32 && c != ',' && c != ':' && c != ']' && c != '}') break;
    }
    if (pos_ >= text_.size()) return false;
    token_line_ = line_;
    char c = text_[pos_];
    if (c == '"') {
      skip_string();
    } else if (c == '{' || c == '[') {
      pos_++;
      depth_++;
    } else {
      while (pos_ < text_.size() && static_cast<unsigned char>(text_[pos_]) > 32 && !strchr(",:]}[{\"", text_[pos_])) pos_++;
    }
    return true;
  }

  int token_line() const { return token_line_; }
  int depth() const { return depth_; }
  bool saw_nul_escape() const { return nul_escape_; }

 private:
  void skip_string() {
    for (pos_++; pos_ < text_.size() && text_[pos_] != '"'; pos_++) {
      if (text_[pos_] == '\n') line_++;
      if (text_[pos_] != '\\') continue;
      if (text_.substr(pos_, 6) == "\\u0000") nul_escape_ = true;
      if (++pos_ < text_.size() && text_[pos_] == '\n') line_++;
    }
    if (pos_ < text_.size()) pos_++;
  }

  std::string_view text_;
  size_t pos_ = 0;
  int line_ = 1, token_line_ = 1, depth_ = 0;
  bool nul_escape_ = false;
};

size_t count_of(const cJSON* child) {
  size_t n = 0;
  for (; child; child = child->next) n++;
  return n;
}

void convert(const cJSON* from, Cursor* cursor, Json* to) {
  cursor->next();
  to->line = cursor->token_line();
  switch (from->type & 0xff) {
    case cJSON_False:
      to->type = Json::kBool;
      break;
    case cJSON_True:
      to->type = Json::kBool;
      to->boolean = true;
      break;
    case cJSON_Number:
      to->type = Json::kNumber;
      to->number = from->valuedouble;
      break;
    case cJSON_String:
      to->type = Json::kString;
      to->string = from->valuestring;
      break;
    case cJSON_Array:
      to->type = Json::kArray;
      to->items.reserve(count_of(from->child));
      for (const cJSON* i = from->child; i; i = i->next) convert(i, cursor, &to->items.emplace_back());
      break;
    case cJSON_Object:
      to->type = Json::kObject;
      to->members.reserve(count_of(from->child));
      for (const cJSON* i = from->child; i; i = i->next) {
        cursor->next();
        JsonMember& m = to->members.emplace_back();
        m.key = i->string;
        m.line = cursor->token_line();
        convert(i, cursor, &m.value);
      }
      break;
    default:
      break;
  }
}

bool fail(JsonError* error, int line, std::string text) {
  error->line = line;
  error->text = std::move(text);
  return false;
}

// Length of the valid UTF-8 sequence at the start of `s`, 0 if there is none.
size_t utf8_length(std::string_view s) {
  auto at = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  unsigned c = at(0);
  if (c < 0x80) return 1;
  if (c < 0xc2 || c > 0xf4) return 0;
  if (c < 0xe0) return tail(1) ? 2 : 0;
  if (c < 0xf0) {
    if ((c == 0xe0 && at(1) < 0xa0) || (c == 0xed && at(1) > 0x9f)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if ((c == 0xf0 && at(1) < 0x90) || (c == 0xf4 && at(1) > 0x8f)) return 0;
  return tail(1) && tail(2) && tail(3) ? 4 : 0;
}

}  // namespace

const Json* Json::get(std::string_view key) const {
  for (auto i = members.rbegin(); i != members.rend(); ++i)
    if (i->key == key) return &i->value;
  return nullptr;
}

bool Json::to_int(int64_t* out) const {
  if (type != kNumber || !(std::fabs(number) <= 9007199254740992.0) || number != std::trunc(number)) return false;
  *out = static_cast<int64_t>(number);
  return true;
}

bool json_parse(std::string_view text, Json* out, JsonError* error) {
  *out = Json();
  if (text.size() > kJsonMaxSize) return fail(error, 0, "it is larger than 1 MiB");
  Cursor scan(text);
  while (scan.next()) {
    if (scan.depth() > kJsonMaxDepth) return fail(error, scan.token_line(), "it is nested too deeply");
    if (scan.saw_nul_escape()) return fail(error, scan.token_line(), "a string holds \\u0000");
  }
  std::string copy(text);  // cJSON wants a NUL at the end
  if (size_t n = copy.find('\0'); n != std::string::npos)
    return fail(error, 1 + static_cast<int>(std::count(copy.begin(), copy.begin() + n, '\n')), "it holds a NUL byte");

  std::lock_guard<std::mutex> lock(g_mutex);
  const Library& lib = library();
  error->no_library = !lib.error.empty();
  if (error->no_library) return fail(error, 0, lib.error);
  const char* end = nullptr;
  cJSON* root = lib.parse(copy.c_str(), &end, 1);
  if (!root) {
    size_t n = end ? std::min(static_cast<size_t>(end - copy.c_str()), copy.size()) : 0;
    std::string_view rest = std::string_view(copy).substr(n);
    rest = rest.substr(0, std::min<size_t>(rest.find('\n'), 20));
    std::string what = "it is no JSON";
    if (rest.empty() && n == copy.size()) what += ": it ends too early";
    else if (!rest.empty()) what += ", near " + std::string(rest);
    return fail(error, 1 + static_cast<int>(std::count(copy.begin(), copy.begin() + n, '\n')), std::move(what));
  }
  struct Free {
    const Library& lib;
    cJSON* root;
    ~Free() { lib.free(root); }
  } free_root{lib, root};
  Cursor cursor(copy);
  convert(root, &cursor, out);
  return true;
}

namespace {

void encode(const Json& v, std::string* out) {
  *out += static_cast<char>(v.type);
  put_varint(out, static_cast<uint64_t>(v.line));
  switch (v.type) {
    case Json::kNull: break;
    case Json::kBool: *out += v.boolean ? '\1' : '\0'; break;
    case Json::kNumber: out->append(reinterpret_cast<const char*>(&v.number), sizeof v.number); break;
    case Json::kString: put_string(out, v.string); break;
    case Json::kArray:
      put_varint(out, v.items.size());
      for (auto& i : v.items) encode(i, out);
      break;
    case Json::kObject:
      put_varint(out, v.members.size());
      for (auto& m : v.members) {
        put_string(out, m.key);
        put_varint(out, static_cast<uint64_t>(m.line));
        encode(m.value, out);
      }
      break;
  }
}

bool decode(Reader* r, int depth, Json* v) {
  uint8_t type = r->byte();
  v->line = static_cast<int>(r->varint() & 0x7fffffff);
  if (!r->ok() || type > Json::kObject || depth > kJsonMaxDepth) return false;
  v->type = static_cast<Json::Type>(type);
  uint64_t n;
  switch (v->type) {
    case Json::kNull: break;
    case Json::kBool: v->boolean = r->byte() != 0; break;
    case Json::kNumber: {
      std::string_view b = r->bytes(sizeof v->number);
      if (b.size() == sizeof v->number) memcpy(&v->number, b.data(), b.size());
      break;
    }
    case Json::kString: v->string = r->string(); break;
    case Json::kArray:
      n = r->varint();
      if (!r->ok() || n > r->left()) return false;
      while (n-- > 0)
        if (!decode(r, depth + 1, &v->items.emplace_back())) return false;
      break;
    case Json::kObject:
      n = r->varint();
      if (!r->ok() || n > r->left()) return false;
      while (n-- > 0) {
        JsonMember& m = v->members.emplace_back();
        m.key = r->string();
        m.line = static_cast<int>(r->varint() & 0x7fffffff);
        if (!decode(r, depth + 1, &m.value)) return false;
      }
      break;
  }
  return r->ok();
}

}  // namespace

std::string json_encode(const Json& value) {
  std::string out(1, '\1');
  encode(value, &out);
  return out;
}

bool json_decode(std::string_view bytes, Json* out) {
  *out = Json();
  Reader r(bytes);
  return r.byte() == 1 && decode(&r, 0, out) && r.at_end();
}

void json_quote(std::string* out, std::string_view s) {
  static const char kHex[] = "0123456789abcdef";
  out->reserve(out->size() + s.size() + 2);
  *out += '"';
  for (size_t i = 0; i < s.size();) {
    size_t plain = i;
    while (plain < s.size() && static_cast<signed char>(s[plain]) >= 0x20 && s[plain] != '"' && s[plain] != '\\') plain++;
    out->append(s, i, plain - i);
    if ((i = plain) == s.size()) break;
    unsigned char c = static_cast<unsigned char>(s[i]);
    if (c == '"' || c == '\\') {
      (*out += '\\') += s[i++];
    } else if (c < 0x20) {
      if (c == '\n') *out += "\\n";
      else if (c == '\t') *out += "\\t";
      else if (c == '\r') *out += "\\r";
      else (*out += "\\u00") += {kHex[c >> 4], kHex[c & 15]};
      i++;
    } else if (size_t n = utf8_length(s.substr(i))) {
      out->append(s, i, n);
      i += n;
    } else {
      *out += "\\ufffd";
      i++;
    }
  }
  *out += '"';
}

JsonWriter& JsonWriter::key(std::string_view k) {
  comma();
  json_quote(&out_, k);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view v) {
  comma();
  json_quote(&out_, v);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  comma();
  out_ += json;
  return *this;
}

}  // namespace cchain
