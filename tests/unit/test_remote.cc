// What remote layers rest on, without any network: the breaker, the spool, merged records, a cancel signal.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "core/behind.h"
#include "core/spool.h"
#include "layers/breaker.h"
#include "layers/cancel.h"

using namespace cchain;

namespace {

std::string folder;

int setup(void**) {
  char name[] = "/tmp/cchain-test-remote-XXXXXX";
  folder = mkdtemp(name) ? name : "";
  return folder.empty();
}
int teardown(void**) {
  std::string command = "rm -rf '" + folder + "'";
  return system(command.c_str());
}

void breaker(void**) {
  Table table(folder + "/breakers", 1, 64);
  Breaker b(&table, sha256("layer"));
  using B = Breaker;
  // A server that refuses: three in a row, for reads and writes.
  assert_true(b.allows(B::kRead));
  assert_false(b.failed(B::kRead, B::kGone));
  assert_false(b.failed(B::kWrite, B::kGone));
  b.ok(B::kRead);
  assert_false(b.failed(B::kRead, B::kGone));
  assert_false(b.failed(B::kRead, B::kGone));
  assert_true(b.failed(B::kRead, B::kGone));
  assert_false(b.allows(B::kRead));
  assert_false(b.allows(B::kWrite));
  assert_true(b.rest_ms(B::kRead) > 29000 && b.rest_ms(B::kRead) <= 30000);
  // Another process learns of it, of another layer it does not.
  Table again(folder + "/breakers", 1, 64);
  Breaker other(&again, sha256("layer")), another(&again, sha256("another"));
  assert_false(other.allows(B::kRead));
  assert_true(another.allows(B::kRead));
  // What was under way when it opened changes nothing.
  assert_false(b.failed(B::kRead, B::kTimeout));
  assert_true(b.rest_ms(B::kRead) <= 30000);

  // A timeout opens at once; a wrong password only its own way, and only after five.
  Breaker t(&table, sha256("timeout"));
  assert_true(t.failed(B::kWrite, B::kTimeout));
  assert_false(t.allows(B::kRead));
  Breaker d(&table, sha256("denied"));
  for (int i = 0; i < 4; i++) assert_false(d.failed(B::kWrite, B::kOther));
  assert_true(d.failed(B::kWrite, B::kOther));
  assert_true(d.allows(B::kRead));
  assert_false(d.allows(B::kWrite));
}

void half_open(void**) {
  Table table(folder + "/breakers", 1, 64);
  using B = Breaker;
  Breaker a(&table, sha256("busy"));
  assert_true(a.failed(B::kRead, B::kBusy, 300));
  assert_false(a.allows(B::kRead));
  assert_true(a.allows(B::kWrite));
  usleep(350'000);
  Breaker b(&table, sha256("busy"));
  assert_true(a.allows(B::kRead));   // one asks
  assert_false(a.allows(B::kRead));  // and all others wait for what comes of it
  assert_false(b.allows(B::kRead));
  a.ok(B::kRead);
  usleep(300'000);
  assert_true(b.allows(B::kRead));
  assert_true(b.allows(B::kRead));
  // A probe that fails: open again, for longer.
  assert_true(a.failed(B::kRead, B::kTimeout));
  assert_true(a.rest_ms(B::kRead) <= 30000);
}

void breaker_without_a_folder(void**) {
  Table none("", 1, 64);
  Breaker b(&none, sha256("x"));
  assert_true(b.failed(Breaker::kRead, Breaker::kTimeout));
  assert_false(b.allows(Breaker::kRead));
  b.ok(Breaker::kRead);
  assert_true(b.allows(Breaker::kRead));
}

void spool(void**) {
  Spool s(folder + "/spool/x");
  assert_true(s.list().empty());
  Spool::Item item, got;
  item.tenant = "t";
  item.hex = std::string(64, 'a');
  item.blob = "entry";
  item.bytes = std::string(100000, 'x') + '\0' + "y";
  item.replace = true;
  assert_true(s.keep(item));
  item.bytes = "second";
  assert_true(s.keep(item));
  auto names = s.list();
  assert_int_equal(names.size(), 2);
  struct stat st;
  assert_int_equal(stat((folder + "/spool/x/" + names[0]).c_str(), &st), 0);
  assert_int_equal(st.st_mode & 077, 0);
  Fd lock, second;
  assert_true(s.take(names[0], &got, &lock));
  assert_int_equal(got.bytes.size(), 100002);
  assert_true(got.replace && !got.merge && got.tenant == "t" && got.hex == item.hex && got.blob == "entry");
  assert_false(s.take(names[0], &got, &second));  // who sends it holds its lock
  s.remove(names[0]);
  lock.reset();
  assert_false(s.take(names[0], &got, &second));
  // Damage is no store.
  std::string path = folder + "/spool/x/" + names[1];
  int fd = open(path.c_str(), O_WRONLY);
  assert_int_equal(pwrite(fd, "X", 1, 12), 1);
  close(fd);
  assert_false(s.take(names[1], &got, &lock));
  assert_int_equal(access(path.c_str(), F_OK), -1);
  for (const char* bytes : {"", "CCS1", "CCS1\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "something else altogether, longer than a head and a hash"}) {
    path = folder + "/spool/x/1-2-3";
    fd = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    close(fd);
    assert_false(s.take("1-2-3", &got, &lock));
  }
  // Nobody else's folder.
  chmod((folder + "/spool/x").c_str(), 0777);
  assert_true(s.keep(item) || true);
  assert_true(s.list().empty());
  assert_false(Spool("").keep(item));
}

void merged(void**) {
  InputsRecord r;
  assert_true(merge_set(&r, {false, "a"}));
  assert_false(merge_set(&r, {false, "a"}));
  assert_true(merge_set(&r, {false, "b"}));
  assert_true(merge_set(&r, {true, "a"}));
  assert_int_equal(r.sets.size(), 2);
  assert_true(r.sets[0].places == "a" && r.sets[0].streams);
  for (int i = 0; i < 40; i++) merge_set(&r, {false, std::to_string(i)});
  assert_int_equal(r.sets.size(), InputsRecord::kMaxSets);
  assert_string_equal(r.sets[0].places.c_str(), "39");
}

bool readable(int fd) {
  pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}
void cancel(void**) {
  CancelSignal s;
  s.set();
  s.clear();
  assert_false(s.is_set());
  s.set();  // before anybody has asked for the descriptor
  assert_true(readable(s.fd()));
  assert_true(readable(s.fd()));
  s.clear();
  assert_false(readable(s.fd()));
  s.set();
  s.set();
  assert_true(readable(s.fd()));
  s.clear();
  assert_false(readable(s.fd()));
}

// The queue with layers that are not remote: what promotion uses.
class Slow final : public Layer {
 public:
  Slow() : Layer("slow") {}
  const char* type() const override { return "slow"; }
  bool local() const override { return true; }
  Answer get(const Address&, std::string*) override { return Answer::kMiss; }
  int put(const Address&, std::string_view data, bool) override {
    usleep(20'000);
    bytes += data.size();
    return 0;
  }
  std::atomic<size_t> bytes{0};
};

void queue(void**) {
  Log log;
  Slow slow;
  std::vector<std::string> troubles;
  {
    Behind b(&log, "", [&](const std::string& t) { troubles.push_back(t); });
    b.add({&slow, nullptr, 1000, false});
    std::string hex(64, 'a');
    std::atomic<bool> cancelled{false};
    for (int i = 0; i < 10; i++) b.put(0, {Space::kCompile, "t", hex, "entry"}, std::make_shared<std::string>("0123456789"), false);
    b.put(0, {Space::kCompile, "t", hex, "entry"}, std::make_shared<std::string>(2000, 'x'), false);  // too large for the layer
    assert_true(b.drain(Behind::now_ms() + 50, cancelled, true) > 0);
    assert_int_equal(b.drain(Behind::now_ms() + 5000, cancelled, true), 0);
    assert_int_equal(slow.bytes, 100);
    assert_int_equal(slow.counters.stores, 10);
    for (int i = 0; i < 100; i++) b.put(0, {Space::kCompile, "t", hex, "entry"}, std::make_shared<std::string>("0123456789"), false);
    cancelled = true;
    int64_t start = Behind::now_ms();
    assert_true(b.drain(Behind::now_ms() + 5000, cancelled, true) > 0);
    assert_true(Behind::now_ms() - start < 100);
  }  // what is left is lost, and told of
  assert_false(troubles.empty());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(breaker), cmocka_unit_test(half_open), cmocka_unit_test(breaker_without_a_folder), cmocka_unit_test(spool),
                              cmocka_unit_test(merged), cmocka_unit_test(cancel), cmocka_unit_test(queue)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
