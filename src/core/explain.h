// Why an output was not served: what is remembered of misses, refusals and stores, and what comes of comparing it. A hit leaves nothing here.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"

namespace cchain {

// A file that a compile has read.
struct ExplainFile {
  std::string path;       // absolute
  uint64_t digest = 0;    // the first 8 bytes of its SHA-256; 0: it is not there, or no file
  int64_t changed_s = 0;  // when it last changed, seconds since 1970; 0: not known
};

struct ExplainField {
  std::string label, value;  // labels as in the key ("source text" is the digest of the source); those of what is not in it begin with a blank
  bool operator==(const ExplainField&) const = default;
};

// Of kStored: the compile is on record, its result was given to nobody.
inline constexpr char kNotTaken[] = " not taken";

struct ExplainRecord {
  enum Kind : uint8_t { kMiss = 1, kUncacheable = 2, kStored = 3 };
  Kind kind = kMiss;
  int64_t time_ns = 0;
  std::string output, source;  // absolute and plain; `output` may be empty
  std::string tenant;
  // What follows is read on demand only.
  std::string host, reason, cwd;
  std::vector<std::string> argv, line_env;
  std::vector<std::string> env;  // NAME=value of what steers a compiler and is no secret
  std::vector<ExplainField> fields;
  std::vector<std::string> failing;  // layers that could not answer
  bool taken() const;
  bool from_key = false;
  uint32_t flags = 0, columns = 0, stdout_columns = 0;  // of the invocation
  Digest invocation_key;
  std::vector<ExplainFile> files;  // of kStored
};

// Records, appended to a file in the private folder. Two files of at most kMaxBytes are kept, the newer one being written. A record that can't be written, or that a trim
// in another process passes over, is lost: it is for people only.
class ExplainLog {
 public:
  static constexpr uint64_t kMaxBytes = 32u << 20;

  explicit ExplainLog(std::string folder) : folder_(std::move(folder)) {}  // empty: nothing is kept
  explicit operator bool() const { return !folder_.empty(); }
  void append(const ExplainRecord& record) const;
  // All of both files in the order in which they were appended, without what is read on demand.
  struct Item {
    ExplainRecord head;
    std::string body;
  };
  std::vector<Item> read() const;
  // Fills in the rest. False if the bytes are none.
  static bool read_body(const Item& item, ExplainRecord* record);
  // Keeps of each output what explains its last answer: nothing of `tenant`, if one is given, and nothing older than `before_ns`. With neither, all goes. 0 or errno.
  int forget(std::string_view tenant, int64_t before_ns) const;

 private:
  const std::string folder_;
};

std::string encode_explain(const ExplainRecord& record);
// The next record at or behind *at; false at the end. What is no record is passed over.
bool next_explain(std::string_view bytes, size_t* at, ExplainLog::Item* item);

// Without "." and ".." and double slashes, as words: no link is followed.
std::string plain_path(std::string_view path);
// The output and the source that a command which was not understood most likely has; absolute, or empty.
void guess_files(const std::vector<std::string>& argv, const std::string& cwd, std::string* output, std::string* source);

struct Difference {
  // "header", "source", "argument", "compiler", "directory", "variable", "tenant", "search directory", "messages", "layers", "other"
  std::string kind;
  std::string change;  // "changed", "added", "removed"; of a file also "appeared", "gone", "read anew", "no longer read"
  std::string name;    // of a file its path, of a variable its name
  std::string before, after;
  int64_t changed_s = 0;  // of a file that changed
};
// What makes `after` another one than `before`, causes first.
std::vector<Difference> compare(const ExplainRecord& before, const ExplainRecord& after);
void write_differences(JsonWriter* w, const std::vector<Difference>& list);

// `-DNAME=value` without the value where NAME sounds like a secret.
std::string without_secret(const std::string& word);
// Labelled fields and digests of one record, for another machine.
std::string dump_json(const ExplainRecord& record);
// As JSON for cc_explain_diff. False with `error` if one of the texts is no such dump.
bool dump_difference(std::string_view before, std::string_view after, std::string* json, std::string* error);

// One sentence of what has made the difference.
std::string in_words(const Difference& d);

}  // namespace cchain
