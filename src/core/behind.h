// What is stored behind the host's back: a bounded queue, with a lane for each layer that has anything to store.
//
// A lane is a thread, started with its first job, all signals blocked. A local layer's does one thing after the other; a remote layer's has
// several transfers under way. What fails for a while is tried again, with jitter and not before the server wants it; what can't be sent is
// dropped, or kept in the layer's spool: files of the private folder that the next process sends.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "core/spool.h"
#include "core/trust.h"
#include "layers/layer.h"
#include "layers/remote.h"
#include "model/entry.h"

namespace cchain {

class Behind {
 public:
  struct Target {
    Layer* layer;
    RemoteLayer* remote = nullptr;  // the same, if it is one
    uint64_t max_size = 0;          // larger blobs are not stored
    bool spool = false;
    const Trust* trust = nullptr;   // of the layer, if it has one
  };
  static constexpr uint64_t kMaxBytes = 64u << 20;  // in all lanes
  static constexpr size_t kMaxJobs = 8192;
  using Trouble = std::function<void(const std::string&)>;

  Behind(const Log* log, std::string spool_dir, Trouble trouble) : log_(log), spool_dir_(std::move(spool_dir)), trouble_(std::move(trouble)) {}
  ~Behind();
  size_t add(Target target);  // the number of its lane; before the first job

  // False while the layer is left alone and nothing would be kept: then there is no need to put anything together.
  bool wants(size_t lane);
  void put(size_t lane, const Address& a, std::shared_ptr<const std::string> bytes, bool replace);
  // One more set for a record, which is read, merged and put again.
  void merge(size_t lane, std::string_view tenant, const Digest& key, const InputsRecord::Set& set);
  // Keeps what is put from now on in the spool at once, in lanes that have one: for a process that won't wait.
  void spool_at_once(bool on) { spool_at_once_ = on; }
  // From now on nothing is tried again but once and soon, and what has to wait is not waited for.
  void hurry() { hurried_ = true; }
  // Begins to send what is in the spools, if there is anything.
  void send_spooled();
  // Waits until all is done, to the end of what `deadline_ms` (monotonic) allows. The number of stores that are still under way.
  // Lanes with a spool only if they are to be waited for.
  size_t drain(int64_t deadline_ms, const std::atomic<bool>& cancelled, bool spooling_too);
  // Ends all lanes; what is left goes to the spools or is lost. Nothing can be put afterwards.
  void stop();
  static int64_t now_ms();

 private:
  struct Job {
    Space space = Space::kCompile;
    RemoteLayer::Words words;
    std::shared_ptr<const std::string> bytes;  // null: a merge that has yet to be read
    bool replace = false;
    bool merges = false;
    Digest key;                 // of a merge
    InputsRecord::Set set;
    std::string spooled;        // the file it came from
    Fd lock;                    // of that file
    int tries = 0;
    int64_t not_before_ms = 0;
    cc_transfer transfer;
    std::string read;           // the record as it stands
    StringSink sink{nullptr, 0};
    size_t charged = 0;         // to the bound of the queue
    Address address() const { return {space, words.tenant, words.hex, words.blob}; }
  };
  struct Lane {
    Behind* queue;
    Target target;
    Spool spool;
    std::mutex mutex;
    std::condition_variable wake, idle;
    std::deque<std::unique_ptr<Job>> waiting;
    std::vector<std::unique_ptr<Job>> under_way;
    int64_t pause_until_ms = 0;
    bool started = false, stop = false;
    CancelSignal abort, more;
    std::thread thread;
    bool idle_now() const { return waiting.empty() && under_way.empty(); }
  };
  void enqueue(Lane* lane, std::unique_ptr<Job> job);
  bool start(Lane* lane);
  void work(Lane* lane);
  void do_local(Lane* lane, Job* job);
  static EntryState open_record(const Lane* lane, const Job& job, std::string_view bytes, InputsRecord* r);
  static bool make_record(const Lane* lane, const Job& job, const InputsRecord& r, std::string* out);
  cc_transfer* next(Lane* lane);
  void done(Lane* lane, cc_transfer* t);
  std::unique_ptr<Job> take_under_way(Lane* lane, Job* job);
  void finished(Lane* lane, std::unique_ptr<Job> job, bool stored);
  void give_up(Lane* lane, std::unique_ptr<Job> job, const char* why);
  bool to_spool(Lane* lane, const Job& job);
  void charge(Job* job);
  void discharge(const Job& job);

  const Log* log_;
  const std::string spool_dir_;
  Trouble trouble_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::atomic<uint64_t> bytes_{0}, jobs_{0};
  std::atomic<bool> spool_at_once_{false}, hurried_{false};
};

// Puts `set` first into the record. False if it stands there as it is.
bool merge_set(InputsRecord* r, const InputsRecord::Set& set);

}  // namespace cchain
