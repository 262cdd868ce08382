// The chain: layers in their order, entries verified on the way in, hits copied forward.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "core/behind.h"
#include "core/config.h"
#include "core/trust.h"
#include "layers/layer.h"
#include "model/entry.h"

struct cc_host_layer;

namespace cchain {

class Chain {
 public:
  struct Link {
    std::unique_ptr<Layer> layer;
    LayerConfig config;
    RemoteLayer* remote = nullptr;  // the layer, if it is one
    std::unique_ptr<Trust> trust;   // null: whatever is whole is taken
  };
  explicit Chain(const Log* log) : log_(log) {}
  void add(std::unique_ptr<Layer> layer, LayerConfig config, RemoteLayer* remote = nullptr) {
    links_.push_back({std::move(layer), std::move(config), remote, nullptr});
    has_remote_ = has_remote_ || remote;
  }
  bool has_remote() const { return has_remote_; }
  // Once all layers are there, if the configuration gives keys to any of them (one that is not used included).
  void set_keys(const std::vector<LayerConfig>& configured, const std::string& token, Table* verified);
  // What is kept in memory reaches the disk.
  void flush();
  // Whether there is a seal to make or to judge for which a library must be loaded.
  bool wants_library() const;
  // Whether any layer would be given an entry.
  bool takes() const;
  // With a remote layer: what is not to delay an answer goes this way. Its lanes are numbered as the links.
  void set_behind(Behind* behind) { behind_ = behind; }
  const std::vector<Link>& links() const { return links_; }
  bool empty() const { return links_.empty(); }

  // An entry as it was found: `e` points into `bytes` and `decoded`.
  struct Found {
    std::string bytes, decoded;
    Entry e;
    uint32_t layer = 0;
    Digest key;
    std::string untrusted;  // why one that is there was not taken
  };
  // The first whole entry of `key` that serves `stream_class` (one without streams serves everybody). Copies it to earlier writable layers.
  bool get_entry(std::string_view tenant, const Digest& key, std::string_view stream_class, uint64_t limit, const std::atomic<bool>& cancelled, Found* found);
  // 0: in every writable layer, or there already; else the errno of the first local layer that failed.
  int put_entry(std::string_view tenant, const Digest& key, const Entry& e, std::string_view meta, bool replace);

  // Takes it out of all local layers that may be written.
  void drop_entry(std::string_view tenant, const Digest& key);

  // Calls `f` with the sets of each layer's record in turn until it returns true. Sets that an earlier layer had are passed over.
  template <class F>
  bool each_set(std::string_view tenant, const Digest& invocation_key, std::string* untrusted, F f) {
    std::vector<std::string> seen;
    for (size_t i = 0; i < links_.size(); i++) {
      InputsRecord r;
      if (!get_record(i, tenant, invocation_key, &r, untrusted)) continue;
      for (auto& s : r.sets) {
        bool known = false;
        for (auto& k : seen) known = known || k == s.places;
        if (known) continue;
        if (f(s)) {
          promote_set(i, tenant, invocation_key, s);
          return true;
        }
        seen.push_back(std::move(s.places));
      }
    }
    return false;
  }
  void put_set(std::string_view tenant, const Digest& invocation_key, const InputsRecord::Set& set);

  bool readable(size_t link) const { return links_[link].layer->readable && links_[link].config.read; }
  bool get_record(size_t layer, std::string_view tenant, const Digest& key, InputsRecord* r, std::string* untrusted = nullptr);
  // The same of bytes that came from there.
  EntryState open_record(size_t layer, std::string_view tenant, const Digest& key, std::string_view bytes, InputsRecord* r, std::string* untrusted = nullptr) const;

  // Content-addressed blobs.
  bool get_blob(Space space, std::string_view tenant, const Digest& digest, std::string* out);
  int put_blob(Space space, std::string_view tenant, const Digest& digest, std::string_view data);

 private:
  bool is_behind(size_t from, size_t to) const { return has_remote_ && (links_[from].remote || links_[to].remote); }
  void put_set_in(size_t layer, std::string_view tenant, const Digest& key, const InputsRecord::Set& set);
  void promote_set(size_t from, std::string_view tenant, const Digest& key, const InputsRecord::Set& set);
  void refresh(size_t layer, const Address& a, const std::string& bytes, uint64_t age_s);
  void bad_blob(size_t layer, const Address& a, EntryState state, const std::string& why = {});
  bool puts(const Link& l) const;
  void promote_entry(size_t from, size_t to, const Address& a, Found* found, Trust::Voucher voucher);
  bool was_doubted(size_t layer, const Address& a);

  const Log* log_;
  std::vector<Link> links_;
  bool has_remote_ = false;
  Behind* behind_ = nullptr;
  // What stands there and is not believed is replaced when there is something better.
  std::mutex doubted_mutex_;
  std::set<std::pair<size_t, std::string>> doubted_;
};

}  // namespace cchain
