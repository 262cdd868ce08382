// SPDX-License-Identifier: Apache-2.0
#include "core/stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/fs.h"

namespace cchain {

namespace {

using std::string;
using std::string_view;
using Totals = std::map<string, uint64_t, std::less<>>;

constexpr off_t kFoldAt = 64 << 10;
constexpr size_t kMaxName = 200;
constexpr size_t kMaxDistinct = 2000;  // names kept of each of the prefixes that a compile command can coin

uint64_t saturating_add(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

bool has_prefix(string_view s, string_view prefix) { return s.substr(0, prefix.size()) == prefix; }

// The length of a name that is kept: a text, after its prefix, up to kMaxName bytes, not cut inside a character of UTF-8.
string_view cut_name(string_view name) {
  size_t prefix = 0;
  for (string_view p : {"reason:", "miss:", "trouble:", "seen:"})
    if (has_prefix(name, p)) prefix = p.size();
  if (name.size() <= prefix + kMaxName) return name;
  size_t n = prefix + kMaxName;
  for (int back = 0; back < 3 && (static_cast<unsigned char>(name[n]) & 0xc0) == 0x80; back++) n--;
  return name.substr(0, n);
}

void escape(string* out, string_view name) {
  static const char kHex[] = "0123456789ABCDEF";
  for (char ch : name) {
    unsigned char c = static_cast<unsigned char>(ch);
    if (c <= 0x20 || c == 0x7f || c == '%' || c == '+' || c == '=' || c == ';') {
      char e[] = {'%', kHex[c >> 4], kHex[c & 15]};
      out->append(e, 3);
    } else {
      *out += ch;
    }
  }
}

bool unescape(string_view in, string* out) {
  auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  out->clear();
  for (size_t i = 0; i < in.size(); i++) {
    if (in[i] != '%') {
      *out += in[i];
      continue;
    }
    if (in.size() - i < 3 || hex(in[i + 1]) < 0 || hex(in[i + 2]) < 0) return false;
    *out += static_cast<char>(hex(in[i + 1]) * 16 + hex(in[i + 2]));
    i += 2;
  }
  return true;
}

void append_item(string* out, string_view name, uint64_t value) {
  if (out->back() != '+') *out += ' ';
  escape(out, name);
  char number[24];
  out->append(number, static_cast<size_t>(snprintf(number, sizeof number, "=%llu", static_cast<unsigned long long>(value))));
}

string make_record(const Increments& inc) {
  string out = "+";
  out.reserve(256);
  for (const auto& [name, value] : inc) {
    if (name.empty() || value == 0) continue;
    string_view n = cut_name(name);
    append_item(&out, n, value);
    if (has_prefix(n, "trouble:")) append_item(&out, "seen:" + string(n.substr(8)), static_cast<uint64_t>(time(nullptr)));
  }
  if (out.size() == 1) return {};
  out += ";\n";
  return out;
}

bool parse_number(string_view s, uint64_t* out) {
  uint64_t n = 0;
  if (s.empty()) return false;
  for (char c : s) {
    if (c < '0' || c > '9') return false;
    if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, static_cast<uint64_t>(c - '0'), &n)) return false;
  }
  *out = n;
  return true;
}

void add(Totals* t, string_view name, uint64_t value) {
  auto i = t->find(name);
  if (i == t->end()) t->emplace(name, value);
  else if (has_prefix(name, "seen:") || has_prefix(name, "layertype:")) i->second = std::max(i->second, value);
  else i->second = saturating_add(i->second, value);
}

// `<name>=<n>` items between single spaces. Nothing is added if one of them is none.
bool parse_items(string_view items, Totals* t, std::vector<std::pair<string, uint64_t>>* scratch) {
  size_t count = 0;
  while (!items.empty()) {
    string_view item = items.substr(0, items.find(' '));
    items.remove_prefix(std::min(item.size() + 1, items.size()));
    size_t eq = item.find('=');
    if (scratch->size() == count) scratch->emplace_back();
    auto& [name, value] = (*scratch)[count++];
    if (eq == string_view::npos || eq == 0 || !unescape(item.substr(0, eq), &name) || !parse_number(item.substr(eq + 1), &value)) return false;
  }
  for (size_t i = 0; i < count; i++) add(t, (*scratch)[i].first, (*scratch)[i].second);
  return true;
}

void parse_journal(string_view text, Totals* t) {
  std::vector<std::pair<string, uint64_t>> scratch;
  while (!text.empty()) {
    size_t n = text.find('\n');
    if (n == string_view::npos) return;  // its writer is at it, or was cut off
    string_view line = text.substr(0, n);
    text.remove_prefix(n + 1);
    // In front of the last + is what a writer that was cut off has left.
    size_t plus = line.rfind('+');
    if (plus == string_view::npos || line.back() != ';') continue;
    parse_items(line.substr(plus + 1, line.size() - plus - 2), t, &scratch);
  }
}

int read_all(int fd, string* out) {
  out->clear();
  struct stat st;
  if (fstat(fd, &st) != 0) return errno;
  size_t done = 0;
  for (;;) {
    if (out->size() - done < 4096) out->resize(std::max(out->size() * 2, done == 0 ? static_cast<size_t>(st.st_size) + 4097 : size_t{8192}));
    ssize_t n = read(fd, out->data() + done, out->size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  out->resize(done);
  return 0;
}

// ENOENT is no error: the file holds nothing.
int read_at(int dir, const char* name, string* out) {
  out->clear();
  Fd fd(openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return errno == ENOENT ? 0 : errno;
  return read_all(fd.get(), out);
}

// totals: "cchain-stats 1 <gen>", a line for each name, "end". Anything else counts as no totals.
void parse_totals(string_view text, Totals* t, uint64_t* gen) {
  constexpr string_view kHead = "cchain-stats 1 ", kTail = "\nend\n";
  *gen = 0;
  if (!has_prefix(text, kHead) || text.size() < kHead.size() + kTail.size() || text.substr(text.size() - kTail.size()) != kTail) return;
  text = text.substr(kHead.size(), text.size() - kHead.size() - kTail.size() + 1);
  size_t n = text.find('\n');
  if (n == string_view::npos || !parse_number(text.substr(0, n), gen)) return;
  text.remove_prefix(n + 1);
  std::vector<std::pair<string, uint64_t>> scratch;
  while ((n = text.find('\n')) != string_view::npos) {
    parse_items(text.substr(0, n), t, &scratch);
    text.remove_prefix(n + 1);
  }
}

// Names that commands coin are without end: the rarest become "<prefix>other".
void limit_names(Totals* t) {
  for (string_view prefix : {"reason:", "miss:", "trouble:"}) {
    std::vector<std::pair<uint64_t, string>> names;
    const string other = string(prefix) + "other";
    for (auto i = t->lower_bound(prefix); i != t->end() && has_prefix(i->first, prefix); ++i)
      if (i->first != other) names.emplace_back(i->second, i->first);
    if (names.size() <= kMaxDistinct) continue;
    std::sort(names.begin(), names.end(), [](auto& a, auto& b) { return a.first != b.first ? a.first < b.first : a.second < b.second; });
    names.resize(names.size() - kMaxDistinct + kMaxDistinct / 10);  // some room, or the next fold would be at it again
    for (const auto& [value, name] : names) {
      add(t, other, value);
      t->erase(name);
      if (prefix != "trouble:") continue;
      auto seen = t->find("seen:" + name.substr(prefix.size()));
      if (seen == t->end()) continue;
      add(t, "seen:other", seen->second);
      t->erase(seen);
    }
  }
}

// A directory that nobody else can have put anything into. ENOENT if it is not there.
int open_private_dir(const string& path, Fd* out) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    // O_DIRECTORY says ENOTDIR of a link as well.
    struct stat st;
    int e = errno;
    if ((e == ENOTDIR || e == ELOOP) && lstat(path.c_str(), &st) == 0 && S_ISLNK(st.st_mode)) return EPERM;
    return e;
  }
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return errno;
  if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) return EPERM;
  *out = std::move(fd);
  return 0;
}

int make_private_dir(const string& path, Fd* out) {
  if (int e = make_dirs(path, 0700)) return e;
  return open_private_dir(path, out);
}

// Not repeated after a short write: the line is void without its end, and there is no room.
int write_once(int fd, const string& record) {
  ssize_t n;
  FileId id;
  if (over_file_limit(1ull << 62) && (fstat_file(fd, &id) != 0 || over_file_limit(id.size + record.size()))) return EFBIG;
  do n = write(fd, record.data(), record.size());
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno;
  return static_cast<size_t>(n) == record.size() ? 0 : ENOSPC;
}

// `size`: that of the journal afterwards.
int append_journal(int dir, const string& record, off_t* size) {
  *size = 0;
  for (int attempt = 0; attempt < 8; attempt++) {
    Fd fd(openat(dir, "journal", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd) return errno;
    // Who holds the lock exclusively has renamed the file first: the next open makes a new one.
    if (flock(fd.get(), LOCK_SH | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) continue;
      return errno;
    }
    struct stat mine, named;
    if (fstat(fd.get(), &mine) != 0) return errno;
    if (fstatat(dir, "journal", &named, AT_SYMLINK_NOFOLLOW) != 0 || mine.st_ino != named.st_ino || mine.st_dev != named.st_dev) continue;
    *size = mine.st_size + static_cast<off_t>(record.size());
    return write_once(fd.get(), record);
  }
  // Something else sits on the lock (a backup?). Our own file then, complete when it gets its name.
  static std::atomic<unsigned> counter{0};
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  char temp[96], name[128];
  snprintf(temp, sizeof temp, "tmp.%d.%lld%09ld.%u", static_cast<int>(getpid()), static_cast<long long>(ts.tv_sec), ts.tv_nsec, counter.fetch_add(1));
  snprintf(name, sizeof name, "journal.%s", temp + 4);
  Fd fd(openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno;
  int e = write_once(fd.get(), record);
  if (e == 0 && renameat(dir, temp, dir, name) != 0) e = errno;
  if (e != 0) unlinkat(dir, temp, 0);
  return e;
}

int append_log(const string& path, const string& record) {
  Fd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666));
  if (!fd) return errno;
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EINVAL;  // a pipe could raise SIGPIPE
  return write_once(fd.get(), record);
}

// What lies in the directory besides totals.
struct Listing {
  std::vector<std::pair<uint64_t, string>> folds;  // by generation
  std::vector<string> privates, temps;
  bool journal = false;
};

int list(int dir, Listing* out) {
  // A descriptor of its own: the position of a directory stream belongs to the open file.
  int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  DIR* d = fdopendir(fd);
  if (!d) {
    int e = errno;
    close(fd);
    return e;
  }
  while (struct dirent* ent = readdir(d)) {
    string_view name = ent->d_name;
    uint64_t gen;
    if (name == "journal") out->journal = true;
    else if (has_prefix(name, "journal.")) out->privates.emplace_back(name);
    else if (has_prefix(name, "tmp.")) out->temps.emplace_back(name);
    else if (has_prefix(name, "fold.") && parse_number(name.substr(5), &gen)) out->folds.emplace_back(gen, name);
  }
  closedir(d);
  std::sort(out->folds.begin(), out->folds.end());
  return 0;
}

int lock_file(int dir, int how, Fd* out) {
  Fd fd(openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno;
  if (flock(fd.get(), how | LOCK_NB) != 0) return errno == EWOULDBLOCK ? EAGAIN : errno;
  *out = std::move(fd);
  return 0;
}

// For people who wait for an answer, up to a second: a folder holds it for some milliseconds.
int lock_patiently(int dir, int how, Fd* out) {
  int e = EAGAIN;
  for (int i = 0; i < 1000 && (e = lock_file(dir, how, out)) == EAGAIN; i++) {
    struct timespec ts = {0, 1000000};
    nanosleep(&ts, nullptr);
  }
  return e;
}

int write_totals(int dir, const Totals& t, uint64_t gen) {
  string text = "cchain-stats 1 " + std::to_string(gen) + "\n";
  for (const auto& [name, value] : t) {
    escape(&text, name);
    text += '=';
    text += std::to_string(value);
    text += '\n';
  }
  text += "end\n";
  int e;
  {
    Fd fd(openat(dir, "totals.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return errno;
    e = write_all(fd.get(), text.data(), text.size());
  }
  if (e == 0 && renameat(dir, "totals.new", dir, "totals") != 0) e = errno;
  if (e != 0) unlinkat(dir, "totals.new", 0);
  return e;
}

void sweep_temps(int dir, const Listing& files) {
  for (const string& name : files.temps) {
    struct stat st;
    if (fstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < time(nullptr) - 3600) unlinkat(dir, name.c_str(), 0);
  }
}

// Folds, or with `drop` forgets, what was appended so far. The caller holds the lock. Killed between any two lines it leaves a state in which
// each record counts once: a file is renamed to a generation above that of the totals, counts from there until the new totals
// stand, which name that generation, and is rubbish from then on.
int fold(int dir, bool drop) {
  string text;
  Totals totals;
  uint64_t gen = 0;
  Listing files;
  if (int e = read_at(dir, "totals", &text)) return e;
  parse_totals(text, &totals, &gen);
  if (int e = list(dir, &files)) return e;
  uint64_t last = gen;
  std::vector<std::pair<uint64_t, string>> pending;
  for (auto& [g, name] : files.folds) {
    if (g <= gen) unlinkat(dir, name.c_str(), 0);
    else pending.emplace_back(g, name), last = g;
  }
  auto take = [&](const char* name) {
    string to = "fold." + std::to_string(last + 1);
    if (renameat(dir, name, dir, to.c_str()) == 0) pending.emplace_back(++last, to);
  };
  if (files.journal) take("journal");
  for (const string& name : files.privates) take(name.c_str());
  sweep_temps(dir, files);

  uint64_t done = gen;
  if (drop) {
    totals.clear();
    done = last;
  }
  for (auto& [g, name] : pending) {
    if (drop) break;
    Fd fd(openat(dir, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) return errno;
    // An appender that found the old name still there may be writing: it has the lock and is done within microseconds. If it was stopped
    // there, this file and the later ones wait for the next fold.
    int tries = 0;
    while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && ++tries < 100) sched_yield();
    if (tries == 100) break;
    if (int e = read_all(fd.get(), &text)) return e;
    parse_journal(text, &totals);
    done = g;
  }
  if (done == gen && !drop) return 0;
  limit_names(&totals);
  if (int e = write_totals(dir, totals, done)) return e;
  for (auto& [g, name] : pending)
    if (g <= done) unlinkat(dir, name.c_str(), 0);
  return 0;
}

int read_dir(int dir, Totals* totals) {
  // Without the lock only if its holder has been stopped for a second: then nothing moves either.
  Fd lock;
  if (int e = lock_patiently(dir, LOCK_SH, &lock); e != 0 && e != EAGAIN && e != EROFS && e != EACCES) return e;
  string text;
  uint64_t gen = 0;
  Listing files;
  if (int e = read_at(dir, "totals", &text)) return e;
  parse_totals(text, totals, &gen);
  if (int e = list(dir, &files)) return e;
  for (auto& [g, name] : files.folds) {
    if (g <= gen) continue;
    if (int e = read_at(dir, name.c_str(), &text)) return e;
    parse_journal(text, totals);
  }
  if (int e = read_at(dir, "journal", &text)) return e;
  parse_journal(text, totals);
  for (const string& name : files.privates) {
    if (int e = read_at(dir, name.c_str(), &text)) return e;
    parse_journal(text, totals);
  }
  return 0;
}

}  // namespace

int stats_append(const std::string& dir, const std::string& log_file, const Increments& inc) {
  string record = make_record(inc);
  if (record.empty()) return 0;
  int log_error = log_file.empty() ? 0 : append_log(log_file, record);
  if (dir.empty()) return log_error;
  Fd fd;
  int e = open_private_dir(dir, &fd);
  if (e == ENOENT) e = make_private_dir(dir, &fd);
  if (e != 0) return e;
  off_t size;
  if (int e2 = append_journal(fd.get(), record, &size)) return e2;
  if (size > kFoldAt) {
    Fd lock;
    if (lock_file(fd.get(), LOCK_EX, &lock) == 0) fold(fd.get(), false);  // its errors lose nothing: the next one tries again
  }
  return log_error;
}

int stats_fold(const std::string& dir) {
  Fd fd, lock;
  if (int e = open_private_dir(dir, &fd)) return e == ENOENT ? 0 : e;
  if (int e = lock_file(fd.get(), LOCK_EX, &lock)) return e;
  return fold(fd.get(), false);
}

int stats_read(const std::string& dir, std::map<std::string, uint64_t>* out) {
  out->clear();
  if (dir.empty()) return 0;
  Totals totals;
  struct stat st;
  if (stat(dir.c_str(), &st) != 0) return errno == ENOENT ? 0 : errno;
  if (S_ISREG(st.st_mode)) {
    Fd fd(open(dir.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    string text;
    if (!fd) return errno;
    if (int e = read_all(fd.get(), &text)) return e;
    parse_journal(text, &totals);
  } else {
    Fd fd;
    if (int e = open_private_dir(dir, &fd)) return e == ENOENT ? 0 : e;
    if (int e = read_dir(fd.get(), &totals)) return e;
  }
  out->merge(totals);
  return 0;
}

int stats_reset(const std::string& dir) {
  if (dir.empty()) return 0;
  Fd fd, lock;
  if (int e = open_private_dir(dir, &fd)) return e == ENOENT ? 0 : e;
  if (int e = lock_patiently(fd.get(), LOCK_EX, &lock)) return e == EAGAIN ? EBUSY : e;
  return fold(fd.get(), true);
}

}  // namespace cchain
