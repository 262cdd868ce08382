// Statistics on disk: exact with many writers, folders and readers, whoever is killed.
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "core/stats.h"

using namespace cchain;

namespace {

using Map = std::map<std::string, uint64_t>;

std::string g_root;
int g_next = 0;

// A directory that is not there yet.
std::string fresh() { return g_root + "/" + std::to_string(++g_next) + "/private/stats"; }

Map read_map(const std::string& dir) {
  Map m;
  assert_int_equal(stats_read(dir, &m), 0);
  return m;
}

uint64_t at(const Map& m, const std::string& name) {
  auto i = m.find(name);
  return i == m.end() ? 0 : i->second;
}

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  DIR* d = opendir(dir.c_str());
  assert_non_null(d);
  while (struct dirent* e = readdir(d))
    if (e->d_name[0] != '.') names.push_back(e->d_name);
  closedir(d);
  std::sort(names.begin(), names.end());
  return names;
}

void write_raw(const std::string& path, const std::string& text, int flags = O_TRUNC) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | flags, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text.data(), text.size()), text.size());
  close(fd);
}

template <class F>
pid_t child(F f) {
  pid_t pid = fork();
  if (pid == 0) {
    f();
    _exit(0);
  }
  assert_true(pid > 0);
  return pid;
}

void reap(pid_t pid) {
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

void must(bool ok) {
  if (!ok) _exit(1);
}

void basics(void**) {
  std::string dir = fresh();
  assert_int_equal(read_map(dir).size(), 0);
  assert_int_equal(stats_reset(dir), 0);
  assert_int_equal(stats_fold(dir), 0);
  assert_int_equal(stats_append(dir, "", {}), 0);
  assert_int_equal(stats_append(dir, "", {{"hits", 0}, {"", 5}}), 0);
  assert_int_equal(access(dir.c_str(), F_OK), -1);  // nothing to say: nothing made

  assert_int_equal(stats_append(dir, "", {{"lookups", 2}, {"hits", 1}, {"layer:disk0:bytes_read", 1ull << 40}}), 0);
  assert_int_equal(stats_append(dir, "", {{"lookups", 3}, {"layertype:disk0:disk", 1}}), 0);
  struct stat st;
  assert_int_equal(stat(dir.c_str(), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0700);
  for (int fold = 0; fold < 3; fold++) {
    Map m = read_map(dir);
    assert_int_equal(m.size(), 4);
    assert_int_equal(at(m, "lookups"), 5);
    assert_int_equal(at(m, "hits"), 1);
    assert_true(at(m, "layer:disk0:bytes_read") == 1ull << 40);
    assert_int_equal(stats_fold(dir), 0);
  }
  assert_int_equal(stats_append(dir, "", {{"lookups", 1}, {"layertype:disk0:disk", 1}}), 0);
  assert_int_equal(at(read_map(dir), "lookups"), 6);
  assert_int_equal(at(read_map(dir), "layertype:disk0:disk"), 1);
  assert_int_equal(stats_reset(dir), 0);
  assert_int_equal(read_map(dir).size(), 0);
  assert_int_equal(stats_append(dir, "", {{"hits", UINT64_MAX}}), 0);
  assert_int_equal(stats_append(dir, "", {{"hits", 7}}), 0);
  assert_true(at(read_map(dir), "hits") == UINT64_MAX);
  assert_int_equal(stats_fold(dir), 0);
  assert_true(at(read_map(dir), "hits") == UINT64_MAX);
}

void any_bytes(void**) {
  std::string dir = fresh(), all;
  for (int c = 1; c < 256; c++) all += static_cast<char>(c);
  std::string a = "reason:" + all.substr(0, 128), b = "miss:" + all.substr(128), zero = std::string("reason:a\0b", 10);
  for (auto& name : {a, b, zero, std::string("trouble:/x y=z;\n+%41")}) assert_int_equal(stats_append(dir, "", {{name, 3}, {"n", 1}}), 0);
  for (int fold = 0; fold < 2; fold++) {
    Map m = read_map(dir);
    assert_int_equal(at(m, a), 3);
    assert_int_equal(at(m, b), 3);
    assert_int_equal(at(m, zero), 3);
    assert_int_equal(at(m, "trouble:/x y=z;\n+%41"), 3);
    assert_int_equal(at(m, "n"), 4);
    assert_int_equal(m.size(), 6);
    assert_true(at(m, "seen:/x y=z;\n+%41") + 60 > static_cast<uint64_t>(time(nullptr)));
    assert_int_equal(stats_fold(dir), 0);
  }
  // Long texts are cut, and not in the middle of a character.
  std::string dir2 = fresh();
  assert_int_equal(stats_append(dir2, "", {{"reason:" + std::string(199, 'x') + "\xe2\x82\xac" + std::string(5000, 'y'), 1}, {"trouble:" + std::string(300, 'z'), 1}}), 0);
  Map m = read_map(dir2);
  assert_int_equal(m.size(), 3);
  assert_int_equal(at(m, "reason:" + std::string(199, 'x')), 1);
  assert_int_equal(at(m, "trouble:" + std::string(200, 'z')), 1);
  assert_true(at(m, "seen:" + std::string(200, 'z')) > 0);
}

// The last time a trouble was seen, not the sum of times.
void seen_is_joined(void**) {
  std::string dir = fresh();
  assert_int_equal(stats_append(dir, "", {{"trouble:x", 1}}), 0);
  assert_int_equal(stats_append(dir, "", {{"seen:x", 5}, {"trouble:x", 1}}), 0);
  Map m = read_map(dir);
  assert_int_equal(at(m, "trouble:x"), 2);
  assert_true(at(m, "seen:x") <= static_cast<uint64_t>(time(nullptr)));
}

void log_file(void**) {
  std::string dir = fresh(), log = g_root + "/build.log";
  assert_int_equal(stats_append(dir, log, {{"hits", 1}}), 0);
  assert_int_equal(stats_append("", log, {{"hits", 2}, {"reason:a b", 1}}), 0);
  assert_int_equal(at(read_map(dir), "hits"), 1);
  Map m = read_map(log);
  assert_int_equal(at(m, "hits"), 3);
  assert_int_equal(at(m, "reason:a b"), 1);
  // A pipe could raise SIGPIPE; the directory gets its line all the same.
  std::string fifo = g_root + "/fifo";
  assert_int_equal(mkfifo(fifo.c_str(), 0600), 0);
  int fd = open(fifo.c_str(), O_RDWR);
  assert_int_equal(stats_append(dir, fifo, {{"hits", 1}}), EINVAL);
  close(fd);
  assert_int_equal(stats_append(dir, g_root + "/absent/log", {{"hits", 1}}), ENOENT);
  assert_int_equal(at(read_map(dir), "hits"), 3);
}

void torn_and_foreign_lines(void**) {
  std::string dir = fresh();
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  write_raw(dir + "/journal", "+hits=1000 mis", O_APPEND);  // a disk was full here
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  write_raw(dir + "/journal", "garbage\n+;\n+=3;\n+x;\n+hits=;\n+hits=-1;\n+hits=99999999999999999999;\n+hits=5 bad;\n+h%4;\n+hits=7\n;\n\n" + std::string("\0\xff\n", 3), O_APPEND);
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  write_raw(dir + "/journal", "+hits=1000;", O_APPEND);  // its writer is not done
  for (int fold = 0; fold < 2; fold++) {
    Map m = read_map(dir);
    assert_int_equal(at(m, "hits"), 3);
    assert_int_equal(m.size(), 1);
    assert_int_equal(stats_fold(dir), 0);
  }
  // Totals that are not ours count as none and are replaced.
  for (const char* bad : {"", "cchain-stats 1 7\nhits=5\n", "cchain-stats 2 7\nhits=5\nend\n", "cchain-stats 1 x\nhits=5\nend\n", "\nend\n", "cchain-stats 1 \nend\n"}) {
    write_raw(dir + "/totals", bad);
    assert_int_equal(at(read_map(dir), "hits"), 0);
  }
  assert_int_equal(stats_append(dir, "", {{"hits", 2}}), 0);
  assert_int_equal(stats_fold(dir), 0);
  assert_int_equal(at(read_map(dir), "hits"), 2);
}

void private_only(void**) {
  std::string dir = fresh();
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  Map m;
  for (int mode : {0770, 0707, 0777}) {
    assert_int_equal(chmod(dir.c_str(), mode), 0);
    bool planted = (mode & 022) != 0;
    assert_int_equal(stats_append(dir, "", {{"hits", 1}}), planted ? EPERM : 0);
    assert_int_equal(stats_read(dir, &m), planted ? EPERM : 0);
    assert_int_equal(stats_reset(dir), planted ? EPERM : 0);
    assert_int_equal(stats_fold(dir), planted ? EPERM : 0);
  }
  assert_int_equal(chmod(dir.c_str(), 0700), 0);
  std::string link = g_root + "/link";
  assert_int_equal(symlink(dir.c_str(), link.c_str()), 0);
  assert_int_equal(stats_append(link, "", {{"hits", 1}}), EPERM);
  assert_int_equal(stats_read(link, &m), EPERM);
  // A link in the journal's place is not written through.
  std::string victim = g_root + "/victim";
  write_raw(victim, "");
  std::string dir2 = fresh();
  assert_int_equal(stats_append(dir2, "", {{"hits", 1}}), 0);
  assert_int_equal(unlink((dir2 + "/journal").c_str()), 0);
  assert_int_equal(symlink(victim.c_str(), (dir2 + "/journal").c_str()), 0);
  assert_int_equal(stats_append(dir2, "", {{"hits", 1}}), ELOOP);
  struct stat st;
  assert_int_equal(stat(victim.c_str(), &st), 0);
  assert_int_equal(st.st_size, 0);

  write_raw(g_root + "/file", "");
  assert_int_equal(stats_append(g_root + "/file/stats", "", {{"hits", 1}}), ENOTDIR);
  if (geteuid() == 0) {  // somebody else's
    std::string other = fresh();
    assert_int_equal(stats_append(other, "", {{"hits", 1}}), 0);
    assert_int_equal(chown(other.c_str(), 65534, 65534), 0);
    assert_int_equal(stats_append(other, "", {{"hits", 1}}), EPERM);
    assert_int_equal(stats_read(other, &m), EPERM);
  }
}

// Something that is no folder holds the journal's lock: nobody waits, nothing is lost.
void lock_taken(void**) {
  std::string dir = fresh();
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  int fd = open((dir + "/journal").c_str(), O_RDONLY);
  assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
  for (int i = 0; i < 20; i++) assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  assert_int_equal(names_in(dir).size(), 21);
  assert_int_equal(at(read_map(dir), "hits"), 21);
  // The fold gets at none of them before the journal, which is first in order; nothing is counted twice meanwhile.
  assert_int_equal(stats_fold(dir), 0);
  assert_int_equal(at(read_map(dir), "hits"), 21);
  close(fd);
  assert_int_equal(stats_fold(dir), 0);
  assert_int_equal(at(read_map(dir), "hits"), 21);
  assert_true(names_in(dir) == (std::vector<std::string>{"lock", "totals"}));

  // A folder, or a reader, at work: the append is done, folding is left to the next.
  fd = open((dir + "/lock").c_str(), O_RDWR);
  assert_int_equal(flock(fd, LOCK_SH), 0);
  assert_int_equal(stats_fold(dir), EAGAIN);
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  assert_int_equal(at(read_map(dir), "hits"), 22);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  assert_int_equal(at(read_map(dir), "hits"), 23);  // after a second, since a stopped folder moves nothing
  assert_int_equal(stats_reset(dir), EBUSY);
  close(fd);
}

void folds_by_itself(void**) {
  std::string dir = fresh();
  std::string reason = "reason:" + std::string(150, 'r');
  for (int i = 0; i < 2000; i++) assert_int_equal(stats_append(dir, "", {{"hits", 1}, {reason, 2}}), 0);
  struct stat st;
  assert_int_equal(stat((dir + "/totals").c_str(), &st), 0);
  if (stat((dir + "/journal").c_str(), &st) == 0) assert_true(st.st_size <= 65536);
  Map m = read_map(dir);
  assert_int_equal(at(m, "hits"), 2000);
  assert_int_equal(at(m, reason), 4000);
}

void rare_names(void**) {
  std::string dir = fresh();
  uint64_t sum = 0, troubles = 0;
  for (uint64_t i = 0; i < 5000; i++) {
    assert_int_equal(stats_append(dir, "", {{"reason:" + std::to_string(i), i + 1}, {"trouble:" + std::to_string(i), 1}}), 0);
    sum += i + 1;
  }
  assert_int_equal(stats_fold(dir), 0);
  Map m = read_map(dir);
  size_t reasons = 0, seen = 0;
  uint64_t got = 0;
  for (auto& [name, n] : m) {
    if (name.compare(0, 7, "reason:") == 0) reasons++, got += n;
    if (name.compare(0, 8, "trouble:") == 0) troubles += n;
    if (name.compare(0, 5, "seen:") == 0) seen++;
  }
  assert_true(reasons <= 2001 && seen <= 2001);
  assert_true(got == sum);
  assert_int_equal(troubles, 5000);
  assert_int_equal(at(m, "reason:4999"), 5000);
  assert_true(at(m, "reason:other") > 0);
}

void concurrent(void**) {
  std::string dir = fresh(), log = g_root + "/concurrent.log";
  constexpr int kWriters = 16, kAppends = 500;
  // Texts long enough that the journal is folded by its writers some fifteen times.
  std::vector<pid_t> pids, others;
  for (int w = 0; w < kWriters; w++)
    pids.push_back(child([&] {
      for (int i = 0; i < kAppends; i++)
        must(stats_append(dir, log, {{"lookups", 1}, {"bytes", static_cast<uint64_t>(i)}, {"reason:" + std::string(120, 'a' + w), 1}}) == 0);
    }));
  for (int f = 0; f < 2; f++)
    others.push_back(child([&] {
      for (;;) {
        int e = stats_fold(dir);
        must(e == 0 || e == EAGAIN);
        usleep(100);
      }
    }));
  others.push_back(child([&] {
    uint64_t last = 0;
    for (;;) {
      Map m;
      must(stats_read(dir, &m) == 0);
      // Whole records only, and never fewer than before.
      uint64_t reasons = 0, n = at(m, "lookups");
      for (auto& [name, v] : m)
        if (name[0] == 'r') reasons += v;
      must(n >= last && reasons == n && n <= kWriters * kAppends);
      last = n;
    }
  }));
  for (pid_t p : pids) reap(p);
  usleep(20000);
  for (pid_t p : others) {
    int status;
    assert_int_equal(waitpid(p, &status, WNOHANG), 0);  // still well
    kill(p, SIGKILL);
    waitpid(p, &status, 0);
  }
  for (int fold = 0; fold < 2; fold++) {
    Map m = read_map(dir);
    assert_int_equal(at(m, "lookups"), kWriters * kAppends);
    assert_int_equal(at(m, "bytes"), kWriters * (kAppends * (kAppends - 1) / 2));
    for (int w = 0; w < kWriters; w++) assert_int_equal(at(m, "reason:" + std::string(120, 'a' + w)), kAppends);
    assert_int_equal(stats_fold(dir), 0);
  }
  assert_true(names_in(dir) == (std::vector<std::string>{"lock", "totals"}));
  assert_int_equal(at(read_map(log), "lookups"), kWriters * kAppends);
}

// Folders and appenders that are killed anywhere, while others append.
void killed_at_random(void**) {
  std::string dir = fresh();
  struct Shared {
    std::atomic<uint64_t> begun, done;
  };
  auto* shared = static_cast<Shared*>(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  assert_true(shared != MAP_FAILED);
  std::string reason = "reason:" + std::string(180, 'k');
  uint64_t slack = 0;
  srand(1);
  std::vector<pid_t> writers;
  for (int w = 0; w < 2; w++)
    writers.push_back(child([&] {
      for (int i = 0; i < 3000; i++) must(stats_append(dir, "", {{"steady", 1}, {reason, 1}}) == 0);
    }));
  for (int round = 0; round < 200; round++) {
    pid_t folder = child([&] {
      for (;;) stats_fold(dir);
    });
    pid_t appender = child([&] {
      for (;;) {
        shared->begun++;
        must(stats_append(dir, "", {{"killed", 1}, {reason, 1}}) == 0);
        shared->done++;
      }
    });
    usleep(static_cast<useconds_t>(rand() % 3000));
    kill(folder, SIGKILL);
    kill(appender, SIGKILL);
    waitpid(folder, nullptr, 0);
    waitpid(appender, nullptr, 0);
    slack++;
  }
  for (pid_t p : writers) reap(p);
  for (int fold = 0; fold < 2; fold++) {
    Map m = read_map(dir);
    assert_int_equal(at(m, "steady"), 6000);
    assert_true(at(m, "killed") >= shared->done && at(m, "killed") <= shared->begun);
    assert_true(shared->begun - shared->done <= slack);
    assert_int_equal(at(m, reason), 6000 + at(m, "killed"));
    assert_int_equal(stats_fold(dir), 0);
  }
  for (auto& n : names_in(dir)) assert_true(n == "lock" || n == "totals");
  munmap(shared, sizeof(Shared));
}

// Runs f in a child and kills it when it has passed `stops` entries into and exits from system calls. True if it was done before;
// *possible is false where nothing can be traced.
template <class F>
bool killed_at(int stops, F f, bool* possible) {
  pid_t pid = child([&] {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(77);
    raise(SIGSTOP);
    f();
  });
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (!WIFSTOPPED(status)) {
    *possible = false;
    return true;
  }
  for (int i = 0; i < stops; i++) {
    assert_int_equal(ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
      assert_int_equal(WEXITSTATUS(status), 0);
      return true;
    }
  }
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return false;
}

// A fold and a reset, killed before and after each of their system calls.
void killed_at_each_call(void**) {
  bool possible = true;
  for (bool reset : {false, true}) {
    bool finished = false;
    int stops = 1;
    for (; !finished && possible; stops++) {
      assert_true(stops < 2000);
      std::string dir = fresh();
      // Totals, a leftover, private files and a journal.
      assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
      assert_int_equal(stats_fold(dir), 0);
      assert_int_equal(stats_append(dir, "", {{"hits", 10}}), 0);
      assert_int_equal(rename((dir + "/journal").c_str(), (dir + "/fold.2").c_str()), 0);
      write_raw(dir + "/fold.1", "+hits=1;\n");  // in the totals already
      write_raw(dir + "/journal.1.2.3", "+hits=100;\n");
      assert_int_equal(stats_append(dir, "", {{"hits", 1000}}), 0);
      finished = killed_at(stops, [&] { must((reset ? stats_reset(dir) : stats_fold(dir)) == 0); }, &possible);
      uint64_t now = at(read_map(dir), "hits");
      if (reset) {
        assert_true(now == 1111 || now == 0);
        if (finished && possible) assert_int_equal(now, 0);
      } else {
        assert_int_equal(now, 1111);
      }
      assert_int_equal(stats_append(dir, "", {{"hits", 10000}}), 0);
      assert_int_equal(at(read_map(dir), "hits"), now + 10000);
      assert_int_equal(stats_fold(dir), 0);
      assert_int_equal(at(read_map(dir), "hits"), now + 10000);
      assert_true(names_in(dir) == (std::vector<std::string>{"lock", "totals"}));
    }
    print_message("%s: killed at %d places\n", reset ? "reset" : "fold", stops - 2);
  }
  if (!possible) {
    print_message("nothing can be traced here\n");
    skip();
  }
}

// An appender that is killed before and after each of its system calls: its record counts once or not at all.
void appender_killed_at_each_call(void**) {
  bool possible = true, finished = false;
  for (int stops = 1; !finished && possible; stops++) {
    assert_true(stops < 2000);
    std::string dir = fresh();
    assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
    write_raw(dir + "/journal", "+hits=1;\n" + std::string(65536, '\n'));  // it folds as well
    finished = killed_at(stops, [&] { must(stats_append(dir, "", {{"hits", 10}}) == 0); }, &possible);
    uint64_t now = at(read_map(dir), "hits");
    assert_true(now == 11 || (!finished && now == 1) || !possible);
    assert_int_equal(stats_fold(dir), 0);
    assert_int_equal(at(read_map(dir), "hits"), now);
  }
  if (!possible) skip();
}

// As on a full disk: the write is cut short, the record does not count, those after it do.
void cut_short(void**) {
  std::string dir = fresh();
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  reap(child([&] {
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {20, 20};
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    must(stats_append(dir, "", {{"hits", 100}, {"reason:a long text that does not fit", 1}}) == EFBIG);
  }));
  // A write that a full disk has cut.
  write_raw(dir + "/journal", "+hits=100;reas", O_APPEND);
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  for (int fold = 0; fold < 2; fold++) {
    Map m = read_map(dir);
    assert_int_equal(m.size(), 1);
    assert_int_equal(at(m, "hits"), 2);
    assert_int_equal(stats_fold(dir), 0);
  }
  // No room for new totals: nothing is lost.
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  reap(child([&] {
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {5, 5};
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    must(stats_fold(dir) != 0);
  }));
  assert_int_equal(at(read_map(dir), "hits"), 3);
  assert_int_equal(stats_fold(dir), 0);
  assert_int_equal(at(read_map(dir), "hits"), 3);
}

void strays(void**) {
  std::string dir = fresh();
  assert_int_equal(stats_append(dir, "", {{"hits", 1}}), 0);
  write_raw(dir + "/tmp.1.2.3", "+hits=1;\n");
  write_raw(dir + "/tmp.4.5.6", "+hits=1;\n");
  struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
  assert_int_equal(utimensat(AT_FDCWD, (dir + "/tmp.1.2.3").c_str(), old, 0), 0);
  assert_int_equal(stats_fold(dir), 0);
  assert_int_equal(at(read_map(dir), "hits"), 1);
  assert_true(names_in(dir) == (std::vector<std::string>{"lock", "tmp.4.5.6", "totals"}));
}

// No bar on the time: the figures are for whoever looks.
void cost(void**) {
  std::string dir = fresh();
  Increments inc = {{"lookups", 1}, {"hits", 1}, {"saved_ms", 120}, {"layer:disk0:hits", 1}, {"layer:disk0:bytes_read", 12345}};
  std::vector<double> all;
  double sum = 0;
  for (int i = 0; i < 5000; i++) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(stats_append(dir, "", inc), 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    all.push_back((b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3);
    sum += all.back();
  }
  std::sort(all.begin(), all.end());
  print_message("append: min %.1f, median %.1f, mean with folds %.1f, greatest %.0f us\n", all[0], all[all.size() / 2], sum / all.size(), all.back());
}

}  // namespace

int main() {
  char root[] = "/tmp/cchain-stats-XXXXXX";
  if (!mkdtemp(root)) return 1;
  g_root = root;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(basics),
      cmocka_unit_test(any_bytes),
      cmocka_unit_test(seen_is_joined),
      cmocka_unit_test(log_file),
      cmocka_unit_test(torn_and_foreign_lines),
      cmocka_unit_test(private_only),
      cmocka_unit_test(lock_taken),
      cmocka_unit_test(folds_by_itself),
      cmocka_unit_test(rare_names),
      cmocka_unit_test(concurrent),
      cmocka_unit_test(killed_at_random),
      cmocka_unit_test(killed_at_each_call),
      cmocka_unit_test(appender_killed_at_each_call),
      cmocka_unit_test(cut_short),
      cmocka_unit_test(strays),
      cmocka_unit_test(cost),
  };
  int failed = cmocka_run_group_tests(tests, nullptr, nullptr);
  std::string cleanup = "rm -rf '" + g_root + "'";
  if (system(cleanup.c_str()) != 0) return 1;
  return failed;
}
