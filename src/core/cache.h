// The facade behind the C ABI.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/table.h"
#include "cchain.h"
#include "cchain_layer.h"
#include "core/chain.h"
#include "core/config.h"
#include "core/explain.h"
#include "core/histogram.h"
#include "core/invocation.h"
#include "core/prefetch.h"
#include "core/stats.h"
#include "model/compiler.h"
#include "model/looker.h"

namespace cchain {

// A failure of a call: the number and the text for cc_last_error.
struct CallError {
  int code;
  std::string text;
};

// What a lookup hands out; lives behind cc_result.owner.
struct ResultOwner {
  Chain::Found found;
  std::vector<cc_output> outputs;
  std::vector<std::string> strings;
  std::deque<std::string> unfolded;
  std::string reason;
  std::string places;  // of a precompiled header: the set that it was found by
};

class Cache {
 public:
  explicit Cache(const cc_open_options* options);
  ~Cache();
  Cache(const Cache&) = delete;

  bool forked() const;
  // Each may throw CallError.
  std::string check_tenant(const char* tenant) const;
  std::unique_ptr<Invocation> parse(std::vector<std::string> argv, std::string refused, const std::vector<std::pair<std::string, std::string>>& env,
                                    const std::string& cd, const cc_invocation_options* options);
  std::unique_ptr<Invocation> from_key(std::string_view label, std::string_view key, const cc_output* outputs, size_t n, const cc_invocation_options* options);
  void task(Invocation* inv, cc_task* out);
  void task_done(Invocation* inv, const cc_task_result& r);
  int lookup(Invocation* inv, const char* tenant, cc_result* result);
  int store(Invocation* inv, const cc_result& result, const char* tenant);
  int blob_lookup(Space space, const char* tenant, const Digest& digest, std::string* out);
  Digest blob_store(Space space, const char* tenant, std::string_view data);

  void session_begin();
  void session_changed(const char* path);
  int session_end();
  int session_outdated(const char* const** outputs);

  void cancel() {
    cancel_.set();
    if (prefetcher_) prefetcher_->cancel();
  }
  void resume() { cancel_.clear(); }
  bool cancelled() const { return cancel_.is_set(); }
  int flush(int32_t timeout_ms);
  int lookup_many(cc_request* requests, size_t count, int (*one)(cc_request*, void*), void* user);
  void prefetch(Invocation* const* invs, size_t count, const char* tenant);

  void submit(bool store, Invocation* inv, const char* tenant, cc_result* result, uint64_t tag);
  int async_fd();
  bool reap(cc_completion* out);

  void stats(cc_stats* out) const;
  const Chain& chain() const { return chain_; }
  std::string stats_json(const char* file);
  // As JSON for cc_explain.
  std::string explain(const char* path, const char* tenant, uint32_t flags);
  int stats_reset();
  std::string config_text() const { return config_json(config_); }
  void trim(const cc_trim_options& options, uint64_t* entries, uint64_t* bytes);
  void clear(const char* tenant);
  void check_layer(uint32_t index, cc_layer_health* health);
  // In verify.cc.
  int verify(bool repair, cc_verify_fn progress, void* user, cc_verify_report* report);

 private:
  struct Job {
    bool store;
    Invocation* inv;
    std::string tenant;
    cc_result* result;
    uint64_t tag;
  };
  struct Done {
    Job job;
    int status;
    std::string error;
  };
  // A result that was found fit to be stored. `e` points into what the caller of store() holds, or into `own`.
  struct Publication {
    std::string tenant, meta;
    Entry e;
    std::deque<std::string> own;
    std::vector<Digest> keys;
    bool replace = false;
    bool has_set = false;  // of the first key
    Digest invocation_key;
    InputsRecord::Set set;
    ExplainRecord explain;
    uint64_t size() const;
  };
  void publish(const Publication& p);
  void publish_later(std::unique_ptr<Publication> p);
  void check_own(const Invocation* inv) const;
  std::unique_ptr<Invocation> new_invocation(const cc_invocation_options* options);
  uint64_t epoch();
  // The answer of a lookup before anything is delivered: 1 found, 0 miss (reason set).
  int find(Invocation* inv, const std::string& tenant, uint64_t epoch, ResultOwner* owner);
  bool find_direct(Invocation* inv, uint64_t epoch, ResultOwner* owner);
  EntryState check_blob(size_t link, const Address& a, std::string_view bytes, std::string* why) const;
  // Whether a hit of it is to be compiled again; what came of that.
  bool draw_recheck(const Invocation& inv) const;
  static std::vector<std::pair<std::string, Xxh128>> parts_of(const Entry& e);
  // True if the parts are the same. Else the entry is dropped and told of; `now` is kept beside it.
  bool rechecked(Invocation* inv, const std::vector<std::pair<std::string, Xxh128>>& made, const Entry& now);
  // An entry with diagnostics lies under `streams_key` if one is given.
  bool find_entry(Invocation* inv, const Digest& key, bool streams_first, ResultOwner* owner, const Digest* streams_key);
  static void unfold(const Bases& bases, ResultOwner* owner);
  // The words that the compile of a relocated invocation gets.
  static void relocate_compile(Invocation* inv, std::vector<std::string>* extra);
  // Whether the outputs may have the checksum of a file of the set that is in its key by a folded text: in another checkout it is another one.
  bool has_checksum_of_folded(const Invocation& inv, const Entry& e, std::string_view places, uint64_t epoch);
  static bool fold_result(const Invocation& inv, bool folded_inputs, Entry* e, std::deque<std::string>* own);
  bool deliver(Invocation* inv, ResultOwner* owner, bool depfile, std::string* why);
  // False: what is to be asked of it is the next task, or the invocation is refused.
  bool find_compiler(Invocation* inv, uint64_t epoch, std::string* why);
  bool keys(Invocation* inv, const std::string& tenant, uint64_t epoch, std::string* why);
  bool collect_outputs(const Invocation* inv, const cc_result& result, TakenOutputs* taken) const;
  bool uses_direct() const { return config_.mode != Mode::kPreprocess; }
  // What is preprocessed already is its own preprocessed text, of which no compiler prints another.
  bool uses_direct(const Invocation& inv) const { return uses_direct() || inv.command.is_preprocessed(); }
  bool uses_preprocess() const { return config_.mode != Mode::kDirect; }
  void count_uncacheable(const std::string& why);
  void count_miss(const std::string& why);
  void uncount_miss(const std::string& why);  // its store was refused
  void trouble(const std::string& text);
  // For cc_explain.
  ExplainRecord explain_record(const Invocation& inv, ExplainRecord::Kind kind, const std::string& reason);
  void remember(Invocation* inv, ExplainRecord::Kind kind, const std::string& reason) noexcept;
  std::vector<ExplainFile> files_read(const Invocation& inv, std::string_view places, uint64_t epoch);
  ExplainFile file_now(const std::string& path, uint64_t epoch);
  std::vector<std::string> failing_layers();
  std::unique_ptr<Invocation> understand(std::vector<std::string> argv, std::string refused, const std::vector<std::pair<std::string, std::string>>& env,
                                         const std::string& cd, const cc_invocation_options* options);
  void write_now(JsonWriter* w, const ExplainRecord& last, const ExplainRecord* stored);
  void add_remote(const LayerConfig& lc);
  void start_remote();
  void take_keys();
  int wait_idle(int32_t timeout_ms);
  int wait_behind(int32_t timeout_ms, bool spooling_too);
  std::string metadata(const Invocation& inv, const cc_result& result) const;
  Increments take_increments();
  void write_stats();
  void worker();
  void start_workers();

  Config config_;
  Log log_;
  std::string host_;
  int pid_;
  uint64_t serial_;
  bool no_env_ = false, config_no_files_ = false;
  std::string usable_state_dir_;
  Looker looker_;
  ExplainLog explain_log_;
  Table memo_;
  CompilerStore compilers_;
  FoundPrograms programs_;
  CancelSignal cancel_;
  Table breakers_, verified_;
  Chain chain_;
  // With a remote layer only. They end before the chain does.
  std::unique_ptr<Behind> behind_;
  std::unique_ptr<Prefetcher> prefetcher_;

  std::atomic<int> session_depth_{0};
  std::atomic<uint64_t> session_epoch_{0};
  std::mutex session_mutex_;
  struct SessionHit {
    std::string output;  // its first one
    std::vector<Seen> seen;
  };
  std::vector<SessionHit> session_hits_;
  std::vector<Looker::Node*> session_files_;  // those that hits have seen, each once
  std::atomic<uint64_t> session_serial_{0};   // its first epoch
  uint64_t session_changes_ = 0;              // of Looker::changes() when it began
  std::vector<std::string> outdated_;
  std::vector<const char*> outdated_c_;

  struct Counters {
    std::atomic<uint64_t> lookups{0}, hits{0}, misses{0}, uncacheable{0}, stores{0}, errors{0}, saved_ms{0};
  } counters_;
  std::unique_ptr<Histogram[]> latency_;  // of the hits of each layer
  Histogram miss_latency_;
  mutable std::mutex reasons_mutex_;
  std::map<std::string, int64_t> reasons_;  // "reason:…", "miss:…", "trouble:…" since the last write; below zero: written, and taken back since
  std::string last_trouble_;
  std::vector<uint64_t> explained_errors_;  // of each layer, those that a record tells of
  std::map<std::string, uint64_t> written_;  // counters as they were at the last write
  std::mutex write_mutex_;

  std::mutex async_mutex_;
  std::condition_variable async_cv_, idle_cv_;
  std::deque<Job> jobs_;
  std::deque<std::unique_ptr<Publication>> publications_;
  uint64_t publications_size_ = 0;  // of those that wait and that are being written
  std::deque<Done> done_;
  std::vector<std::thread> workers_;
  size_t running_ = 0;
  bool stop_ = false;
  int event_fd_ = -1;
  std::string reaped_error_;
};

}  // namespace cchain
