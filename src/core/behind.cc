// SPDX-License-Identifier: Apache-2.0
#include "core/behind.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/varint.h"
#include "core/config.h"

namespace cchain {

namespace {

constexpr int kMaxTries = 4;
constexpr int kMaxLost = 4;  // so often is a record merged again because it has changed meanwhile; then it is put all the same
constexpr int64_t kWorthWaitingMs = 5000;
constexpr uint32_t kMaxParallel = 8;

// Between half of it and all, so that clients that failed together do not come back together.
int64_t jittered(int64_t ms) {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  uint64_t r = xxh64(&t, sizeof t);
  return ms / 2 + static_cast<int64_t>(r % static_cast<uint64_t>(ms / 2 + 1));
}

std::string encode_set(const InputsRecord::Set& set) {
  std::string s;
  put_varint(&s, set.flags());
  put_string(&s, set.places);
  return s;
}

}  // namespace

bool merge_set(InputsRecord* r, const InputsRecord::Set& set) {
  for (size_t k = 0; k < r->sets.size(); k++) {
    if (r->sets[k].places != set.places) continue;
    if (r->sets[k].flags() == set.flags()) return false;
    r->sets.erase(r->sets.begin() + static_cast<ptrdiff_t>(k));
    break;
  }
  r->sets.insert(r->sets.begin(), set);
  if (r->sets.size() > InputsRecord::kMaxSets) r->sets.resize(InputsRecord::kMaxSets);
  return true;
}

int64_t Behind::now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Behind::~Behind() { stop(); }

size_t Behind::add(Target target) {
  std::string dir;
  if (target.spool && !spool_dir_.empty()) {
    KeyHasher h("cchain spool 1");
    h.field("type", target.layer->type());
    if (target.remote)
      for (const char* name : {"url", "endpoint", "bucket", "prefix", "host", "port", "socket", "database"})
        for (auto& [key, value] : target.remote->options().options)
          if (key == name) h.field(name, value);
    dir = spool_dir_ + "/" + h.finish().hex().substr(0, 16);
  }
  lanes_.emplace_back(new Lane{this, target, Spool(std::move(dir))});
  return lanes_.size() - 1;
}

bool Behind::wants(size_t lane) {
  const Target& t = lanes_[lane]->target;
  return !t.remote || t.spool || t.remote->rest_ms(Breaker::kWrite) <= kWorthWaitingMs;
}

void Behind::put(size_t lane, const Address& a, std::shared_ptr<const std::string> bytes, bool replace) {
  Lane* l = lanes_[lane].get();
  if (bytes->size() > l->target.max_size) return;
  auto job = std::make_unique<Job>();
  job->space = a.space;
  job->words = {std::string(a.tenant), std::string(a.hex), std::string(a.blob)};
  job->bytes = std::move(bytes);
  job->replace = replace;
  enqueue(l, std::move(job));
}

void Behind::merge(size_t lane, std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  auto job = std::make_unique<Job>();
  job->space = Space::kInputs;
  job->words = {std::string(tenant), key.hex(), "record"};
  job->merges = true;
  job->key = key;
  job->set = set;
  enqueue(lanes_[lane].get(), std::move(job));
}

void Behind::enqueue(Lane* lane, std::unique_ptr<Job> job) {
  if (lane->target.remote && lane->target.remote->rest_ms(Breaker::kWrite) > kWorthWaitingMs) return give_up(lane, std::move(job), "the layer is left alone");
  if (spool_at_once_ && lane->target.spool && to_spool(lane, *job)) return;
  job->charged = (job->bytes ? job->bytes->size() : 0) + job->set.places.size() + 512;
  if (bytes_.load() + job->charged > kMaxBytes || jobs_.load() >= kMaxJobs) return give_up(lane, std::move(job), "the queue is full");
  std::lock_guard<std::mutex> lock(lane->mutex);
  if (lane->stop || !start(lane)) return;
  charge(job.get());
  lane->waiting.push_back(std::move(job));
  lane->wake.notify_one();
  lane->more.set();
}

void Behind::charge(Job* job) {
  bytes_ += job->charged;
  jobs_++;
}
void Behind::discharge(const Job& job) {
  bytes_ -= job.charged;
  jobs_--;
}

// With the lane's lock.
bool Behind::start(Lane* lane) {
  if (lane->started) return true;
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  try {
    lane->thread = std::thread([this, lane] { work(lane); });
    lane->started = true;
  } catch (...) {  // no thread: what is stored here is lost
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return lane->started;
}

void Behind::work(Lane* lane) {
  pthread_setname_np(pthread_self(), "cchain-store");
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock<std::mutex> lock(lane->mutex);
      for (;;) {
        if (lane->stop) return;
        if (!lane->waiting.empty()) {
          int64_t first = INT64_MAX;
          for (auto& j : lane->waiting) first = std::min(first, j->not_before_ms);
          int64_t wait = std::max(first, lane->pause_until_ms) - now_ms();
          if (wait <= 0) break;
          lane->wake.wait_for(lock, std::chrono::milliseconds(wait));
        } else {
          lane->wake.wait(lock);
        }
      }
      if (!lane->target.remote) {
        lane->under_way.push_back(std::move(lane->waiting.front()));
        lane->waiting.pop_front();
      }
    }
    try {
      if (lane->target.remote) {
        lane->target.remote->run({std::min(kMaxParallel, lane->target.remote->options().connections), lane->abort.fd(), lane->more.fd(), 0, lane,
                                  [](void* l) { return static_cast<Lane*>(l)->queue->next(static_cast<Lane*>(l)); },
                                  [](void* l, cc_transfer* t) { static_cast<Lane*>(l)->queue->done(static_cast<Lane*>(l), t); }});
      } else {
        Job* j;
        {
          std::lock_guard<std::mutex> lock(lane->mutex);
          j = lane->under_way.back().get();
        }
        do_local(lane, j);
      }
    } catch (...) {  // no memory
      std::lock_guard<std::mutex> lock(lane->mutex);
      lane->under_way.clear();
    }
  }
}

EntryState Behind::open_record(const Lane* lane, const Job& job, std::string_view bytes, InputsRecord* r) {
  const Trust* trust = lane->target.trust;
  EntryState state = trust ? trust->open_record(job.address(), bytes, job.key, r) : decode_record(bytes, job.key, r);
  if (state != EntryState::kWhole) r->sets.clear();
  return state;
}
bool Behind::make_record(const Lane* lane, const Job& job, const InputsRecord& r, std::string* out) {
  const Trust* trust = lane->target.trust;
  if (trust) return trust->make_record(job.address(), r, job.key, out);
  return *out = encode_record(r, job.key), true;
}

void Behind::do_local(Lane* lane, Job* job) {
  Layer* layer = lane->target.layer;
  Address a = job->address();
  bool stored = false;
  if (job->merges) {
    InputsRecord r;
    std::string bytes;
    EntryState state = EntryState::kCorrupt;
    if (layer->get(a, &bytes) == Answer::kHit) state = open_record(lane, *job, bytes, &r);
    if (merge_set(&r, job->set) && make_record(lane, *job, r, &bytes)) layer->put(a, bytes, state == EntryState::kWhole || state == EntryState::kUntrusted);
  } else {
    stored = layer->put(a, *job->bytes, job->replace) == 0;
  }
  finished(lane, take_under_way(lane, job), stored);
}

// What the plug-in is to do next. Nothing is thrown through it.
cc_transfer* Behind::next(Lane* lane) {
  for (;;) {
    std::unique_ptr<Job> refused;
    {
      std::lock_guard<std::mutex> lock(lane->mutex);
      lane->more.clear();
      if (lane->stop || now_ms() < lane->pause_until_ms) return nullptr;
      size_t i = 0;
      int64_t now = now_ms();
      while (i < lane->waiting.size() && lane->waiting[i]->not_before_ms > now) i++;
      if (i == lane->waiting.size()) return nullptr;
      std::unique_ptr<Job> job = std::move(lane->waiting[i]);
      lane->waiting.erase(lane->waiting.begin() + static_cast<ptrdiff_t>(i));
      Job* j = job.get();
      RemoteLayer* remote = lane->target.remote;
      const bool read_first = j->merges && !j->bytes && !remote->known_absent(j->address());
      if (!j->bytes && !read_first) {
        InputsRecord r;
        std::string bytes;
        merge_set(&r, j->set);
        if (!make_record(lane, *j, r, &bytes)) {  // nothing that would be believed there
          if (!j->spooled.empty()) lane->spool.remove(j->spooled);
          discharge(*j);
          if (lane->idle_now()) lane->idle.notify_all();
          continue;
        }
        j->bytes = std::make_shared<std::string>(std::move(bytes));
      }
      int64_t rest = remote->rest_ms(Breaker::kWrite);
      // A short rest, such as a busy server asks for, or while it is tried whether it is back.
      if (rest > 0 && rest <= kWorthWaitingMs && !hurried_) {
        lane->waiting.push_front(std::move(job));
        lane->pause_until_ms = now + std::min<int64_t>(rest, 100);
        return nullptr;
      }
      if (rest == 0 && (read_first || remote->allows(Breaker::kWrite))) {
        lane->under_way.push_back(std::move(job));
        remote->prepare(&j->transfer, &j->words, j->address(), read_first ? CC_TRANSFER_GET : CC_TRANSFER_PUT);
        if (read_first) {
          j->read.clear();
          j->sink = {&j->read, 16u << 20};
          j->transfer.write = StringSink::take;
          j->transfer.sink = &j->sink;
        } else {
          j->transfer.data = j->bytes->data();
          j->transfer.size = j->bytes->size();
          j->transfer.flags = j->replace ? CC_PUT_REPLACE : 0;
          if (j->lost < kMaxLost && !lane->unconditional) snprintf(j->transfer.etag, sizeof j->transfer.etag, "%s", j->etag.c_str());
        }
        j->transfer.user = j;
        j->tries++;
        return &j->transfer;
      }
      refused = std::move(job);
      lane->under_way.push_back(nullptr);  // counted until it is in the spool
    }
    discharge(*refused);
    give_up(lane, std::move(refused), "the layer is left alone");
    std::lock_guard<std::mutex> lock(lane->mutex);
    lane->under_way.erase(std::find(lane->under_way.begin(), lane->under_way.end(), nullptr));
    if (lane->idle_now()) lane->idle.notify_all();
  }
}

std::unique_ptr<Behind::Job> Behind::take_under_way(Lane* lane, Job* job) {
  std::lock_guard<std::mutex> lock(lane->mutex);
  for (auto& u : lane->under_way) {
    if (u.get() != job) continue;
    auto out = std::move(u);
    // Still counted as under way, by a null pointer, until finished() takes it out.
    return out;
  }
  return nullptr;
}

void Behind::done(Lane* lane, cc_transfer* t) {
  Job* job = static_cast<Job*>(t->user);
  RemoteLayer* remote = lane->target.remote;
  bool failed = t->status == CC_LAYER_ERROR;
  bool passing = failed && (t->failure == CC_FAIL_BUSY || t->failure == CC_FAIL_SERVER || t->failure == CC_FAIL_CONNECT);
  int64_t wait = passing ? std::max<int64_t>(jittered(job->tries == 1 ? 100 : job->tries == 2 ? 500 : 2000), t->retry_after_ms ? t->retry_after_ms + jittered(100) : 0) : 0;
  bool again = passing && (hurried_ ? job->tries == 1 && wait <= 100 : job->tries < kMaxTries && wait <= 60'000);
  remote->transfer_done(*t);
  std::unique_ptr<Job> own = take_under_way(lane, job);
  auto back = [&](int64_t not_before) {
    std::lock_guard<std::mutex> lock(lane->mutex);
    own->not_before_ms = not_before;
    lane->waiting.push_front(std::move(own));
    lane->under_way.erase(std::find(lane->under_way.begin(), lane->under_way.end(), nullptr));
  };
  if (failed && t->failure == CC_FAIL_CANCELLED) {
    job->tries = 0;
    return back(0);  // stop() takes it from there
  }
  if (again) {
    if (t->failure == CC_FAIL_BUSY) {
      std::lock_guard<std::mutex> lock(lane->mutex);
      lane->pause_until_ms = now_ms() + wait;
    }
    return back(now_ms() + wait);
  }
  if (failed) {
    discharge(*own);
    give_up(lane, std::move(own), t->error);
    return finished(lane, nullptr, false);
  }
  if (t->kind == CC_TRANSFER_GET) {
    InputsRecord r;
    bool there = t->status == CC_LAYER_HIT;
    if (there) open_record(lane, *job, job->read, &r);
    job->read = std::string();
    if (there && job->lost && job->etag == t->etag) lane->unconditional = true;
    job->etag = there ? t->etag : "";
    std::string bytes;
    if (!merge_set(&r, job->set) || !make_record(lane, *job, r, &bytes)) return finished(lane, std::move(own), false);
    job->bytes = std::make_shared<std::string>(std::move(bytes));
    job->replace = there;
    job->tries = 0;
    return back(0);
  }
  if (t->status == CC_LAYER_EXISTS && job->merges && job->lost++ < kMaxLost) {
    // Another one was faster: its sets are to be kept.
    job->bytes.reset();
    remote->forget_absent(job->address());
    return back(0);
  }
  finished(lane, std::move(own), t->status == CC_LAYER_HIT && job->space != Space::kInputs);
}

void Behind::finished(Lane* lane, std::unique_ptr<Job> job, bool stored) {
  if (stored) lane->target.layer->counters.stores.fetch_add(1, std::memory_order_relaxed);
  if (job) {
    if (!job->spooled.empty()) lane->spool.remove(job->spooled);
    discharge(*job);
  }
  std::lock_guard<std::mutex> lock(lane->mutex);
  auto it = std::find(lane->under_way.begin(), lane->under_way.end(), nullptr);
  if (it != lane->under_way.end()) lane->under_way.erase(it);
  if (lane->idle_now()) lane->idle.notify_all();
}

bool Behind::to_spool(Lane* lane, const Job& job) {
  if (!job.spooled.empty()) return true;  // it is there still
  Spool::Item item;
  item.replace = job.replace;
  item.merge = job.merges;
  item.space = static_cast<uint8_t>(job.space);
  item.tenant = job.words.tenant;
  item.hex = job.words.hex;
  item.blob = job.words.blob;
  item.bytes = job.merges ? encode_set(job.set) : *job.bytes;
  return lane->spool.keep(item);
}

// The job is at its end without having been stored.
void Behind::give_up(Lane* lane, std::unique_ptr<Job> job, const char* why) {
  if (lane->target.spool && to_spool(lane, *job)) {
    log_->line(kLogInfo, "layer %s: %.12s/%s waits in the spool: %s", lane->target.layer->name().c_str(), job->words.hex.c_str(), job->words.blob.c_str(), why);
  } else {
    log_->line(kLogWarn, "layer %s: %.12s/%s is not stored: %s", lane->target.layer->name().c_str(), job->words.hex.c_str(), job->words.blob.c_str(), why);
    if (trouble_) trouble_("layer " + lane->target.layer->name() + ": stores were lost: " + why);
  }
}

void Behind::send_spooled() {
  for (auto& l : lanes_) {
    if (!l->target.spool || !l->target.remote || l->target.remote->rest_ms(Breaker::kWrite) > 0) continue;
    for (const std::string& name : l->spool.list()) {
      if (bytes_.load() > kMaxBytes / 2 || jobs_.load() > kMaxJobs / 2) break;
      {
        std::lock_guard<std::mutex> lock(l->mutex);
        bool known = false;
        for (auto& j : l->waiting) known = known || j->spooled == name;
        for (auto& j : l->under_way) known = known || (j && j->spooled == name);
        if (known) continue;
      }
      Spool::Item item;
      auto job = std::make_unique<Job>();
      if (!l->spool.take(name, &item, &job->lock)) continue;
      job->spooled = name;
      job->space = static_cast<Space>(item.space);
      job->words = {item.tenant, item.hex, item.blob};
      job->replace = item.replace;
      job->merges = item.merge;
      bool good = valid_tenant(item.tenant) && digest_from_hex(item.hex, &job->key) && (item.blob == "entry" || item.blob == "record" || item.blob == "data");
      if (item.merge) {
        Reader r(item.bytes);
        job->set.set_flags(r.varint());
        job->set.places = r.string();
        good = good && r.ok() && r.at_end();
      } else {
        job->bytes = std::make_shared<std::string>(std::move(item.bytes));
      }
      if (!good) {
        l->spool.remove(name);
        continue;
      }
      std::lock_guard<std::mutex> lock(l->mutex);
      if (l->stop || !start(l.get())) return;
      job->charged = (job->bytes ? job->bytes->size() : 0) + job->set.places.size() + 512;
      charge(job.get());
      l->waiting.push_back(std::move(job));
      l->wake.notify_one();
      l->more.set();
    }
  }
}

size_t Behind::drain(int64_t deadline_ms, const std::atomic<bool>& cancelled, bool spooling_too) {
  size_t left = 0;
  for (auto& l : lanes_) {
    if (l->target.spool && !spooling_too) continue;
    std::unique_lock<std::mutex> lock(l->mutex);
    // cc_cancel may come from a signal handler, which can notify nobody: so it is looked for.
    auto over = [&] {
      if (!hurried_ || !l->under_way.empty()) return l->idle_now();
      int64_t soon = now_ms() + 200;
      for (auto& j : l->waiting)
        if (std::max(j->not_before_ms, l->pause_until_ms) < soon) return false;
      return true;
    };
    for (int64_t now; !over() && !cancelled.load(std::memory_order_relaxed) && (now = now_ms()) < deadline_ms;)
      l->idle.wait_for(lock, std::chrono::milliseconds(std::min<int64_t>(20, deadline_ms - now)));
    left += l->waiting.size() + l->under_way.size();
  }
  return left;
}

void Behind::stop() {
  for (auto& l : lanes_) {
    std::lock_guard<std::mutex> lock(l->mutex);
    l->stop = true;
    l->wake.notify_all();
    l->abort.set();
  }
  for (auto& l : lanes_) {
    if (l->thread.joinable()) l->thread.join();
    while (!l->waiting.empty()) {
      auto job = std::move(l->waiting.front());
      l->waiting.pop_front();
      discharge(*job);
      give_up(l.get(), std::move(job), "there was no time left");
    }
  }
}

}  // namespace cchain
