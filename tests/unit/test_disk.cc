// The disk layer: through its interface alone, but for the names on disk (src/FORMAT.md).
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "base/fs.h"
#include "base/hash.h"
#include "layers/disk.h"

using namespace cchain;

namespace {

std::string folder;  // one for each test

int remove_one(const char* path, const struct stat*, int, FTW*) { return ::remove(path); }
int setup(void**) {
  folder = std::string(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp") + "/cchain-disk.XXXXXX";
  return mkdtemp(folder.data()) ? 0 : -1;
}
int teardown(void**) { return nftw(folder.c_str(), remove_one, 32, FTW_DEPTH | FTW_PHYS); }

std::string hex_of(uint64_t n) { return sha256("key " + std::to_string(n)).hex(); }
std::string path_of(const std::string& root, uint64_t n) {
  std::string hex = hex_of(n);
  return root + "/compile/local/" + hex.substr(0, 2) + "/" + hex + "/entry";
}

struct Key {
  std::string hex;
  Address a;
  explicit Key(uint64_t n, std::string_view tenant = "local", Space space = Space::kCompile, std::string_view blob = "entry")
      : hex(hex_of(n)), a{space, tenant, hex, blob} {}
};

std::unique_ptr<Layer> open_layer(const std::string& path, uint64_t limit, bool read_only = false, int umask = -1) {
  DiskOptions o;
  o.path = path;
  o.max_size = limit;
  o.read_only = read_only;
  o.umask = umask;
  return make_disk_layer("test", o, nullptr);
}

// Bytes that tell whether they are whole: a checksum, then noise of its seed.
std::string body(uint64_t seed, size_t size) {
  std::string s(8 + size, '\0');
  for (size_t i = 0; i < size; i++) s[8 + i] = static_cast<char>((seed + i) * 2654435761u >> 13);
  uint64_t sum = xxh64(std::string_view(s).substr(8));
  memcpy(s.data(), &sum, 8);
  return s;
}
bool whole(const std::string& s) {
  uint64_t sum;
  if (s.size() < 8) return false;
  memcpy(&sum, s.data(), 8);
  return sum == xxh64(std::string_view(s).substr(8));
}

uint64_t disk_bytes, disk_entries;
int count_one(const char* path, const struct stat* st, int kind, FTW*) {
  std::string_view name = path_base(path);
  if (kind == FTW_F && S_ISREG(st->st_mode) && (name == "entry" || name == "record" || name == "data"))
    disk_bytes += ((static_cast<uint64_t>(st->st_size) + 4095) & ~uint64_t{4095}) + 4096, disk_entries++;
  return 0;
}
uint64_t on_disk(const std::string& root) {
  disk_bytes = disk_entries = 0;
  nftw(root.c_str(), count_one, 32, FTW_PHYS);
  return disk_bytes;
}
void assert_counted(Layer& l, const std::string& root) {
  uint64_t bytes = 0, entries = 0, limit = 0;
  assert_true(l.usage(&bytes, &entries, &limit));
  assert_int_equal(bytes, on_disk(root));
  assert_int_equal(entries, disk_entries);
}

bool has(Layer& l, uint64_t n) {
  std::string out;
  return l.get(Key(n).a, &out) == Answer::kHit;
}
int put(Layer& l, uint64_t n, size_t size, bool replace = false) { return l.put(Key(n).a, body(n, size), replace); }

void pause_ms(int ms) {
  timespec ts{ms / 1000, ms % 1000 * 1000000};
  nanosleep(&ts, nullptr);
}

// Runs f in a child, its own name space of mounts if asked: 0, what f gave, or 100 + signal.
int in_child(const std::function<int()>& f) {
  pid_t pid = fork();
  if (pid == 0) _exit(f());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

// ---- the interface ----------------------------------------------------------------------------------------------------

void test_round_trip(void**) {
  std::string root = folder + "/a/b/root", out;
  auto l = open_layer(root, 64 << 20);
  uint64_t bytes = 1, entries = 1, limit = 0;
  assert_true(l->usage(&bytes, &entries, &limit));
  assert_int_equal(bytes + entries, 0);
  assert_int_equal(limit, 64 << 20);
  assert_true(l->get(Key(1).a, &out) == Answer::kMiss);
  const struct {
    Space space;
    const char *blob, *name;
  } kinds[] = {{Space::kCompile, "entry", "compile"}, {Space::kInputs, "record", "inputs"}, {Space::kSource, "data", "source"}, {Space::kManifest, "data", "manifest"}};
  for (const auto& k : kinds)
    for (const char* tenant : {"local", "team-a"})
      for (size_t size : {size_t{0}, size_t{1}, size_t{4096}, size_t{300000}}) {
        Key key(size, tenant, k.space, k.blob);
        std::string data = size ? body(size, size) : "";
        assert_int_equal(l->put(key.a, data, false), 0);
        assert_int_equal(l->put(key.a, "other", false), EEXIST);
        assert_true(l->get(key.a, &out) == Answer::kHit);
        assert_true(out == data);
        std::string file = root + "/" + k.name + "/" + tenant + "/" + key.hex.substr(0, 2) + "/" + key.hex + "/" + k.blob;
        assert_int_equal(access(file.c_str(), F_OK), 0);
      }
  assert_counted(*l, root);
  assert_int_equal(disk_entries, 32);

  assert_int_equal(put(*l, 500, 100000), 0);
  assert_int_equal(l->put(Key(500).a, "short", true), 0);
  assert_true(l->get(Key(500).a, &out) == Answer::kHit && out == "short");
  assert_int_equal(put(*l, 501, 10, true), 0);
  assert_counted(*l, root);
  l->remove(Key(500).a);
  l->remove(Key(499).a);
  assert_true(l->get(Key(500).a, &out) == Answer::kMiss);
  assert_int_not_equal(access(std::string(path_dir(path_of(root, 500))).c_str(), F_OK), 0);
  assert_counted(*l, root);
  assert_int_equal(l->counters.errors, 0);
  assert_true(l->counters.bytes_read > 0 && l->counters.bytes_written > 0);

  std::string hex = hex_of(1), upper = hex;
  upper[0] = 'A';
  for (const Address& bad : {Address{Space::kCompile, "..", hex, "entry"}, Address{Space::kCompile, "a/b", hex, "entry"}, Address{Space::kCompile, "", hex, "entry"},
                             Address{Space::kCompile, "a", upper, "entry"}, Address{Space::kCompile, "a", "../..", "entry"}, Address{Space::kCompile, "a", hex, "../entry"}}) {
    assert_int_equal(l->put(bad, "x", false), EINVAL);
    assert_true(l->get(bad, &out) == Answer::kMiss);
  }
}

void test_modes(void**) {
  mode_t old = umask(077);
  std::string root = folder + "/root";
  struct stat st;
  {
    auto l = open_layer(root, 1 << 20, false, 002);
    put(*l, 1, 10), put(*l, 2, 10, true);
  }
  for (uint64_t n : {1, 2}) {
    assert_int_equal(stat(path_of(root, n).c_str(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0664);
    assert_int_equal(stat(std::string(path_dir(path_of(root, n))).c_str(), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0775);
  }
  for (const char* name : {"", "/compile", "/compile/local"}) {
    assert_int_equal(stat((root + name).c_str(), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0775);
  }
  assert_int_equal(stat((root + "/index").c_str(), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0664);
  put(*open_layer(folder + "/own", 1 << 20), 1, 10);
  assert_int_equal(stat(path_of(folder + "/own", 1).c_str(), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  umask(old);
}

// ---- eviction ---------------------------------------------------------------------------------------------------------

void test_least_recently_used(void**) {
  std::string root = folder + "/root";
  auto l = open_layer(root, 10 * 8192);
  for (uint64_t n = 0; n < 10; n++) assert_int_equal(put(*l, n, 100), 0);
  for (uint64_t n : {5, 0, 3}) assert_true(has(*l, n));
  // Left: 1 2 4 6 7 8 9 5 0 3, and each new one takes the first's place.
  for (uint64_t n = 10; n < 17; n++) assert_int_equal(put(*l, n, 100), 0);
  for (uint64_t n : {1, 2, 4, 6, 7, 8, 9}) assert_int_not_equal(access(path_of(root, n).c_str(), F_OK), 0);
  for (uint64_t n : {5, 0, 3, 10, 16}) assert_int_equal(access(path_of(root, n).c_str(), F_OK), 0);
  assert_counted(*l, root);
  assert_int_equal(disk_entries, 10);
  // A use in another process counts too; one that was put once more is used as well.
  assert_int_equal(in_child([&] { return has(*open_layer(root, 10 * 8192), 5) ? 0 : 1; }), 0);
  assert_int_equal(in_child([&] {
                     auto child = open_layer(root, 10 * 8192);
                     bool ok = has(*child, 0) && put(*child, 10, 100) == EEXIST;
                     child.reset();
                     return ok ? 0 : 1;
                   }), 0);
  l.reset();
  l = open_layer(root, 10 * 8192);
  for (uint64_t n = 20; n < 27; n++) assert_int_equal(put(*l, n, 100), 0);
  for (uint64_t n : {3, 11, 12, 13, 14, 15, 16}) assert_int_not_equal(access(path_of(root, n).c_str(), F_OK), 0);
  for (uint64_t n : {5, 0, 10}) assert_int_equal(access(path_of(root, n).c_str(), F_OK), 0);
}

void test_bound(void**) {
  std::string root = folder + "/root";
  const uint64_t limit = 1 << 20;
  auto l = open_layer(root, limit);
  assert_int_equal(put(*l, 1000, limit), EFBIG);
  uint64_t x = 88172645463325252ull;
  for (uint64_t n = 0; n < 400; n++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    assert_int_equal(put(*l, n % 150, x % (n % 3 ? 9000 : 200000), n % 5 == 0) & ~EEXIST, 0);
    if (n % 7 == 0) assert_true(on_disk(root) <= limit + limit / 20);
  }
  assert_counted(*l, root);
  for (uint64_t n = 500; n < 530; n++) assert_int_equal(put(*l, n, 100 << 10), 0);
  assert_true(on_disk(root) <= limit && disk_entries >= 9);
  // A lowered limit is reached again, though not at the cost of one store.
  l = open_layer(root, limit / 4);
  for (uint64_t n = 600; n < 630; n++) assert_int_equal(put(*l, n, 10), 0);
  assert_true(on_disk(root) <= limit / 4);
}

// More entries than an exact order is kept for: splits of the index, the threshold and the cursor.
void test_many(void**) {
  std::string root = folder + "/root";
  const uint64_t held = 4500, limit = held * 8192;
  auto l = open_layer(root, limit);
  for (uint64_t n = 0; n < 7000; n++) {
    assert_int_equal(put(*l, n, 8), 0);
    if (n % 250 == 0)
      for (uint64_t hot = 0; hot < 100; hot++) has(*l, hot);
  }
  for (uint64_t hot = 0; hot < 100; hot++) assert_true(has(*l, hot));
  uint64_t newest = 0, oldest = 0;
  for (uint64_t n = 6000; n < 7000; n++) newest += access(path_of(root, n).c_str(), F_OK) == 0;
  for (uint64_t n = 200; n < 1200; n++) oldest += access(path_of(root, n).c_str(), F_OK) == 0;
  assert_int_equal(newest, 1000);
  assert_true(oldest < 50);
  assert_counted(*l, root);
  assert_true(disk_bytes <= limit && disk_entries > held * 95 / 100);
}

// ---- many at once -----------------------------------------------------------------------------------------------------

// Puts, replaces, gets and removes keys of one small set; 0 if every hit was whole.
int hammer(const std::string& root, uint64_t limit, uint64_t seed, int ms) {
  auto l = open_layer(root, limit);
  std::atomic<int> bad{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      uint64_t x = seed * 1000003 + static_cast<uint64_t>(t) * 7919 + 1;
      std::string out;
      timespec begun, now;
      clock_gettime(CLOCK_MONOTONIC, &begun);
      do {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uint64_t n = x % 120;
        if (x >> 20 & 1) {
          int e = l->put(Key(n).a, body(x, (x >> 24) % (x >> 40 & 7 ? 6000 : 90000)), (x >> 21 & 3) == 0);
          if (e != 0 && e != EEXIST && e != EBUSY && e != ENOENT) bad = 1;
        } else if ((x >> 22 & 63) == 0) {
          l->remove(Key(n).a);
        } else {
          Answer a = l->get(Key(n).a, &out);
          if (a == Answer::kError || (a == Answer::kHit && !whole(out))) bad = 2;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
      } while (!bad && (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < ms);
    });
  for (auto& t : threads) t.join();
  return bad;
}

void test_many_at_once(void**) {
  std::string root = folder + "/root";
  const uint64_t limit = 1 << 20;
  std::vector<pid_t> children;
  for (uint64_t c = 0; c < 4; c++) {
    pid_t pid = fork();
    if (pid == 0) _exit(hammer(root, limit, c + 1, 1200));
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
  }
  auto l = open_layer(root, limit);
  l->flush();
  assert_true(on_disk(root) <= limit + limit / 20);
  uint64_t bytes = 0, entries = 0, ignored = 0;
  assert_true(l->usage(&bytes, &entries, &ignored));
  assert_true(bytes <= limit + limit / 20);
  pause_ms(2100);
  TrimResult r;
  assert_int_equal(l->trim(UINT64_MAX, 0, &r), 0);
  assert_counted(*l, root);
  assert_int_equal(r.kept_entries, disk_entries);
}

void test_killed(void**) {
  std::string root = folder + "/root", out;
  const uint64_t limit = 4 << 20;
  srand(7);
  for (int round = 0; round < 60; round++) {
    pid_t pid = fork();
    if (pid == 0) {
      auto l = open_layer(root, limit);
      for (uint64_t n = 0;; n++) {
        l->put(Key((n * 31 + static_cast<uint64_t>(round) * 17) % 900).a, body(n, n * 7919 % 20000), n % 4 == 0);
        l->get(Key(n % 900).a, &out);
        if (n % 16 == 0) l->flush();
      }
    }
    pause_ms(3 + rand() % 20);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  auto l = open_layer(root, limit);
  uint64_t hits = 0;
  for (uint64_t n = 0; n < 900; n++) {
    Answer a = l->get(Key(n).a, &out);
    assert_true(a == Answer::kMiss || (a == Answer::kHit && whole(out)));
    hits += a == Answer::kHit;
  }
  assert_true(hits > 20);
  assert_true(on_disk(root) <= limit + limit / 20);
  l->flush();
  pause_ms(2100);
  TrimResult r;
  assert_int_equal(l->trim(UINT64_MAX, 0, &r), 0);
  assert_counted(*l, root);
  assert_int_equal(put(*l, 5000, 10), 0);
  assert_true(has(*l, 5000));
}

// Whoever has the lock and does not give it back delays nobody.
void test_lock_held(void**) {
  std::string root = folder + "/root";
  auto l = open_layer(root, 1 << 20);
  assert_int_equal(put(*l, 0, 10), 0);
  int fd = open((root + "/index").c_str(), O_RDWR | O_CLOEXEC);
  struct flock fl {};
  fl.l_type = F_WRLCK;
  fl.l_whence = SEEK_SET;
  assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
  timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (uint64_t n = 1; n <= 10; n++) assert_int_equal(put(*l, n, 10), 0);
  assert_true(has(*l, 3));
  l->remove(Key(4).a);
  clock_gettime(CLOCK_MONOTONIC, &b);
  assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 1000);
  assert_counted(*l, root);  // what is pending is counted
  // Without the lock nothing can be evicted: then nothing is stored, rather than too much.
  int refused = 0;
  for (uint64_t n = 100; n < 140; n++) refused += put(*l, n, 100000) == EBUSY;
  assert_true(refused > 20);
  assert_true(on_disk(root) <= (1 << 20) * 21 / 20);
  assert_counted(*l, root);
  close(fd);
  assert_int_equal(put(*l, 200, 10), 0);
  assert_int_not_equal(access((root + "/index.pending").c_str(), F_OK), 0);
  assert_counted(*l, root);
}

// ---- what goes wrong --------------------------------------------------------------------------------------------------

void test_index_damaged(void**) {
  std::string root = folder + "/root", index = root + "/index";
  const uint64_t limit = 200 * 8192;
  auto l = open_layer(root, limit);
  auto overwrite = [&](off_t at, size_t size) {
    int fd = open(index.c_str(), O_WRONLY | O_CLOEXEC);
    std::string junk(size, '\0');
    for (char& c : junk) c = static_cast<char>(rand());
    assert_int_equal(pwrite(fd, junk.data(), size, at), static_cast<ssize_t>(size));
    close(fd);
  };
  uint64_t n = 0;
  for (int damage = 0; damage < 9; damage++) {
    for (int i = 0; i < 250; i++) assert_int_equal(put(*l, n++, 10), 0);
    for (uint64_t k = n - 100; k < n; k++) assert_true(has(*l, k));
    switch (damage) {
      case 0: assert_int_equal(truncate(index.c_str(), 0), 0); break;
      case 1: assert_int_equal(truncate(index.c_str(), 5000), 0); break;
      case 2: assert_int_equal(unlink(index.c_str()), 0); break;
      case 3: overwrite(0, 128); break;
      case 4: overwrite(4096, 16 * 4096); break;
      case 5: overwrite(40, 8); break;
      case 6: assert_int_equal(truncate(index.c_str(), 1 << 20), 0); break;
      case 7:
        assert_int_equal(rename(index.c_str(), (root + "/index.old").c_str()), 0);
        break;
      case 8: {
        int fd = open((index + ".pending").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        std::string junk(100001, '\1');
        assert_int_equal(write(fd, junk.data(), junk.size()), static_cast<ssize_t>(junk.size()));
        close(fd);
        break;
      }
    }
    for (uint64_t k = n - 50; k < n; k++) assert_true(has(*l, k));
    l->flush();
    for (int i = 0; i < 40; i++) {
      assert_int_equal(put(*l, n++, 10), 0);
      // A table that lost entries is told of them by their hits or by a trim; one that is lost whole is rebuilt.
      if (damage != 4) assert_true(on_disk(root) <= limit + limit / 20);
    }
    if (damage == 4) {
      TrimResult r;
      assert_int_equal(l->trim(UINT64_MAX, 0, &r), 0);
    }
    assert_true(on_disk(root) <= limit + limit / 20);
    assert_counted(*l, root);
  }
  // Nothing that can be used as an index: errors, and what is stored can be read.
  unlink(index.c_str());
  mkdir(index.c_str(), 0777);
  assert_int_not_equal(put(*l, n, 10), 0);
  assert_true(has(*l, n - 1));
  l->flush();
  rmdir(index.c_str());
  assert_int_equal(put(*l, n, 10), 0);
  // The root vanishes under the layer.
  nftw(root.c_str(), remove_one, 32, FTW_DEPTH | FTW_PHYS);
  assert_false(has(*l, n));
  assert_int_equal(put(*l, n, 10), 0);
  assert_true(has(*l, n));
}

void test_unwritable(void**) {
  std::string root = folder + "/root", out;
  put(*open_layer(root, 1 << 20), 1, 10);
  unlink((root + "/index").c_str());
  {
    auto l = open_layer(root, 1 << 20, true);
    assert_true(has(*l, 1));
    assert_false(has(*l, 2));
    assert_int_equal(put(*l, 2, 10), EROFS);
    l->remove(Key(1).a);
    l->flush();
    TrimResult r;
    assert_int_equal(l->trim(0, 0, &r), EROFS);
    assert_int_equal(l->clear(""), EROFS);
  }
  assert_int_not_equal(access((root + "/index").c_str(), F_OK), 0);
  assert_int_equal(access(path_of(root, 1).c_str(), F_OK), 0);

  int fd = open((folder + "/file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  close(fd);
  auto l = open_layer(folder + "/file/root", 1 << 20);
  assert_int_equal(put(*l, 1, 10), ENOTDIR);
  assert_int_equal(put(*l, 1, 10), ENOTDIR);
  assert_true(l->get(Key(1).a, &out) == Answer::kMiss);
  assert_int_equal(l->counters.errors, 2);
}

// A small tmpfs of one's own, if root may mount one.
int with_tmpfs(const char* options, const std::function<int()>& f) {
  return in_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.c_str(), "tmpfs", 0, options) != 0)
      return 77;
    return f();
  });
}

void test_disk_full(void**) {
  int got = with_tmpfs("size=1m", [] {
    std::string root = folder + "/root", out;
    auto l = open_layer(root, 64 << 20);
    int full = 0;
    for (uint64_t n = 0; n < 400; n++) {
      int e = put(*l, n, n % 3 ? 9000 : 30000);
      if (e != 0 && e != ENOSPC) return 1;
      full += e == ENOSPC;
    }
    if (full < 100) return 2;
    uint64_t hits = 0;
    for (uint64_t n = 0; n < 400; n++) {
      Answer a = l->get(Key(n).a, &out);
      if (a == Answer::kError || (a == Answer::kHit && !whole(out))) return 3;
      hits += a == Answer::kHit;
    }
    if (hits < 10 || hits + static_cast<uint64_t>(full) != 400) return 4;
    l->flush();
    // Room again: it goes on, and nothing that failed is counted.
    TrimResult r;
    if (l->trim(200000, 0, &r) != 0 || r.kept_bytes > 200000) return 5;
    if (put(*l, 1000, 9000) != 0 || !has(*l, 1000)) return 6;
    uint64_t bytes, entries, limit;
    if (!l->usage(&bytes, &entries, &limit) || bytes != on_disk(root) || entries != disk_entries) return 7;
    l.reset();
    // Read only from now on.
    if (mount("none", folder.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return 77;
    l = open_layer(root, 64 << 20);
    if (!has(*l, 1000) || put(*l, 2000, 10) != EROFS) return 8;
    l.reset();
    return 0;
  });
  if (got == 77) {
    print_message("skipped: no tmpfs can be mounted here\n");
    skip();
  }
  assert_int_equal(got, 0);
}

void test_planted(void**) {
  std::string root = folder + "/root", out;
  auto l = open_layer(root, 1 << 20);
  for (uint64_t n = 0; n < 4; n++) assert_int_equal(put(*l, n, 10), 0);
  int fd = open((folder + "/secret").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  close(fd);
  unlink(path_of(root, 0).c_str()), unlink(path_of(root, 1).c_str()), unlink(path_of(root, 2).c_str());
  assert_int_equal(symlink((folder + "/secret").c_str(), path_of(root, 0).c_str()), 0);
  assert_int_equal(mkfifo(path_of(root, 1).c_str(), 0666), 0);
  assert_int_equal(mkdir(path_of(root, 2).c_str(), 0777), 0);
  for (uint64_t n = 0; n < 3; n++) {
    assert_true(l->get(Key(n).a, &out) == Answer::kError);
    assert_int_equal(put(*l, n, 10), EEXIST);
  }
  assert_true(has(*l, 3));
  // A whole tenant's tree elsewhere, linked in at each height: nothing there is removed.
  put(*open_layer(folder + "/victim", 1 << 20), 7, 10);
  std::string kept = path_of(folder + "/victim", 7);
  symlink((folder + "/victim/compile/local").c_str(), (root + "/compile/evil").c_str());
  std::string hh = hex_of(7).substr(0, 2);
  mkdir((root + "/compile/evil2").c_str(), 0777);
  symlink((folder + "/victim/compile/local/" + hh).c_str(), (root + "/compile/evil2/" + hh).c_str());
  mkdir((root + "/compile/evil3").c_str(), 0777);
  mkdir((root + "/compile/evil3/" + hh).c_str(), 0777);
  symlink((folder + "/victim/compile/local/" + hh + "/" + hex_of(7)).c_str(), (root + "/compile/evil3/" + hh + "/" + hex_of(7)).c_str());
  fd = open((root + "/compile/local/notes").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  close(fd);
  TrimResult r;
  assert_int_equal(l->trim(0, 0, &r), 0);
  assert_int_equal(l->clear(""), 0);
  assert_int_equal(access(kept.c_str(), F_OK), 0);
  assert_int_equal(access((folder + "/secret").c_str(), F_OK), 0);
  assert_int_equal(access((root + "/compile/local/notes").c_str(), F_OK), 0);
  assert_false(has(*l, 3));
  // The index and what is pending are no ways out either.
  unlink((root + "/index").c_str());
  symlink((folder + "/secret").c_str(), (root + "/index").c_str());
  assert_int_equal(put(*l, 50, 10), ELOOP);
  struct stat st;
  assert_int_equal(stat((folder + "/secret").c_str(), &st), 0);
  assert_int_equal(st.st_size, 0);
}

// ---- trim and clear ---------------------------------------------------------------------------------------------------

void test_trim(void**) {
  std::string root = folder + "/root";
  auto l = open_layer(root, 64 << 20);
  TrimResult r;
  assert_int_equal(l->trim(UINT64_MAX, 0, &r), 0);
  assert_int_not_equal(access(root.c_str(), F_OK), 0);
  for (uint64_t n = 0; n < 40; n++) assert_int_equal(put(*l, n, 10), 0);
  // Strays: an old one goes, a young one may be somebody's; empty directories go.
  std::string dir(path_dir(path_of(root, 5)));
  timespec old[2] = {{time(nullptr) - 7200, 0}, {time(nullptr) - 7200, 0}};
  for (const std::string& name : {dir + "/.tmp.1.1", dir + "/.tmp.1.2", root + "/.tmp.3"}) close(open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  assert_int_equal(utimensat(AT_FDCWD, (dir + "/.tmp.1.1").c_str(), old, 0), 0);
  assert_int_equal(utimensat(AT_FDCWD, (root + "/.tmp.3").c_str(), old, 0), 0);
  std::string empty = root + "/compile/local/zz";
  std::string gone(path_dir(path_of(root, 777)));
  make_dirs(gone), make_dirs(empty);
  assert_int_equal(l->trim(UINT64_MAX, 0, &r), 0);
  assert_int_equal(r.kept_entries, 40);
  assert_int_equal(r.removed_entries, 0);
  assert_int_not_equal(access((dir + "/.tmp.1.1").c_str(), F_OK), 0);
  assert_int_not_equal(access((root + "/.tmp.3").c_str(), F_OK), 0);
  assert_int_equal(access((dir + "/.tmp.1.2").c_str(), F_OK), 0);
  assert_int_not_equal(access(gone.c_str(), F_OK), 0);
  assert_int_equal(access(empty.c_str(), F_OK), 0);  // no name of ours
  // By size, the least recently used first.
  for (uint64_t n = 0; n < 5; n++) assert_true(has(*l, n));
  assert_int_equal(l->trim(10 * 8192, 0, &r), 0);
  assert_int_equal(r.removed_entries, 30);
  assert_int_equal(r.removed_bytes, 30 * 8192);
  assert_int_equal(r.kept_entries, 10);
  assert_counted(*l, root);
  for (uint64_t n : {0, 1, 2, 3, 4, 35, 36, 37, 38, 39}) assert_int_equal(access(path_of(root, n).c_str(), F_OK), 0);
  // By age; without an index the file's time is what is known.
  l.reset();
  unlink((root + "/index").c_str());
  for (uint64_t n : {36, 37, 38}) assert_int_equal(utimensat(AT_FDCWD, path_of(root, n).c_str(), old, 0), 0);
  l = open_layer(root, 64 << 20);
  assert_int_equal(l->trim(UINT64_MAX, static_cast<uint64_t>(now_ns()) - 3600ull * 1000000000, &r), 0);
  assert_int_equal(r.removed_entries, 3);
  assert_int_equal(r.kept_entries, 7);
  assert_counted(*l, root);
  // What was removed behind the index's back, and what appeared there.
  assert_int_equal(unlink(path_of(root, 0).c_str()), 0);
  assert_int_equal(truncate(path_of(root, 1).c_str(), 50000), 0);
  pause_ms(2100);
  assert_int_equal(l->trim(UINT64_MAX, 0, &r), 0);
  assert_int_equal(r.kept_entries, 6);
  assert_counted(*l, root);
  assert_int_equal(l->trim(0, 0, &r), 0);
  assert_int_equal(r.removed_entries, 6);
  assert_int_equal(on_disk(root), 0);
}

void test_clear(void**) {
  std::string root = folder + "/root", out;
  auto l = open_layer(root, 64 << 20);
  assert_int_equal(l->clear(""), 0);
  for (uint64_t n = 0; n < 30; n++)
    for (const char* tenant : {"a", "b"}) {
      assert_int_equal(l->put(Key(n, tenant).a, "x", false), 0);
      assert_int_equal(l->put(Key(n, tenant, Space::kInputs, "record").a, "x", false), 0);
    }
  assert_int_equal(l->clear("a"), 0);
  assert_true(l->get(Key(3, "a").a, &out) == Answer::kMiss);
  assert_true(l->get(Key(3, "b").a, &out) == Answer::kHit);
  assert_counted(*l, root);
  assert_int_equal(disk_entries, 60);
  assert_int_not_equal(access((root + "/compile/a").c_str(), F_OK), 0);
  assert_int_equal(l->put(Key(3, "a").a, "x", false), 0);
  assert_int_equal(l->clear(""), 0);
  assert_int_equal(on_disk(root), 0);
  assert_counted(*l, root);
  assert_int_equal(l->put(Key(3, "a").a, "x", false), 0);
  assert_counted(*l, root);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      T(test_round_trip), T(test_modes),  T(test_least_recently_used), T(test_bound),      T(test_many),    T(test_many_at_once), T(test_killed),
      T(test_lock_held),  T(test_trim),   T(test_index_damaged),       T(test_unwritable), T(test_disk_full), T(test_planted),    T(test_clear),
  };
  return cmocka_run_group_tests_name("disk", tests, nullptr, nullptr);
}
