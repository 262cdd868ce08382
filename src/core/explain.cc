// SPDX-License-Identifier: Apache-2.0
#include "core/explain.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "base/compress.h"
#include "base/fs.h"
#include "base/table.h"
#include "base/varint.h"

namespace cchain {

namespace {

constexpr std::string_view kMagic = "CCX1";
constexpr size_t kHead = 4 + 4 + 8;            // magic, length, checksum
constexpr uint32_t kMaxRecord = 2u << 20;      // of a record's bytes
constexpr uint64_t kMaxBody = 16u << 20;       // of its body, unpacked
constexpr size_t kMaxFiles = 20000;

std::string hex64(uint64_t n) {
  char text[17];
  snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(n));
  return text;
}

bool has_prefix(std::string_view s, std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; }

void put_strings(std::string* out, const std::vector<std::string>& list) {
  put_varint(out, list.size());
  for (auto& s : list) put_string(out, s);
}
void get_strings(Reader* r, std::vector<std::string>* list) {
  uint64_t n = r->varint();
  for (uint64_t i = 0; i < n && r->ok(); i++) list->emplace_back(r->string());
}

}  // namespace

// ---- records

bool ExplainRecord::taken() const {
  return std::none_of(fields.begin(), fields.end(), [](const ExplainField& f) { return f.label == kNotTaken; });
}

std::string encode_explain(const ExplainRecord& e) {
  std::string rest, packed, body;
  for (auto* s : {&e.host, &e.reason, &e.cwd}) put_string(&rest, *s);
  put_strings(&rest, e.argv);
  put_strings(&rest, e.line_env);
  put_strings(&rest, e.env);
  put_varint(&rest, e.fields.size());
  for (auto& f : e.fields) put_string(&rest, f.label), put_string(&rest, f.value);
  put_strings(&rest, e.failing);
  put_varint(&rest, e.from_key), put_varint(&rest, e.flags), put_varint(&rest, e.columns | uint64_t{e.stdout_columns} << 32);
  rest.append(reinterpret_cast<const char*>(e.invocation_key.b.data()), 32);
  const size_t files = std::min(e.files.size(), kMaxFiles);
  put_varint(&rest, files);
  for (size_t i = 0; i < files; i++) {
    put_string(&rest, e.files[i].path);
    rest.append(reinterpret_cast<const char*>(&e.files[i].digest), 8);
    put_varint(&rest, static_cast<uint64_t>(e.files[i].changed_s));
  }
  if (rest.size() > kMaxBody || !zstd_compress(rest, 1, &packed)) return {};
  put_varint(&body, e.kind);
  put_varint(&body, static_cast<uint64_t>(e.time_ns));
  for (auto* s : {&e.output, &e.source, &e.tenant}) put_string(&body, *s);
  put_varint(&body, rest.size());
  body += packed;
  if (body.size() > kMaxRecord) return {};
  const uint32_t size = static_cast<uint32_t>(body.size());
  const uint64_t check = xxh64(body, size);
  std::string out(kMagic);
  out.append(reinterpret_cast<const char*>(&size), 4);
  out.append(reinterpret_cast<const char*>(&check), 8);
  return out += body;
}

bool next_explain(std::string_view bytes, size_t* at, ExplainLog::Item* item) {
  for (; (*at = bytes.find(kMagic, *at)) != std::string_view::npos; ++*at) {
    if (bytes.size() - *at < kHead) return false;
    uint32_t size;
    uint64_t check;
    memcpy(&size, bytes.data() + *at + 4, 4);
    memcpy(&check, bytes.data() + *at + 8, 8);
    if (size > kMaxRecord || size > bytes.size() - *at - kHead) continue;
    std::string_view body = bytes.substr(*at + kHead, size);
    if (xxh64(body, size) != check) continue;
    Reader r(body);
    ExplainRecord& e = item->head = {};
    const uint64_t kind = r.varint();
    e.kind = static_cast<ExplainRecord::Kind>(kind);
    e.time_ns = static_cast<int64_t>(r.varint());
    e.output = r.string(), e.source = r.string(), e.tenant = r.string();
    if (!r.ok() || kind < ExplainRecord::kMiss || kind > ExplainRecord::kStored) continue;
    item->body = body;
    *at += kHead + size;
    return true;
  }
  return false;
}

bool ExplainLog::read_body(const Item& item, ExplainRecord* e) {
  *e = item.head;
  Reader r(item.body);
  r.varint(), r.varint(), r.string(), r.string(), r.string();
  const uint64_t size = r.varint();
  if (!r.ok() || size > kMaxBody) return false;
  std::string rest(size, '\0');
  if (!zstd_decompress(r.bytes(r.left()), rest.data(), size)) return false;
  Reader in(rest);
  e->host = in.string(), e->reason = in.string(), e->cwd = in.string();
  get_strings(&in, &e->argv);
  get_strings(&in, &e->line_env);
  get_strings(&in, &e->env);
  for (uint64_t n = in.varint(); n > 0 && in.ok(); n--) {
    std::string label(in.string());
    e->fields.push_back({std::move(label), std::string(in.string())});
  }
  get_strings(&in, &e->failing);
  e->from_key = in.varint() != 0, e->flags = static_cast<uint32_t>(in.varint());
  const uint64_t columns = in.varint();
  e->columns = static_cast<uint32_t>(columns), e->stdout_columns = static_cast<uint32_t>(columns >> 32);
  std::string_view key = in.bytes(32);
  if (key.size() == 32) memcpy(e->invocation_key.b.data(), key.data(), 32);
  for (uint64_t n = in.varint(); n > 0 && in.ok(); n--) {
    ExplainFile f;
    f.path = in.string();
    std::string_view digest = in.bytes(8);
    if (digest.size() == 8) memcpy(&f.digest, digest.data(), 8);
    f.changed_s = static_cast<int64_t>(in.varint());
    if (in.ok()) e->files.push_back(std::move(f));
  }
  return in.ok() && in.at_end();
}

// ---- the files

void ExplainLog::append(const ExplainRecord& record) const {
  if (folder_.empty()) return;
  const std::string bytes = encode_explain(record), name = folder_ + "/log";
  if (bytes.empty()) return;
  Fd fd(open_private(name, O_WRONLY | O_APPEND | O_CREAT));
  FileId id;
  if (!fd || fstat_file(fd.get(), &id) != 0) return;
  if (id.size + bytes.size() > kMaxBytes) {
    // Whoever has the lock and finds that nobody was faster begins a new file.
    Fd lock(open_private(folder_ + "/lock", O_RDWR | O_CREAT));
    FileId now;
    if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) == 0 && stat_file(name.c_str(), &now) == 0 && now.same_file(id)) rename(name.c_str(), (folder_ + "/old").c_str());
    fd = Fd(open_private(name, O_WRONLY | O_APPEND | O_CREAT));
    if (!fd || fstat_file(fd.get(), &id) != 0 || id.size > 2 * kMaxBytes) return;
  }
  if (over_file_limit(id.size + bytes.size())) return;
  (void)!write(fd.get(), bytes.data(), bytes.size());  // in one piece, or its checksum is wrong
}

std::vector<ExplainLog::Item> ExplainLog::read() const {
  std::vector<Item> items;
  for (const char* name : {"/old", "/log"}) {
    std::string bytes;
    Fd fd(folder_.empty() ? -1 : open_private(folder_ + name, O_RDONLY));
    if (!fd || read_fd(fd.get(), &bytes, 3 * kMaxBytes) != 0) continue;
    Item item;
    for (size_t at = 0; next_explain(bytes, &at, &item);) items.push_back(std::move(item));
  }
  return items;
}

int ExplainLog::forget(std::string_view tenant, int64_t before_ns) const {
  if (folder_.empty()) return 0;
  if (access(folder_.c_str(), F_OK) != 0) return errno == ENOENT ? 0 : errno;
  Fd lock(open_private(folder_ + "/lock", O_RDWR | O_CREAT));
  if (!lock) return errno ? errno : EPERM;
  // It is held for a rename, or for this: a second is for one who was stopped there.
  for (int i = 0; flock(lock.get(), LOCK_EX | LOCK_NB) != 0; i++) {
    if (i == 100) return EBUSY;
    usleep(10000);
  }
  // Temporary files are made under this lock only: they are of those who were killed.
  std::vector<std::string> names;
  list_dir(folder_, &names);
  for (auto& name : names)
    if (name.starts_with(".tmp.")) unlink((folder_ + "/" + name).c_str());
  auto remove_all = [&] {
    for (const char* name : {"/old", "/log"})
      if (unlink((folder_ + name).c_str()) != 0 && errno != ENOENT) return errno;
    return 0;
  };
  if (tenant.empty() && before_ns <= 0) return remove_all();
  const std::vector<Item> items = read();
  // Of each output the last answer, and of stores one more: that which the last answer is compared with.
  std::map<std::pair<std::string_view, bool>, int> seen;
  std::string keep;
  std::vector<const Item*> kept;
  for (size_t i = items.size(); i-- > 0;) {
    const ExplainRecord& e = items[i].head;
    const bool stored = e.kind == ExplainRecord::kStored;
    if ((!tenant.empty() && e.tenant == tenant) || e.time_ns < before_ns) continue;
    if (++seen[{e.output.empty() ? e.source : e.output, stored}] <= (stored ? 2 : 1)) kept.push_back(&items[i]);
  }
  for (size_t i = kept.size(); i-- > 0;) {
    ExplainRecord e;
    if (read_body(*kept[i], &e)) keep += encode_explain(e);
  }
  PublishOptions how;
  how.replace = true;
  how.mode = 0600;
  if (int e = publish_file(folder_ + "/old", keep, how)) return e;
  return unlink((folder_ + "/log").c_str()) != 0 && errno != ENOENT ? errno : 0;
}

// ---- paths

std::string plain_path(std::string_view path) {
  std::vector<std::string_view> parts;
  const bool absolute = !path.empty() && path[0] == '/';
  while (!path.empty()) {
    std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") parts.pop_back();
    else if (part != ".." || !absolute) parts.push_back(part);
  }
  std::string out = absolute ? "/" : "";
  for (size_t i = 0; i < parts.size(); i++) out.append(i ? "/" : "").append(parts[i]);
  return out;
}

void guess_files(const std::vector<std::string>& argv, const std::string& cwd, std::string* output, std::string* source) {
  static const std::set<std::string_view> kSuffixes = {".c", ".cc", ".cpp", ".cxx", ".c++", ".C", ".cp", ".m", ".mm", ".i", ".ii", ".s", ".S", ".sx", ".cu", ".f90"};
  std::vector<std::string> words = argv;
  if (words.size() == 3 && words[1] == "-c" && path_base(words[0]) == "sh") {  // a line that was not understood
    const std::string line = std::move(words[2]);
    words.clear();
    for (size_t at = 0; (at = line.find_first_not_of(" \t\n", at)) != std::string::npos;) {
      size_t end = std::min(line.find_first_of(" \t\n;&|", at), line.size());
      words.push_back(line.substr(at, end - at));
      at = end + (end < line.size());
    }
  }
  output->clear(), source->clear();
  std::string last;
  for (size_t i = 1; i < words.size(); i++) {
    const std::string& w = words[i];
    if (w == "-o" && i + 1 < words.size()) *output = words[++i];
    else if (has_prefix(w, "-o") && w.size() > 2) *output = w.substr(2);
    else if (!w.empty() && w[0] != '-' && w.rfind('.') != std::string::npos && kSuffixes.count(std::string_view(w).substr(w.rfind('.')))) last = w;
  }
  if (!last.empty()) *source = plain_path(path_join(cwd, last));
  if (*output == "-" || has_prefix(*output, "/dev/")) output->clear();
  if (!output->empty()) *output = plain_path(path_join(cwd, *output));
}

// ---- comparison

namespace {

// The words that one list has and the other has not, in their places: pairs of (before, after), either empty.
std::vector<std::pair<std::string, std::string>> list_difference(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  auto stem = [](std::string_view w) {
    size_t equals = w.find('=');
    return equals != std::string_view::npos ? w.substr(0, equals) : w.substr(0, 2);
  };
  // An operand is named with its option.
  auto named = [](const std::vector<std::string>& list, size_t i) {
    static const std::set<std::string_view> kWithOperand = {"-D", "-U", "-I", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-x", "-target", "-Xclang", "-arch"};
    return i > 0 && kWithOperand.count(list[i - 1]) ? list[i - 1] + " " + list[i] : list[i];
  };
  std::vector<std::pair<std::string, std::string>> out;
  size_t first = 0, na = a.size(), nb = b.size();
  while (first < na && first < nb && a[first] == b[first]) first++;
  while (na > first && nb > first && a[na - 1] == b[nb - 1]) na--, nb--;
  const size_t n = na - first, m = nb - first;
  if (a.size() == 1 && b.size() == 1) return {{a[0], b[0]}};
  std::vector<std::vector<uint32_t>> common;  // length of the longest common part of what is left of both
  if (n * m <= 1000000) {
    common.assign(n + 1, std::vector<uint32_t>(m + 1));
    for (size_t i = n; i-- > 0;)
      for (size_t k = m; k-- > 0;) common[i][k] = a[first + i] == b[first + k] ? common[i + 1][k + 1] + 1 : std::max(common[i + 1][k], common[i][k + 1]);
  }
  std::vector<size_t> gone, came;
  auto flush = [&] {
    for (size_t g : gone) {
      auto partner = std::find_if(came.begin(), came.end(), [&](size_t c) { return stem(a[g]) == stem(b[c]); });
      if (partner == came.end()) {
        out.emplace_back(named(a, g), "");
      } else {
        out.emplace_back(named(a, g), named(b, *partner));
        came.erase(partner);
      }
    }
    for (size_t c : came) out.emplace_back("", named(b, c));
    gone.clear(), came.clear();
  };
  for (size_t i = 0, k = 0; i < n || k < m;) {
    if (i < n && k < m && a[first + i] == b[first + k] && !common.empty()) flush(), i++, k++;
    else if (k == m || (i < n && (common.empty() || common[i + 1][k] >= common[i][k + 1]))) gone.push_back(first + i++);
    else came.push_back(first + k++);
  }
  flush();
  return out;
}

std::map<std::string, std::vector<std::string>> by_label(const ExplainRecord& e) {
  std::map<std::string, std::vector<std::string>> out;
  for (auto& f : e.fields) out[f.label].push_back(f.value);
  return out;
}

const char* kind_of(const std::string& label) {
  if (label == "arg") return "argument";
  if (label == "cwd" || label == "pwd") return "directory";
  if (label == "env") return "variable";
  if (label == "quote" || label == "bracket") return "search directory";
  if (label == "tenant") return "tenant";
  if (label == " messages") return "messages";
  return "other";
}

std::string label_in_words(const std::string& label) {
  static const std::map<std::string, std::string> kWords = {{"language", "language"},
                                                            {"source", "the source's name"},
                                                            {"deps", "kind of dependency file"},
                                                            {"target", "what the dependency file is to look like"},
                                                            {"role", "outputs"},
                                                            {"notes", "what the compiler warns of with these options"},
                                                            {"key", "the host's own key"},
                                                            {"cwd", "working directory"},
                                                            {"pwd", "PWD"},
                                                            {"quote", "search path of \"…\""},
                                                            {"bracket", "search path of <…>"}};
  auto it = kWords.find(label);
  return it == kWords.end() ? label : it->second;
}

void compare_files(const ExplainRecord& a, const ExplainRecord& b, std::vector<Difference>* out) {
  std::map<std::string, const ExplainFile*> before, after;
  // Of two checkouts, files are the same by their place under the working directory; else by a name that only one file has.
  auto place = [](const ExplainRecord& e, const std::string& path) {
    return has_prefix(path, e.cwd + "/") ? path.substr(e.cwd.size() + 1) : path;
  };
  for (auto& f : a.files) before[place(a, f.path)] = &f;
  for (auto& f : b.files) after[place(b, f.path)] = &f;
  std::map<std::string_view, std::vector<const ExplainFile*>> lone_before, lone_after;
  for (auto& [name, f] : before)
    if (!after.count(name)) lone_before[path_base(f->path)].push_back(f);
  for (auto& [name, f] : after)
    if (!before.count(name)) lone_after[path_base(f->path)].push_back(f);
  std::vector<Difference> later;
  auto changed = [&](const ExplainFile& x, const ExplainFile& y) {
    if (x.digest == y.digest) return;
    out->push_back({y.path == b.source ? "source" : "header", y.digest ? "changed" : "gone", y.path, hex64(x.digest), y.digest ? hex64(y.digest) : "", y.digest ? y.changed_s : 0});
  };
  const bool elsewhere = a.cwd != b.cwd;
  for (auto& [name, x] : before) {
    auto it = after.find(name);
    if (it != after.end()) {
      changed(*x, *it->second);
      continue;
    }
    auto& here = lone_before[path_base(x->path)];
    auto& there = lone_after[path_base(x->path)];
    if (elsewhere && here.size() == 1 && there.size() == 1) {
      changed(*x, *there[0]);
      after.erase(place(b, there[0]->path));
      continue;
    }
    later.push_back({"header", "no longer read", x->path, hex64(x->digest), "", 0});
  }
  for (auto& [name, y] : after)
    if (!before.count(name)) later.push_back({"header", "read anew", y->path, "", hex64(y->digest), y->changed_s});
  std::stable_sort(out->begin(), out->end(), [](auto& l, auto& r) { return l.changed_s > r.changed_s; });
  out->insert(out->end(), later.begin(), later.end());
}

}  // namespace

std::vector<Difference> compare(const ExplainRecord& a, const ExplainRecord& b) {
  std::vector<Difference> out;
  auto fa = by_label(a), fb = by_label(b);
  auto one = [](std::map<std::string, std::vector<std::string>>& m, const char* label) { return m[label].empty() ? std::string() : m[label][0]; };
  // What a compiler is by itself, and where it searches, follows its options and variables: then they are the cause.
  const bool steered = fa["arg"] != fb["arg"] || fa["env"] != fb["env"];
  if (fa["compiler"] != fb["compiler"] && !(steered && fa[" compiler"] == fb[" compiler"] && fa[" path"] == fb[" path"])) {
    std::string x = one(fa, " compiler"), y = one(fb, " compiler");
    if (x == y) x += " (" + one(fa, "compiler").substr(0, 12) + ")", y += " (" + one(fb, "compiler").substr(0, 12) + ")";
    out.push_back({"compiler", "changed", one(fb, " path"), x, y, 0});
  }
  std::set<std::string> labels;
  for (auto* m : {&fa, &fb})
    for (auto& [label, list] : *m) labels.insert(label);
  for (auto* first : {"arg", "env", "cwd"})
    if (labels.erase(first)) labels.insert(std::string("\1") + first);  // these in front
  const bool has_files = !a.files.empty() && !b.files.empty();
  for (std::string label : labels) {
    if (label[0] == '\1') label.erase(0, 1);
    auto &x = fa[label], &y = fb[label];
    // The source's text is told of with the files, where there are some; the compiler above; how it is called is no part of what it is.
    if (x == y || label == "compiler" || label == " compiler" || label == " path" || (label == "source text" && has_files)) continue;
    if (label == "source text") {
      out.push_back({"source", "changed", b.source, x.empty() ? "" : x[0].substr(0, 16), y.empty() ? "" : y[0].substr(0, 16), 0});
      continue;
    }
    if (steered && (label == "quote" || label == "bracket" || label == "notes")) continue;
    if (label == "pwd" && x == fa["cwd"] && y == fb["cwd"]) continue;
    // Entries without diagnostics serve everybody.
    if (label == " messages" && one(fa, " diagnostics") == "no") continue;
    if (label == " diagnostics" || label == " layers" || label == kNotTaken) continue;
    const auto pairs = list_difference(x, y);
    for (auto& [p, q] : pairs) {
      Difference d{kind_of(label), p.empty() ? "added" : q.empty() ? "removed" : "changed", "", p, q, 0};
      const std::string& word = p.empty() ? q : p;
      if (label == "env") d.name = word.substr(0, word.find('='));
      else if (label != "arg") d.name = label_in_words(label);
      if (label == "language" || label == "deps") d.before.clear(), d.after.clear();  // numbers of ours
      out.push_back(std::move(d));
    }
  }
  std::vector<Difference> files;
  if (has_files) compare_files(a, b, &files);
  // What was read instead follows from what changed: another flag, another compiler.
  if (std::any_of(out.begin(), out.end(), [](auto& d) { return d.kind != "messages"; }))
    std::erase_if(files, [](auto& d) { return d.change == "read anew" || d.change == "no longer read"; });
  out.insert(out.end(), files.begin(), files.end());
  // Where all else is equal, it was looked for in another place.
  if (out.empty() && fa[" layers"] != fb[" layers"]) out.push_back({"layers", "changed", "", one(fa, " layers"), one(fb, " layers"), 0});
  return out;
}

void write_differences(JsonWriter* w, const std::vector<Difference>& list) {
  w->begin_array();
  for (auto& d : list) {
    w->begin_object();
    w->key("kind").string(d.kind).key("change").string(d.change);
    if (!d.name.empty()) w->key("name").string(d.name);
    if (!d.before.empty()) w->key("before").string(d.before);
    if (!d.after.empty()) w->key("after").string(d.after);
    if (d.changed_s) w->key("changed_at").number(d.changed_s);
    w->end_object();
  }
  w->end_array();
}

// ---- dumps

std::string without_secret(const std::string& word) {
  size_t equals = word.find('=');
  if (equals == std::string::npos || equals + 1 == word.size()) return word;
  std::string name = word.substr(0, equals);
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  for (const char* bad : {"TOKEN", "SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL", "APIKEY", "API_KEY", "PRIVATE_KEY", "ACCESS_KEY", "_AUTH"})
    if (name.find(bad) != std::string::npos) return word.substr(0, equals + 1) + "sha256:" + sha256(word.substr(equals + 1)).hex().substr(0, 16);
  return word;
}

std::string dump_json(const ExplainRecord& e) {
  JsonWriter w;
  w.begin_object();
  w.key("cchain_explain").number(1);
  w.key("answer").string(e.kind == ExplainRecord::kStored ? "stored" : e.kind == ExplainRecord::kMiss ? "miss" : "uncacheable");
  w.key("time").number(e.time_ns / 1000000000);
  w.key("output").string(e.output).key("source").string(e.source).key("cwd").string(e.cwd).key("reason").string(e.reason);
  w.key("key").string(e.invocation_key.hex());
  w.key("fields").begin_array();
  for (auto& f : e.fields) w.begin_array().string(f.label).string(f.label == "arg" ? without_secret(f.value) : f.value).end_array();
  w.end_array();
  w.key("files").begin_array();
  for (auto& f : e.files) w.begin_array().string(f.path).string(hex64(f.digest)).end_array();
  w.end_array();
  w.end_object();
  return w.take();
}

namespace {
// False with `error` if the text is no dump.
bool read_dump(std::string_view text, ExplainRecord* e, std::string* error) {
  Json root;
  JsonError why;
  if (!json_parse(text, &root, &why)) {
    *error = why.line ? "line " + std::to_string(why.line) + ": " + why.text : why.text;
    return false;
  }
  const Json* version = root.get("cchain_explain");
  int64_t number = 0;
  if (!version || !version->to_int(&number) || number != 1) {
    *error = "it is no dump of cchain explain";
    return false;
  }
  auto text_of = [&](const char* name) {
    const Json* v = root.get(name);
    return v && v->type == Json::kString ? v->string : std::string();
  };
  *e = {};
  e->output = text_of("output"), e->source = text_of("source"), e->cwd = text_of("cwd"), e->reason = text_of("reason");
  digest_from_hex(text_of("key"), &e->invocation_key);
  const std::string answer = text_of("answer");
  e->kind = answer == "stored" ? ExplainRecord::kStored : answer == "miss" ? ExplainRecord::kMiss : ExplainRecord::kUncacheable;
  auto pairs = [&](const char* name, auto f) {
    const Json* list = root.get(name);
    for (size_t i = 0; list && i < list->items.size(); i++) {
      const Json& pair = list->items[i];
      if (pair.items.size() == 2 && pair.items[0].type == Json::kString && pair.items[1].type == Json::kString) f(pair.items[0].string, pair.items[1].string);
    }
  };
  pairs("fields", [&](const std::string& label, const std::string& value) { e->fields.push_back({label, value}); });
  pairs("files", [&](const std::string& path, const std::string& hex) { e->files.push_back({path, strtoull(hex.c_str(), nullptr, 16), 0}); });
  return true;
}

}  // namespace

bool dump_difference(std::string_view before, std::string_view after, std::string* json, std::string* error) {
  ExplainRecord a, b;
  if (!read_dump(before, &a, error)) return *error = "the first: " + *error, false;
  if (!read_dump(after, &b, error)) return *error = "the second: " + *error, false;
  JsonWriter w;
  w.begin_object();
  auto side = [&](const char* name, const ExplainRecord& e) {
    w.key(name).begin_object().key("output").string(e.output).key("source").string(e.source).key("cwd").string(e.cwd);
    if (!e.reason.empty()) w.key("reason").string(e.reason);
    w.end_object();
  };
  side("before", a), side("after", b);
  const std::vector<Difference> list = compare(a, b);
  w.key("same_key").boolean(a.invocation_key == b.invocation_key);
  w.key("differences");
  write_differences(&w, list);
  w.key("summary").string(list.empty() ? "no difference: they share if they ask the same layers" : in_words(list[0]));
  w.end_object();
  *json = w.take();
  return true;
}

std::string in_words(const Difference& d) {
  auto pair = [&] { return d.before + " → " + d.after; };
  if (d.kind == "header" || d.kind == "source") {
    const std::string what = d.name.empty() ? "the source" : d.name;
    if (d.change == "gone" || d.change == "appeared") return what + (d.change == "gone" ? " is gone" : " has appeared");
    return what + (d.change == "changed" ? " has changed" : d.change == "read anew" ? " is read now and was not before" : " is no longer read");
  }
  if (d.kind == "argument") return d.change == "added" ? "an option is new: " + d.after : d.change == "removed" ? "an option is no longer given: " + d.before : "an option differs: " + pair();
  if (d.kind == "compiler") return "another compiler: " + pair();
  if (d.kind == "directory") return "another " + d.name + ": " + pair();
  if (d.kind == "variable") return "the variable " + d.name + (d.change == "added" ? " is set now: " + d.after : d.change == "removed" ? " is no longer set, it was " + d.before : " differs: " + pair());
  if (d.kind == "tenant") return "another tenant: " + pair();
  if (d.kind == "messages") return "messages for another terminal or locale: " + pair();
  if (d.kind == "layers") return "other layers: " + pair();
  if (d.kind == "search directory") return "a directory of the " + d.name + (d.change == "added" ? " is new: " + d.after : d.change == "removed" ? " is gone: " + d.before : " differs: " + pair());
  return d.before.empty() && d.after.empty() ? d.name + " differs" : d.name + ": " + pair();
}

}  // namespace cchain
