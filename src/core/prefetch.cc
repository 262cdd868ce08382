// SPDX-License-Identifier: Apache-2.0
#include "core/prefetch.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cstring>

namespace cchain {

namespace {
constexpr size_t kMaxPassed = 1 << 16;
uint64_t number(const Digest& d) {
  uint64_t n;
  memcpy(&n, d.b.data(), 8);
  return n;
}
}  // namespace

Prefetcher::Prefetcher(Chain* chain, Services services)
    : chain_(chain), services_(std::move(services)), ready_(chain->links().size()) {
  for (auto& l : chain_->links()) {
    if (!l.remote) continue;
    l.remote->set_room_callback([this] {
      std::lock_guard<std::mutex> lock(mutex_);
      wake_.notify_all();
      more_.set();
    });
  }
}

void Prefetcher::add(std::vector<std::unique_ptr<Invocation>> items) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stop_) return;
  if (!started_) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    try {
      thread_ = std::thread([this] { work(); });
      started_ = true;
    } catch (...) {  // no thread: lookups fetch for themselves
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    if (!started_) return;
  }
  if (!running_) abort_.clear();  // of an earlier cancel
  for (auto& i : items) items_.push_back(std::move(i));
  wake_.notify_all();
  more_.set();
}

void Prefetcher::passed(const Digest& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (items_.empty()) return;
  if (passed_.size() >= kMaxPassed) passed_.clear();
  passed_.insert(number(key));
}

void Prefetcher::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    wake_.notify_all();
    abort_.set();
  }
  if (thread_.joinable()) thread_.join();
}

void Prefetcher::work() {
  pthread_setname_np(pthread_self(), "cchain-fetch");
  for (;;) {
    size_t link = ready_.size();
    {
      std::unique_lock<std::mutex> lock(mutex_);
      for (;;) {
        if (stop_) return;
        for (link = 0; link < ready_.size() && ready_[link].empty(); link++) {}
        if (link < ready_.size()) break;
        if (!items_.empty()) {
          for (link = 0; link < ready_.size() && !(chain_->links()[link].remote && chain_->readable(link)); link++) {}
          if (link == ready_.size()) items_.clear();
          else if (chain_->links()[link].remote->room()) break;
        }
        running_ = false;
        wake_.wait(lock);
      }
      running_ = true;
    }
    struct Call {
      Prefetcher* p;
      size_t link;
    } call{this, link};
    RemoteLayer* remote = chain_->links()[link].remote;
    try {
      remote->run({remote->options().connections, abort_.fd(), more_.fd(), 0, &call,
                   [](void* c) { return static_cast<Call*>(c)->p->next(static_cast<Call*>(c)->link); },
                   [](void* c, cc_transfer* t) { static_cast<Call*>(c)->p->done(static_cast<Call*>(c)->link, t); }});
    } catch (...) {  // no memory
    }
    for (auto& w : under_way_) remote->hand_over(w->address(), Answer::kError, {});
    under_way_.clear();
    if (abort_.is_set()) {
      for (size_t i = 0; i < ready_.size(); i++) {
        for (auto& w : ready_[i])
          if (w->announced) chain_->links()[i].remote->hand_over(w->address(), Answer::kError, {});
        ready_[i].clear();
      }
      std::lock_guard<std::mutex> lock(mutex_);
      items_.clear();
      if (!stop_) abort_.clear();
    }
  }
}

// Whether a layer in front of the remote ones will answer.
bool Prefetcher::local_has(Invocation* inv) {
  const auto& links = chain_->links();
  for (size_t i = 0; i < links.size(); i++) {
    InputsRecord r;
    if (links[i].remote || !chain_->readable(i) || !chain_->get_record(i, inv->tenant, inv->invocation_key, &r)) continue;
    for (auto& s : r.sets) {
      Digest key;
      if (!services_.evaluate(inv, s, &key)) continue;
      for (auto& k : services_.entry_keys(inv, key, s.streams))
        for (auto& l : links)
          if (!l.remote && l.layer->contains({Space::kCompile, inv->tenant, k.hex(), "entry"})) return true;
    }
  }
  return false;
}

bool Prefetcher::begin(Work* w) {
  RemoteLayer* remote = chain_->links()[w->link].remote;
  if (!remote->announce(w->address())) return false;
  remote->prepare(&w->transfer, &w->words, w->address(), CC_TRANSFER_GET);
  w->bytes.clear();
  w->sink = {&w->bytes, remote->options().max_size};
  w->transfer.write = StringSink::take;
  w->transfer.sink = &w->sink;
  w->transfer.user = w;
  return true;
}

// The next remote layer may have it.
void Prefetcher::later(std::unique_ptr<Work> w) {
  const auto& links = chain_->links();
  for (size_t i = w->link + 1; i < links.size(); i++) {
    if (!links[i].remote || !chain_->readable(i)) continue;
    w->link = i;
    w->entry = false;
    w->hex = w->inv->invocation_key.hex();
    ready_[i].push_back(std::move(w));
    return;
  }
}

cc_transfer* Prefetcher::next(size_t link) {
  RemoteLayer* remote = chain_->links()[link].remote;
  try {
    for (;;) {
      more_.clear();
      if (abort_.is_set()) return nullptr;
      std::unique_ptr<Work> w;
      if (!ready_[link].empty()) {
        w = std::move(ready_[link].front());
        ready_[link].pop_front();
      } else {
        // What was announced must come whatever is held; nothing new is begun without room.
        if (!remote->room()) return nullptr;
        std::unique_ptr<Invocation> inv;
        {
          std::lock_guard<std::mutex> lock(mutex_);
          if (stop_ || items_.empty()) return nullptr;
          size_t first = 0;
          while (first < link && !(chain_->links()[first].remote && chain_->readable(first))) first++;
          if (first != link) return nullptr;  // the first one begins
          inv = std::move(items_.front());
          items_.pop_front();
          if (items_.empty() && passed_.size() > 4096) passed_.clear();
        }
        if (!services_.keys(inv.get())) continue;
        {
          std::lock_guard<std::mutex> lock(mutex_);
          if (passed_.count(number(inv->invocation_key))) continue;
        }
        w = std::make_unique<Work>();
        w->link = link;
        w->inv = std::move(inv);
        if (w->inv->from_key) {
          w->keys = services_.entry_keys(w->inv.get(), w->inv->invocation_key, false);
          w->entry = true;
          w->hex = w->keys[0].hex();
          w->keys.erase(w->keys.begin());
        } else {
          if (local_has(w->inv.get())) continue;
          w->hex = w->inv->invocation_key.hex();
        }
      }
      if (!remote->allows(Breaker::kRead)) {
        if (w->announced) remote->hand_over(w->address(), Answer::kError, {});
        w->announced = false;
        later(std::move(w));
        continue;
      }
      if (!w->announced && !begin(w.get())) continue;  // it is on its way, there already, or known not to be
      w->announced = false;
      cc_transfer* t = &w->transfer;
      under_way_.push_back(std::move(w));
      return t;
    }
  } catch (...) {
    return nullptr;
  }
}

void Prefetcher::done(size_t link, cc_transfer* t) {
  RemoteLayer* remote = chain_->links()[link].remote;
  remote->transfer_done(*t);
  auto it = std::find_if(under_way_.begin(), under_way_.end(), [&](auto& w) { return w.get() == t->user; });
  if (it == under_way_.end()) return;
  std::unique_ptr<Work> w = std::move(*it);
  under_way_.erase(it);
  Answer answer = t->status == CC_LAYER_HIT ? Answer::kHit : t->status == CC_LAYER_MISS ? Answer::kMiss : Answer::kError;
  const std::string hex = w->hex, tenant = w->inv->tenant;
  const Address here{w->entry ? Space::kCompile : Space::kInputs, tenant, hex, w->entry ? "entry" : "record"};
  std::string bytes = std::move(w->bytes);
  const uint64_t age_s = t->age_s;  // the work may be gone, and t with it, when it is given out
  try {
    if (!w->entry && answer == Answer::kHit) {
      InputsRecord r;
      bool follows = false;
      if (chain_->open_record(link, tenant, w->inv->invocation_key, bytes, &r) == EntryState::kWhole) {
        for (auto& s : r.sets) {
          Digest key;
          if (!services_.evaluate(w->inv.get(), s, &key)) continue;
          w->keys = services_.entry_keys(w->inv.get(), key, s.streams);
          w->keys.resize(1);  // what the record says of streams is right but for a moment
          w->entry = true;
          w->hex = w->keys[0].hex();
          w->keys.clear();
          follows = true;
          break;
        }
      }
      // Announced before the record is given out: whoever has that one asks for the entry next.
      if (follows && begin(w.get())) {
        w->announced = true;
        ready_[link].push_front(std::move(w));
      } else if (!follows) {
        later(std::move(w));
      }
    } else if (w->entry && answer == Answer::kMiss && !w->keys.empty()) {
      w->hex = w->keys[0].hex();
      w->keys.erase(w->keys.begin());
      ready_[link].push_front(std::move(w));
    } else if (answer != Answer::kHit && answer != Answer::kError) {
      later(std::move(w));
    }
  } catch (...) {  // no memory: the lookup asks for itself
  }
  remote->hand_over(here, answer, std::move(bytes), age_s);
}

}  // namespace cchain
