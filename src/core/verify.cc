// Checks of what is stored: cc_verify, which reads all of it, and "recheck", which has a share of the hits compiled again.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/fs.h"
#include "core/cache.h"
#include "model/places.h"

namespace cchain {

namespace {

constexpr uint64_t kTellEach = 64;
constexpr size_t kMostAside = 64;  // files kept for a report

// Whether the command makes the same bytes each time: link-time and coverage data bear random stamps.
bool is_reproducible(const Command& c) {
  bool coverage = false, seeded = false;
  for (std::string_view word : c.key_args) {
    if (word.substr(0, 5) == "-flto") return false;
    coverage = coverage || word == "--coverage" || word == "-coverage" || word == "-ftest-coverage" || word == "-fprofile-arcs";
    seeded = seeded || word.substr(0, 14) == "-frandom-seed=";
  }
  return seeded || !coverage;
}

// The first part in which they differ; "" if they do not.
std::string difference(const Entry& a, const Entry& b) {
  // Streams that were merged are another host's.
  if (a.merged == b.merged && a.stdout_data != b.stdout_data) return "its standard output";
  if (a.merged == b.merged && a.stderr_data != b.stderr_data) return "its diagnostics";
  if (a.outputs.size() != b.outputs.size()) return "the set of its outputs";
  for (auto& x : a.outputs) {
    auto y = std::find_if(b.outputs.begin(), b.outputs.end(), [&](const EntryOutput& o) { return o.role == x.role; });
    if (y == b.outputs.end()) return "the set of its outputs";
    if (x.data != y->data) return "its " + std::string(x.role);
  }
  return {};
}

// A byte of the version that has flipped makes no other version: with the right one in its place all is whole, and the checksum says so.
bool is_flipped_version(std::string bytes, char version, const Digest& key, uint64_t limit) {
  if (bytes.size() < 4) return true;
  bytes[3] = version;
  Entry e;
  InputsRecord r;
  std::string decoded;
  return decode_entry(bytes, key, limit, &e, &decoded) == EntryState::kWhole || decode_record(bytes, key, &r) == EntryState::kWhole;
}

// Besides what is checked on a hit: the parts that no hit reads.
bool rest_is_whole(const Entry& e, std::string_view bytes) {
  std::string_view rest = bytes;
  Seal seal;
  if (take_seal(&rest, &seal)) return seal_intact(bytes);
  return e.meta.empty() || (e.meta.front() == '{' && e.meta.back() == '}');  // from before there were seals
}

bool places_are_whole(const InputsRecord& r) {
  for (auto& s : r.sets)
    if (PlaceSet set; !set.decode(s.places)) return false;
  return true;
}

}  // namespace

EntryState Cache::check_blob(size_t link, const Address& a, std::string_view bytes, std::string* why) const {
  Digest key;
  digest_from_hex(a.hex, &key);
  const Trust* trust = chain_.links()[link].trust.get();
  EntryState state = EntryState::kWhole;
  bool rest = true;
  if (a.space == Space::kCompile) {
    Entry e;
    std::string decoded;
    Trust::Check check(trust, a);
    state = decode_entry(bytes, key, config_.max_entry_size, &e, &decoded, trust ? &check : nullptr);
    *why = check.why;
    rest = rest_is_whole(e, bytes);
  } else if (a.space == Space::kInputs) {
    InputsRecord r;
    state = trust ? trust->open_record(a, bytes, key, &r, why) : decode_record(bytes, key, &r);
    rest = places_are_whole(r);
  } else {
    rest = sha256(bytes) == key;
  }
  if ((state == EntryState::kWhole || state == EntryState::kUntrusted) && !rest) state = EntryState::kCorrupt;
  if (state == EntryState::kForeign && is_flipped_version(std::string(bytes), '1', key, config_.max_entry_size)) state = EntryState::kCorrupt;
  if (state == EntryState::kCorrupt) *why = "it is damaged";
  if (state == EntryState::kForeign) *why = "it is of another version, or another's";
  return state;
}

int Cache::verify(bool repair, cc_verify_fn progress, void* user, cc_verify_report* r) {
  bool stopped = false;
  auto tell = [&](const char* problem) { stopped = stopped || cancelled() || (progress && progress(user, r, problem) != 0); };
  for (auto& l : chain_.links()) {
    uint64_t bytes = 0, entries = 0, limit = 0;
    if (l.layer->local() && l.layer->usage(&bytes, &entries, &limit)) r->total += entries;
  }
  for (size_t i = 0; i < chain_.links().size() && !stopped; i++) {
    Layer* layer = chain_.links()[i].layer.get();
    if (!layer->local()) continue;
    const bool mends = repair && layer->writable && chain_.links()[i].config.write;
    std::string blob, why;
    int err = layer->each([&](const Address& a, uint64_t) {
      const std::string name = "layer " + layer->name() + ": " + std::string(a.tenant) + "/" + std::string(a.hex) + "/" + std::string(a.blob) + ": ";
      blob.clear();
      Answer answer = layer->peek(a, &blob);
      if (answer == Answer::kMiss) return !stopped;  // gone meanwhile
      why.clear();
      EntryState state = answer == Answer::kHit ? check_blob(i, a, blob, &why) : EntryState::kCorrupt;
      if (answer != Answer::kHit) why = "it can't be read";
      r->checked++;
      r->bytes += blob.size();
      if (state == EntryState::kCorrupt) {
        r->damaged++;
        if (mends && answer == Answer::kHit) layer->remove(a);
        // A removal that failed is what stands there still.
        const bool gone = mends && !layer->contains(a);
        r->removed += gone;
        why += gone ? "; removed" : "";
      }
      if (state == EntryState::kForeign) r->foreign++;
      if (state == EntryState::kUntrusted) r->untrusted++;
      if (state != EntryState::kWhole) tell((name + why).c_str());
      else if (r->checked % kTellEach == 0) tell(nullptr);
      return !stopped;
    });
    if (err == ENOTSUP) continue;  // a layer of the host's
    if (err) throw CallError{CC_E_IO, "layer " + layer->name() + ": " + strerror(err)};
    uint64_t unindexed = 0, absent = 0;
    if (stopped || layer->check_index(&unindexed, &absent) != 0 || !(unindexed || absent)) continue;
    TrimResult trimmed;
    if (mends && layer->trim(UINT64_MAX, 0, &trimmed, {}) == 0) {
      tell(("layer " + layer->name() + ": its index was made anew").c_str());
      unindexed = absent = 0;
      layer->check_index(&unindexed, &absent);
    }
    r->unindexed += unindexed;
    r->absent += absent;
    if (unindexed || absent)
      tell(("layer " + layer->name() + ": its index lacks " + std::to_string(unindexed) + " and has " + std::to_string(absent) + " that are not there").c_str());
  }
  if (stopped) throw CallError{CC_E_CANCELLED, "stopped"};
  return static_cast<int>(std::min<uint64_t>(r->damaged - r->removed + r->unindexed + r->absent, INT_MAX));
}

// ---- recheck

bool Cache::draw_recheck(const Invocation& inv) const {
  if (inv.from_key || !inv.uncacheable.empty() || !is_reproducible(inv.command)) return false;
  static std::atomic<uint64_t> turn{0};
  const int64_t seed[] = {now_ns(), pid_, static_cast<int64_t>(turn.fetch_add(1))};
  return static_cast<double>(xxh64(seed, sizeof seed) >> 11) < config_.recheck * static_cast<double>(1ull << 53);
}

bool Cache::rechecked(Invocation* inv, const Entry& made) {
  const std::unique_ptr<FoundEntry> found = std::move(inv->to_recheck);
  const std::string differs = difference(found->e, made);
  auto count = [&](const std::string& what) {
    std::lock_guard<std::mutex> lock(reasons_mutex_);
    reasons_["recheck:" + what]++;
  };
  if (differs.empty()) return count("same"), true;
  count("different");
  chain_.drop_entry(inv->tenant, found->key);
  std::string kept = "; not kept, there is no private folder or enough lies there";
  if (!usable_state_dir_.empty()) {
    const std::string dir = usable_state_dir_ + "/recheck", name = dir + "/" + found->key.hex();
    std::vector<std::string> there;
    list_dir(dir, &there);
    PublishOptions o;
    o.replace = true;
    o.mode = 0600;
    if (there.size() + 2 <= kMostAside && make_dirs(dir, 0700) == 0 && publish_file(name + ".entry", found->bytes, o) == 0 &&
        publish_file(name + ".now", encode_entry(made, found->key, {}, "{}"), o) == 0)
      kept = ", kept with what was made in " + dir;
  }
  const std::string text = "recheck: " + (inv->declared.empty() ? inv->command.source : path_join(inv->cwd, inv->declared[0].path)) + ": a compile made another result than layer " +
                           chain_.links()[found->layer].layer->name() + " held (" + differs + "); that is dropped" + kept;
  log_.line(kLogError, "%s", text.c_str());
  trouble(text);
  return false;
}

}  // namespace cchain
