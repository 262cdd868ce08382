// SPDX-License-Identifier: Apache-2.0
#include "cchain_runner.h"

#ifndef _WIN32

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "build_log.h"
#include "cchain.h"
#include "debug_flags.h"
#include "depfile_parser.h"
#include "graph.h"
#include "metrics.h"
#include "state.h"
#include "subprocess.h"
#include "util.h"
#include "version.h"

using std::string;
using std::vector;

/// What a plan tells its friend.
struct CchainPlan {
  /// All edges that are to be run.
  static vector<Edge*> Wanted(const Plan& plan) {
    vector<Edge*> edges;
    for (auto i = plan.want_.begin(); i != plan.want_.end(); ++i)
      if (i->second != Plan::kWantNothing)
        edges.push_back(i->first);
    return edges;
  }
};

namespace {

/// Workers, at the most: a layer far away makes a lookup wait, not work.
const size_t kMaxWorkers = 32;
/// How long the end of a build waits for results that are being written.
const int kStoreWaitMs = 10000;
/// What a probe or a preprocessor prints, at the most.
const size_t kMaxPrinted = 512u << 20;
/// How long Ctrl-C waits for a lookup that is delivering an output.
const int kAbortWaitMs = 50;
/// Longer commands are not given to the shell in quotes: a word of an exec
/// holds 128 KiB.
const size_t kMaxCommand = 120000;
/// How many edges ahead of the one that starts a layer far away is told of, and
/// how many at a time.
const size_t kAhead = 1024, kAheadStep = 128;
/// Turns of probe and lookup, for one edge.
const int kMaxTasks = 32;

int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The library, opened once and never closed: what it holds the kernel frees
/// faster.
struct Library {
  const cc_backend* api;
  cc_cache* cache;
  string name;
};

bool IsOn(const char* value) {
  return value && *value && strcmp(value, "0") != 0 &&
         strcmp(value, "false") != 0 && strcmp(value, "no") != 0 &&
         strcmp(value, "off") != 0;
}

const Library* Load(bool talkative) {
  static Library library;
  static bool tried = false;
  if (tried)
    return library.cache ? &library : NULL;
  tried = true;
  const char* name = getenv("NINJA_CACHE");
  const bool named = name && *name && strcmp(name, "1") != 0;
  if ((name && strcmp(name, "0") == 0) || IsOn(getenv("CCHAIN_DISABLE")))
    return NULL;
  library.name = named ? name : "libcchain.so.0";
  // It starts no thread and opens no descriptor that children inherit.
  void* handle = dlopen(library.name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = dlerror();
    if (named)
      Warning("no compile cache: %s", why ? why : "dlopen");
    else if (talkative)
      Info("no compile cache: %s", why ? why : "dlopen");
    return NULL;
  }
  typedef const cc_backend* (*BackendGet)(uint32_t);
  BackendGet get =
      reinterpret_cast<BackendGet>(dlsym(handle, "cc_backend_get"));
  const cc_backend* api = get ? get(1) : NULL;
  if (!api || api->struct_size < offsetof(cc_backend, session_outdated)) {
    Warning("no compile cache: %s is of a version that this ninja does not know",
            library.name.c_str());
    return NULL;
  }
  cc_open_options options = cc_open_options();
  options.struct_size = sizeof options;
  const string host = string("ninja ") + kNinjaVersion;
  options.host = host.c_str();
  cc_cache* cache = NULL;
  if (api->open(&options, &cache) != CC_OK) {
    Warning("no compile cache: %s", api->last_error());
    return NULL;
  }
  library.api = api;
  library.cache = cache;
  return &library;
}

/// A word for the shell.
string Quoted(const string& word) {
  static const char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-";
  // An equals sign in a first word would make it an assignment.
  const size_t end = word.find_first_not_of(
      word[0] == '-' ? string(kPlain) + "=" : string(kPlain));
  if (!word.empty() && end == string::npos)
    return word;
  string out = "'";
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\'')
      out += "'\\''";
    else
      out += word[i];
  }
  return out + "'";
}

/// What runs a task: its directory, its variables and its words.
string ShellCommand(const cc_task& task, const string& cwd) {
  string out;
  if (task.cwd && cwd != task.cwd)
    out += "cd " + Quoted(task.cwd) + " && ";
  for (const char* const* e = task.env; e && *e; ++e) {
    const char* equals = strchr(*e, '=');
    if (!equals)
      continue;
    out += string(*e, equals + 1 - *e) + Quoted(equals + 1) + " ";
  }
  for (const char* const* word = task.argv; word && *word; ++word)
    out += (word == task.argv ? "" : " ") + Quoted(*word);
  return out;
}

/// An absolute path without empty, "." and ".." parts, as Ninja itself reads
/// the paths of a manifest.
string Absolute(const string& cwd, const string& path) {
  const string full =
      !path.empty() && path[0] == '/' ? path : cwd + "/" + path;
  string out;
  for (size_t at = 0; at < full.size();) {
    size_t end = full.find('/', at);
    if (end == string::npos)
      end = full.size();
    if (end - at == 2 && full.compare(at, 2, "..") == 0) {
      size_t slash = out.rfind('/');
      out.erase(slash == string::npos ? 0 : slash);
    } else if (end > at && !(end - at == 1 && full[at] == '.')) {
      out += '/';
      out.append(full, at, end - at);
    }
    at = end + 1;
  }
  return out;
}

/// Reads a dependency file's text as Ninja does after a command, but on a
/// worker: it is half of what Ninja has to do for a hit. The pieces point into
/// \a text. False if it is none or names no dependency: to Ninja that would
/// mean that there are none.
bool ReadDeps(string* text, const DepfileParserOptions& options,
              vector<StringPiece>* deps) {
  text->reserve(64);  // on the heap, where it stays when it changes hands
  DepfileParser parser(options);
  string err;
  if (!parser.Parse(text, &err) || parser.ins_.empty())
    return false;
  deps->swap(parser.ins_);
  for (size_t i = 0; i < deps->size(); ++i) {
    uint64_t slash_bits;
    StringPiece& dep = (*deps)[i];
    CanonicalizePath(const_cast<char*>(dep.str_), &dep.len_, &slash_bits);
  }
  return true;
}

bool ReadWhole(const string& path, string* out) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat st;
  bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
            static_cast<uint64_t>(st.st_size) <= kMaxPrinted;
  out->resize(ok ? static_cast<size_t>(st.st_size) : 0);
  for (size_t got = 0; ok && got < out->size();) {
    const ssize_t n = read(fd, &(*out)[got], out->size() - got);
    if (n > 0)
      got += static_cast<size_t>(n);
    else
      ok = n < 0 && errno == EINTR;
  }
  if (fd >= 0)
    close(fd);
  return ok;
}

/// An edge that the graph does not have: a command of ours for the real runner.
struct OwnEdge {
  explicit OwnEdge(const string& command) : rule("cchain") {
    EvalString text;
    text.AddText(command);
    rule.AddBinding("command", text);
    edge.rule_ = &rule;
    edge.env_ = &bindings;
    edge.pool_ = &State::kDefaultPool;
  }
  Rule rule;
  BindingEnv bindings;
  Edge edge;
};

/// One edge on its way through the cache. It belongs to the main thread or to
/// one worker, never to both.
struct Job {
  Job()
      : edge(NULL), deps_in_memory(false), tracked(false), counted(false),
        inv(NULL), answer(kQueued), options(NULL), tasks(0), task_status(-1),
        status(ExitFailure),
        compiled(false), lane(0), begun(0), looked(0), answered(0), started(0),
        ended(0) {
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
  }

  enum Answer {
    kQueued,
    kForeign,  ///< no compile, or one that is not ours: runs as it is
    kHit,
    kMiss,     ///< `run`, then a store
    kRefused,  ///< a compile that can't be cached: runs as it is
    kTask,     ///< `run` for its output, then another look
    kStored,   ///< a miss that was compiled
    kAsked,    ///< the compiler has answered, ahead of the edges that need it
  };

  // What the worker needs to know of the edge.
  Edge* edge;  ///< NULL: a probe ahead of its edges
  string command, depfile;
  vector<string> outputs;
  bool deps_in_memory;  ///< Ninja reads the depfile and removes it
  bool tracked;         ///< has deps = gcc: most likely a compile
  bool counted;         ///< has dependencies at all: if refused, with its reason

  cc_invocation* inv;
  cc_result result;
  Answer answer;
  string cwd;  ///< that the command runs in
  string run, reason, deps;
  const DepfileParserOptions* options;
  vector<StringPiece> paths;  ///< in deps
  int tasks, task_status;
  string task_out, task_err, probe;
  std::unique_ptr<OwnEdge> own;

  // How its command ended, or what the hit prints.
  ExitStatus status;
  string output;
  bool compiled;  ///< for the store

  // For the trace, in microseconds.
  int lane;
  int64_t begun, looked, answered, started, ended;
};

struct Span {
  string name, category, args;
  int lane;
  int64_t from, to;
};

string JsonString(const string& s) {
  string out = "\"";
  for (size_t i = 0; i < s.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(s[i]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += s[i];
    } else if (c < 0x20) {
      char buf[8];
      snprintf(buf, sizeof buf, "\\u%04x", c);
      out += buf;
    } else {
      out += s[i];
    }
  }
  return out + "\"";
}

/// CCHAIN_TRACE: what each edge did, in Chrome's trace format.
struct Trace {
  Trace() : origin(NowMicros()) {
    const char* p = getenv("CCHAIN_TRACE");
    if (p && *p)
      path = p;
  }
  bool on() const { return !path.empty(); }
  void Add(const Span& span) { spans.push_back(span); }
  void Write() const {
    if (!on())
      return;
    FILE* f = fopen(path.c_str(), "we");
    if (!f) {
      Warning("CCHAIN_TRACE: %s: %s", path.c_str(), strerror(errno));
      return;
    }
    fprintf(f, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    for (size_t i = 0; i < spans.size(); ++i) {
      const Span& s = spans[i];
      fprintf(f,
              "%s\n{\"name\":%s,\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,"
              "\"tid\":%d,\"ts\":%lld,\"dur\":%lld,\"args\":{%s}}",
              i ? "," : "", JsonString(s.name).c_str(), s.category.c_str(),
              s.lane, static_cast<long long>(s.from - origin),
              static_cast<long long>(s.to - s.from), s.args.c_str());
    }
    fprintf(f, "\n]}\n");
    fclose(f);
  }
  string path;
  int64_t origin;
  vector<Span> spans;
};

Trace& TheTrace() {
  static Trace* trace = new Trace;  // of all builds of this process
  return *trace;
}

/// The threads that look up and store. One for the process, never destroyed:
/// a thread that hangs in a layer may outlive everything else.
struct Workers {
  Workers(const Library* library, size_t limit)
      : library_(library), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        limit_(limit), threads_(0), idle_(0), busy_(0) {
    char buf[4096];
    if (getcwd(buf, sizeof buf))
      cwd_ = buf;
  }

  /// To be looked up, or to be stored if it was compiled.
  void Add(Job* job) {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(job);
    Wake();
  }
  /// An answered job, or NULL. The descriptor is quiet once there is none.
  Job* Answered() {
    std::lock_guard<std::mutex> lock(mutex_);
    Job* job = NULL;
    if (!answered_.empty()) {
      job = answered_.front();
      answered_.pop_front();
    }
    if (answered_.empty()) {
      eventfd_t value;
      (void)eventfd_read(wake_fd_, &value);
    }
    return job;
  }
  /// Drops what waits, and waits a little for what is under way. False: a
  /// worker hangs.
  bool Stop() {
    std::unique_lock<std::mutex> lock(mutex_);
    library_->api->cancel(library_->cache);
    queue_.clear();
    const bool quiet =
        settled_.wait_for(lock, std::chrono::milliseconds(kAbortWaitMs),
                          [this] { return busy_ == 0; });
    answered_.clear();
    eventfd_t value;
    (void)eventfd_read(wake_fd_, &value);
    return quiet;
  }
  /// All edges are finished: what is left are probes ahead of others.
  void DropAhead() {
    std::unique_lock<std::mutex> lock(mutex_);
    queue_.clear();
    settled_.wait(lock, [this] { return busy_ == 0; });
    answered_.clear();
    eventfd_t value;
    (void)eventfd_read(wake_fd_, &value);
  }
  /// Whether it is a compile of ours. Runs nothing, looks at little.
  bool Parse(Job* job) {
    const cc_backend* api = library_->api;
    cc_invocation_options options = cc_invocation_options();
    options.struct_size = sizeof options;
    options.flags = CC_INV_MERGED;
    options.cwd = cwd_.c_str();
    job->answer = Job::kForeign;
    if (api->parse_line(library_->cache, job->command.c_str(), &options,
                        &job->inv) != CC_OK) {
      job->reason = api->last_error();
      return false;
    }
    if (const char* why = api->uncacheable(job->inv)) {
      job->reason = why;
      if (job->counted &&
          api->lookup(library_->cache, job->inv, NULL, &job->result) > 0)
        api->result_clear(&job->result);
      return false;
    }
    cc_task task = cc_task();
    task.struct_size = sizeof task;
    if (api->task(library_->cache, job->inv, &task) != CC_OK || !task.cwd) {
      job->reason = api->last_error();
      return false;
    }
    job->cwd = task.cwd;
    return Fits(job);
  }
  void Free(Job* job) {
    library_->api->result_clear(&job->result);
    library_->api->invocation_free(job->inv);
    delete job;
  }
  const Library* library_;
  string cwd_;
  int wake_fd_;

 private:
  /// With the lock held.
  void Wake() {
    if (idle_ > 0) {
      work_.notify_one();
      return;
    }
    if (threads_ >= limit_)
      return;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t thread;
    if (pthread_create(&thread, NULL, &Workers::Main, this) == 0) {
      pthread_detach(thread);
      ++threads_;
    } else if (threads_ == 0) {  // else one that runs will come to it
      Fatal("no thread for the compile cache; NINJA_CACHE=0 does without");
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
  }

  static void* Main(void* self) {
    static_cast<Workers*>(self)->Work();
    return NULL;
  }
  void Work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (queue_.empty()) {
        ++idle_;
        work_.wait(lock);
        --idle_;
        continue;
      }
      Job* job = queue_.front();
      queue_.pop_front();
      ++busy_;
      lock.unlock();
      if (job->compiled) {
        Store(job);
      } else {
        job->looked = NowMicros();
        LookUp(job);
        job->answered = NowMicros();
      }
      lock.lock();
      --busy_;
      Answer(job);
      settled_.notify_all();
    }
  }
  void Answer(Job* job) {
    answered_.push_back(job);
    if (answered_.size() == 1)
      (void)eventfd_write(wake_fd_, 1);
  }

  /// What Ninja does with the edge must be what the command does: each output
  /// is restored, the dependency file is the one that the command writes.
  bool Fits(Job* job) {
    const cc_output* all = NULL;
    const size_t count = library_->api->outputs(job->inv, &all);
    vector<string> paths(count);
    bool depfile = job->depfile.empty();
    const string wanted = depfile ? string() : Absolute(cwd_, job->depfile);
    for (size_t i = 0; i < count; ++i) {
      paths[i] = Absolute(job->cwd, all[i].path);
      if (strcmp(all[i].role, "depfile") == 0 && paths[i] == wanted)
        depfile = true;
    }
    if (count == 0 || !depfile) {
      job->reason = count ? "its depfile is not the command's" : "no outputs";
      return false;
    }
    for (size_t k = 0; k < job->outputs.size(); ++k) {
      const string path = Absolute(cwd_, job->outputs[k]);
      size_t i = 0;
      while (i < count && (paths[i] != path || all[i].flags & CC_OUTPUT_OPTIONAL))
        ++i;
      if (i == count) {
        job->reason = job->outputs[k] + " is not written by the command";
        return false;
      }
    }
    return true;
  }

  void LookUp(Job* job) {
    const cc_backend* api = library_->api;
    cc_cache* cache = library_->cache;
    if (!job->inv && !Parse(job))
      return;
    bool ask = false;
    if (job->task_status >= 0)
      ask = TaskDone(job);
    for (; job->tasks <= kMaxTasks; ++job->tasks) {
      if (!ask) {
        job->result.flags =
            job->deps_in_memory ? CC_RESULT_KEEP_DEPFILE : CC_RESULT_KEEP;
        if (!job->edge) {
          job->answer = Job::kAsked;
          return;
        }
        const int status = api->lookup(cache, job->inv, NULL, &job->result);
        if (status > 0) {
          if (TakeHit(job))
            return;
          job->answer = Job::kRefused;
          job->reason = "the entry has no dependencies";
          return;
        }
        job->reason = status < 0 ? api->last_error() : job->result.reason;
        if (status < 0 || api->uncacheable(job->inv)) {
          job->answer = Job::kRefused;
          return;
        }
      }
      ask = false;
      cc_task task = cc_task();
      task.struct_size = sizeof task;
      if (api->task(cache, job->inv, &task) != CC_OK)
        break;
      if (task.kind == CC_TASK_NONE)
        continue;
      if (task.kind == CC_TASK_PROBE ||
          (task.kind == CC_TASK_PREPROCESS && job->edge)) {
        job->answer = Job::kTask;
        job->run = ShellCommand(task, cwd_);
        return;
      }
      job->answer = !job->edge                     ? Job::kAsked
                    : api->uncacheable(job->inv) ? Job::kRefused
                                                 : Job::kMiss;
      if (job->answer == Job::kMiss && task.kind == CC_TASK_COMPILE)
        job->run = ShellCommand(task, cwd_);
      return;
    }
    job->answer = Job::kRefused;
  }

  bool TaskDone(Job* job) {
    string out, err;
    cc_task_result done = cc_task_result();
    done.struct_size = sizeof done;
    done.exit_status = job->task_status;
    job->task_status = -1;
    if (!ReadWhole(job->task_out, &out) || !ReadWhole(job->task_err, &err))
      done.exit_status = 1;
    unlink(job->task_out.c_str());
    unlink(job->task_err.c_str());
    done.stdout_data = reinterpret_cast<const uint8_t*>(out.data());
    done.stdout_size = out.size();
    done.stderr_data = reinterpret_cast<const uint8_t*>(err.data());
    done.stderr_size = err.size();
    return library_->api->task_done(library_->cache, job->inv, &done) == CC_OK;
  }

  bool TakeHit(Job* job) {
    job->answer = Job::kHit;
    job->output.assign(reinterpret_cast<const char*>(job->result.stdout_data),
                       job->result.stdout_size);
    job->output.append(reinterpret_cast<const char*>(job->result.stderr_data),
                       job->result.stderr_size);
    if (job->depfile.empty())
      return true;
    for (uint64_t i = 0; i < job->result.output_count; ++i) {
      const cc_output& o = job->result.outputs[i];
      if (strcmp(o.role, "depfile") == 0)
        job->deps.assign(reinterpret_cast<const char*>(o.data), o.size);
    }
    if (job->deps.empty() && job->deps_in_memory) {
      // A library that does not know how to keep it back has written it.
      (void)ReadWhole(job->depfile, &job->deps);
    }
    const bool has = ReadDeps(&job->deps, *job->options, &job->paths);
    if (!job->deps_in_memory)
      job->paths.clear();  // Ninja reads the file itself, later
    return has;
  }

  /// What the next command could change is looked at and taken here, before
  /// the edge is finished; the library writes it behind the build.
  void Store(Job* job) {
    cc_result* r = &job->result;
    library_->api->result_clear(r);
    r->flags = CC_RESULT_LATER;
    r->stdout_data = reinterpret_cast<const uint8_t*>(job->output.data());
    r->stdout_size = job->output.size();
    r->duration_ms = static_cast<uint64_t>((job->ended - job->started) / 1000);
    job->answer = Job::kStored;
    if (library_->api->store(library_->cache, job->inv, r, NULL) ==
        CC_E_UNCACHEABLE) {
      job->answer = Job::kRefused;  // as only the compile showed
      job->reason = library_->api->last_error();
    }
    r->stdout_data = NULL;
    r->stdout_size = 0;
  }

  std::mutex mutex_;
  std::condition_variable work_, settled_;
  std::deque<Job*> queue_, answered_;
  const size_t limit_;
  size_t threads_, idle_, busy_;
};

/// Runs last things first in exit(): no destructor may run under a thread that
/// hangs in a layer.
void LeaveAtOnce(int status, void*) {
  fflush(NULL);
  _exit(status);
}

struct CchainRunner : public CommandRunner {
  CchainRunner(CommandRunner* real, const BuildConfig& config, BuildLog* log,
               const Plan& plan,
               const std::function<void(Edge*)>& release, Workers* workers)
      : real_(real), config_(config), log_(log), release_(release),
        workers_(workers), api_(workers->library_->api), cache_(workers->library_->cache),
        begun_(0), announced_(0), looking_(0), foreign_(0), hits_(0), misses_(0), uncacheable_(0),
        saved_ms_(0), interrupted_(false), hangs_(false),
        trace_(TheTrace()) {
    api_->resume(cache_);
    api_->session_begin(cache_);
    if (IsFar()) {
      wanted_ = CchainPlan::Wanted(plan);
      // About the order in which they will start.
      std::sort(wanted_.begin(), wanted_.end(),
                [](const Edge* a, const Edge* b) { return a->id_ < b->id_; });
    }
    SubprocessSet::wake_fd_ = workers_->wake_fd_;
  }
  virtual ~CchainRunner();

  typedef decltype(std::declval<const CommandRunner&>().CanRunMore()) Capacity;
  virtual Capacity CanRunMore() const {
    // Ninja does not wait where it has started nothing, whatever we ask ahead.
    if (active_.empty() && !ahead_.empty())
      return Capacity(1);
    return Less(real_->CanRunMore(), looking_);
  }
  virtual bool StartCommand(Edge* edge);
  virtual bool WaitForCommand(Result* result);
  virtual vector<Edge*> GetActiveEdges();
  virtual void Abort();

 private:
  /// Up to 1.11 the answer is whether one more may run, then how many.
  bool Less(bool more, size_t looking) const {
    return more && static_cast<int>(started_.size() + looking) <
                       config_.parallelism;
  }
  size_t Less(size_t more, size_t looking) const {
    return more > looking ? more - looking : 0;
  }

  bool IsFar();
  void Announce();
  void AskAhead();
  void Asked(Job* job);
  void DropAhead();
  void TakeLane(Job* job);
  void Drop(Job* job);
  void Look(Job* job);
  bool StartForeign(Job* job);
  bool StartOwn(Job* job, const string& command);
  bool StartTask(Job* job);
  void ProbeKnown(Job* job);
  bool Next(Job* job);
  void Finish(Job* job, Result* result);
  void Record(Job* job);
  void TakeBack();
  int WaitForStores();
  void Summary(int left);

  std::unique_ptr<CommandRunner> real_;
  const BuildConfig& config_;
  BuildLog* log_;
  std::function<void(Edge*)> release_;
  Workers* workers_;
  const cc_backend* api_;
  cc_cache* cache_;

  std::map<Edge*, Job*> active_;          ///< by Ninja's edge
  std::map<const Edge*, Job*> started_;   ///< by the edge the real runner has
  std::map<string, vector<Job*> > probes_;  ///< that run, and who waits for them
  std::set<Job*> ahead_;                  ///< probes without an edge
  std::deque<Job*> asking_;               ///< of these, that have not started
  std::set<string> asked_;                ///< ahead, in this build
  std::deque<Job*> finished_;             ///< an answer that needs no waiting
  vector<std::pair<string, Edge*> > served_;
  std::set<int> lanes_;
  vector<Edge*> wanted_;  ///< none where all layers are near
  size_t begun_, announced_;  ///< edges, of wanted_
  size_t looking_, foreign_;
  size_t hits_, misses_, uncacheable_;
  uint64_t saved_ms_;
  bool interrupted_, hangs_;
  string folder_;  ///< of what tasks print
  Trace& trace_;
};

/// Whether there is a layer that takes its time to answer.
bool CchainRunner::IsFar() {
  cc_stats all = cc_stats();
  all.struct_size = sizeof all;
  if (api_->stats_get(cache_, &all) != CC_OK)
    return false;
  for (uint32_t i = 0; i < all.layer_count; ++i) {
    cc_layer_stats layer = cc_layer_stats();
    layer.struct_size = sizeof layer;
    if (api_->layer_stats_get(cache_, i, &layer) == CC_OK &&
        strcmp(layer.type, "disk") != 0)
      return true;
  }
  return false;
}

/// Tells the library of the next compiles. What is no compile costs nothing but
/// the parsing; where the compiler has to be asked first, that is done at once,
/// lest each group of targets wait for it in its turn.
void CchainRunner::Announce() {
  if (announced_ >= wanted_.size() || announced_ >= begun_ + kAhead)
    return;
  vector<cc_invocation*> invs;
  for (size_t n = 0; n < kAheadStep && announced_ < wanted_.size(); ++n) {
    Edge* edge = wanted_[announced_++];
    if (edge->is_phony() || edge->outputs_ready() ||
        edge->GetUnescapedDepfile().empty())
      continue;
    cc_invocation_options options = cc_invocation_options();
    options.struct_size = sizeof options;
    options.flags = CC_INV_MERGED;
    options.cwd = workers_->cwd_.c_str();
    cc_invocation* inv = NULL;
    if (api_->parse_line(cache_, edge->EvaluateCommand().c_str(), &options,
                         &inv) == CC_OK)
      invs.push_back(inv);
  }
  if (!invs.empty())
    api_->prefetch(cache_, invs.data(), invs.size(), NULL);
  for (size_t i = 0; i < invs.size(); ++i) {
    cc_task task = cc_task();
    task.struct_size = sizeof task;
    if (api_->task(cache_, invs[i], &task) != CC_OK ||
        task.kind != CC_TASK_PROBE) {
      api_->invocation_free(invs[i]);
      continue;
    }
    Job* job = new Job;
    job->inv = invs[i];
    job->answer = Job::kTask;
    job->run = ShellCommand(task, workers_->cwd_);
    if (!asked_.insert(job->run).second || probes_.count(job->run)) {
      workers_->Free(job);
      continue;
    }
    ahead_.insert(job);
    asking_.push_back(job);
  }
  AskAhead();
}

/// As many at once as commands may run.
void CchainRunner::AskAhead() {
  while (!asking_.empty() &&
         static_cast<int>(started_.size()) < config_.parallelism) {
    Job* job = asking_.front();
    asking_.pop_front();
    if (probes_.count(job->run)) {  // an edge has come to it by itself
      Drop(job);
      continue;
    }
    TakeLane(job);
    if (!StartTask(job))
      Asked(job);
  }
}

/// A probe ahead of its edges is over, one way or the other.
void CchainRunner::Asked(Job* job) {
  if (job->own)
    started_.erase(&job->own->edge);
  ProbeKnown(job);
  Drop(job);
}

/// At the end of a build: what is still asked is of no use to anybody.
void CchainRunner::DropAhead() {
  if (ahead_.empty())
    return;
  real_->Abort();
  workers_->DropAhead();
  while (!ahead_.empty()) {
    Job* job = *ahead_.begin();
    unlink(job->task_out.c_str());
    unlink(job->task_err.c_str());
    Drop(job);
  }
  asking_.clear();
}

void CchainRunner::TakeLane(Job* job) {
  for (job->lane = 1; lanes_.count(job->lane);)
    ++job->lane;
  lanes_.insert(job->lane);
}

void CchainRunner::Drop(Job* job) {
  ahead_.erase(job);
  lanes_.erase(job->lane);
  workers_->Free(job);
}

bool CchainRunner::StartCommand(Edge* edge) {
  ++begun_;
  Announce();
  Job* job = new Job;
  job->edge = edge;
  job->options = &config_.depfile_parser_options;
  job->begun = NowMicros();
  TakeLane(job);
  active_[edge] = job;
  job->depfile = edge->GetUnescapedDepfile();
  const string deps = edge->GetBinding("deps");
  job->tracked = deps == "gcc";
  if (edge->use_console() || deps == "msvc" ||
      edge->GetBindingBool("generator"))
    return StartForeign(job);
  job->deps_in_memory =
      job->tracked && !job->depfile.empty() && !g_keep_depfile;
  job->command = edge->EvaluateCommand();
  // From 3.27 on CMake's links have dependencies too: they begin with ":".
  job->counted = (job->tracked || !job->depfile.empty()) &&
                 job->command.compare(0, 5, ": && ") != 0;
  for (size_t i = 0; i < edge->outputs_.size(); ++i)
    job->outputs.push_back(edge->outputs_[i]->path());
  // What is no compile by all appearances starts at once, in its turn.
  if (!job->tracked && !workers_->Parse(job))
    return StartForeign(job);
  Look(job);
  return true;
}

void CchainRunner::Look(Job* job) {
  // Something runs that may write what it does not declare: what was looked at
  // is looked at again.
  if (foreign_ > 0)
    api_->session_changed(cache_, NULL);
  ++looking_;
  workers_->Add(job);
}

bool CchainRunner::StartForeign(Job* job) {
  job->answer = Job::kForeign;
  api_->session_changed(cache_, NULL);
  ++foreign_;
  job->started = NowMicros();
  started_[job->edge] = job;
  return real_->StartCommand(job->edge);
}

bool CchainRunner::StartOwn(Job* job, const string& command) {
  job->own.reset(new OwnEdge(command));
  started_[&job->own->edge] = job;
  return real_->StartCommand(&job->own->edge);
}

bool CchainRunner::StartTask(Job* job) {
  if (job->probe.empty()) {
    // The same question of many edges is put once.
    std::map<string, vector<Job*> >::iterator same = probes_.find(job->run);
    if (same != probes_.end()) {
      ++looking_;
      same->second.push_back(job);
      return true;
    }
    job->probe = job->run;
    probes_[job->probe];
  }
  if (folder_.empty()) {
    const char* tmp = getenv("TMPDIR");
    string name = string(tmp && *tmp == '/' ? tmp : "/tmp") + "/ninja.XXXXXX";
    if (!mkdtemp(&name[0])) {
      Warning("compile cache: %s: %s", name.c_str(), strerror(errno));
      job->answer = Job::kRefused;
      return Next(job);
    }
    folder_ = name;
  }
  ++job->tasks;
  char number[32];
  snprintf(number, sizeof number, "/%p-%d", static_cast<void*>(job),
           job->tasks);
  job->task_out = folder_ + number + ".out";
  job->task_err = folder_ + number + ".err";
  job->started = NowMicros();
  return StartOwn(job, job->run + " </dev/null >" +
                           Quoted(job->task_out) + " 2>" +
                           Quoted(job->task_err));
}

/// The edge's own probe is over, one way or the other.
void CchainRunner::ProbeKnown(Job* job) {
  if (job->probe.empty())
    return;
  vector<Job*> waiting;
  waiting.swap(probes_[job->probe]);
  probes_.erase(job->probe);
  job->probe.clear();
  announced_ = 0;  // what needed this answer could not be asked for
  Announce();
  for (size_t i = 0; i < waiting.size(); ++i) {
    --looking_;
    Look(waiting[i]);
  }
}

/// Goes on with an answered job. False: its command could not be started.
bool CchainRunner::Next(Job* job) {
  if (job->answer == Job::kTask)
    return StartTask(job);
  if (!job->edge) {
    Asked(job);
    return true;
  }
  ProbeKnown(job);
  switch (job->answer) {
  case Job::kHit:
  case Job::kStored:
    finished_.push_back(job);
    return true;
  case Job::kMiss:
  case Job::kRefused: {
    job->started = NowMicros();
    if (job->answer == Job::kMiss && !job->run.empty() &&
        job->run.size() < kMaxCommand && job->run != job->command)
      return StartOwn(job, job->run);
    started_[job->edge] = job;
    return real_->StartCommand(job->edge);
  }
  default:
    return StartForeign(job);
  }
}

bool CchainRunner::WaitForCommand(Result* result) {
  for (;;) {
    if (!finished_.empty()) {
      Job* job = finished_.front();
      finished_.pop_front();
      Finish(job, result);
      return true;
    }
    // Always through the real one's poll: Ctrl-C is seen only there.
    if (!real_->WaitForCommand(result)) {
      interrupted_ = true;
      return false;
    }
    if (!result->edge) {
      Job* job = workers_->Answered();
      if (!job)
        continue;
      --looking_;
      if (Next(job))
        continue;
      if (!job->edge) {
        Asked(job);
        continue;
      }
      job->answer = Job::kRefused;
      job->status = ExitFailure;
      finished_.push_back(job);
      continue;
    }
    std::map<const Edge*, Job*>::iterator it = started_.find(result->edge);
    Job* job = it->second;
    started_.erase(it);
    AskAhead();
    job->status = result->status;
    job->output.swap(result->output);
    result->edge = job->edge;
    if (job->status == ExitInterrupted) {
      interrupted_ = true;
      return true;
    }
    if (job->answer == Job::kTask) {
      if (trace_.on()) {
        Span span = { "ask the compiler", "probe", "", job->lane, job->started,
                      NowMicros() };
        trace_.Add(span);
      }
      job->own.reset();
      job->task_status = job->status == ExitSuccess ? 0 : 1;
      Look(job);
      continue;
    }
    if (job->answer == Job::kForeign) {
      --foreign_;
      api_->session_changed(cache_, NULL);
    } else {
      for (size_t i = 0; i < job->outputs.size(); ++i)
        api_->session_changed(
            cache_, Absolute(workers_->cwd_, job->outputs[i]).c_str());
    }
    job->ended = NowMicros();
    if (job->answer == Job::kMiss && job->status == ExitSuccess) {
      job->compiled = true;
      ++looking_;
      workers_->Add(job);
      continue;
    }
    Finish(job, result);
    return true;
  }
}

/// Hands the edge back to Ninja.
void CchainRunner::Finish(Job* job, Result* result) {
  Edge* edge = job->edge;
  result->edge = edge;
  result->status = job->answer == Job::kHit ? ExitSuccess : job->status;
  result->output.swap(job->output);
  switch (job->answer) {
  case Job::kHit: {
    result->depfile.swap(job->deps);
    result->deps.swap(job->paths);
    ++hits_;
    saved_ms_ += job->result.duration_ms;
    const cc_output* all = NULL;
    if (api_->outputs(job->inv, &all) > 0)
      served_.push_back(std::make_pair(Absolute(job->cwd, all[0].path), edge));
    break;
  }
  case Job::kMiss:
  case Job::kStored:
    ++misses_;
    break;
  case Job::kRefused:
    ++uncacheable_;
    break;
  default:
    uncacheable_ += job->counted;
  }
  if (trace_.on())
    Record(job);
  lanes_.erase(job->lane);
  active_.erase(edge);
  workers_->Free(job);
}

void CchainRunner::Record(Job* job) {
  static const char* const kNames[] = { "queued", "command", "hit", "miss",
                                        "uncacheable", "task", "miss" };
  const int64_t now = NowMicros();
  Span edge = { job->outputs.empty() ? job->edge->outputs_[0]->path()
                                     : job->outputs[0],
                kNames[job->answer], "", job->lane, job->begun, now };
  if (job->answer == Job::kForeign && job->counted)
    edge.category = "uncacheable";
  edge.args = "\"answer\":" + JsonString(edge.category);
  if (job->answer == Job::kHit) {
    cc_layer_stats layer = cc_layer_stats();
    layer.struct_size = sizeof layer;
    if (api_->layer_stats_get(cache_, job->result.layer, &layer) == CC_OK)
      edge.args += ",\"layer\":" + JsonString(layer.name);
    char saved[48];
    snprintf(saved, sizeof saved, ",\"saved_ms\":%llu",
             static_cast<unsigned long long>(job->result.duration_ms));
    edge.args += saved;
  } else if (!job->reason.empty()) {
    edge.args += ",\"why\":" + JsonString(job->reason);
  }
  trace_.Add(edge);
  if (job->answered) {
    Span look = { "look up", "lookup", "", job->lane, job->looked,
                  job->answered };
    trace_.Add(look);
  }
  if (job->answer != Job::kHit && job->started) {
    Span run = { "run", "run", "", job->lane, job->started,
                 job->ended ? job->ended : now };
    trace_.Add(run);
  }
  if (job->compiled) {
    Span store = { "store", "store", "", job->lane, job->ended, now };
    trace_.Add(store);
  }
}

vector<Edge*> CchainRunner::GetActiveEdges() {
  vector<Edge*> edges;
  for (std::map<Edge*, Job*>::iterator i = active_.begin(); i != active_.end();
       ++i)
    edges.push_back(i->first);
  return edges;
}

void CchainRunner::Abort() {
  if (interrupted_ || !active_.empty()) {
    // Ninja aborts twice when it is interrupted: one wait is enough.
    if (!hangs_ && !workers_->Stop())
      hangs_ = true;
  } else {
    DropAhead();
  }
  for (std::map<Edge*, Job*>::iterator i = active_.begin(); i != active_.end();
       ++i) {
    if (release_)
      release_(i->first);
  }
  real_->Abort();
  for (std::map<Edge*, Job*>::iterator i = active_.begin(); i != active_.end();
       ++i) {
    unlink(i->second->task_out.c_str());
    unlink(i->second->task_err.c_str());
    if (!hangs_)  // else a worker may still use it
      workers_->Free(i->second);
  }
  for (std::set<Job*>::iterator i = ahead_.begin(); i != ahead_.end(); ++i) {
    unlink((*i)->task_out.c_str());
    unlink((*i)->task_err.c_str());
    if (!hangs_)
      workers_->Free(*i);
  }
  active_.clear();
  ahead_.clear();
  asking_.clear();
  started_.clear();
  probes_.clear();
  finished_.clear();
  looking_ = foreign_ = 0;
}

CchainRunner::~CchainRunner() {
  SubprocessSet::wake_fd_ = -1;
  const int left = hangs_ ? 0 : WaitForStores();
  TakeBack();
  Summary(left);
  if (!folder_.empty())
    rmdir(folder_.c_str());
  trace_.Write();
  if (left > 0 || hangs_)
    on_exit(LeaveAtOnce, NULL);
}

/// Not for ever, and not if the user wants to leave. Returns how many are left.
int CchainRunner::WaitForStores() {
  const int64_t until = NowMicros() + kStoreWaitMs * 1000LL;
  for (;;) {
    const int left = interrupted_ ? api_->flush(cache_, 0)
                                  : api_->flush(cache_, 20);
    sigset_t pending;
    if (left <= 0 || interrupted_ || NowMicros() > until ||
        (sigpending(&pending) == 0 &&
         (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
          sigismember(&pending, SIGHUP))))
      return left;
  }
}

/// Hits that were served from a file that has changed meanwhile: their log
/// record says that they are older than any input, so they run again.
void CchainRunner::TakeBack() {
  const int count = api_->session_end(cache_);
  if (count <= 0 || !log_)
    return;
  std::set<string> outdated;
  const char* const* names = NULL;
  int known = -1;
  if (api_->struct_size >=
          offsetof(cc_backend, session_outdated) + sizeof(void*) &&
      api_->session_outdated)
    known = api_->session_outdated(cache_, &names);
  for (int i = 0; i < known; ++i)
    outdated.insert(Absolute(workers_->cwd_, names[i]));
  for (size_t i = 0; i < served_.size(); ++i) {
    if (known < 0 || outdated.count(served_[i].first))
      log_->RecordCommand(served_[i].second, 0, 0, 0);
  }
}

void CchainRunner::Summary(int left) {
  if (config_.verbosity == BuildConfig::QUIET ||
      config_.verbosity == BuildConfig::NO_STATUS_UPDATE ||
      hits_ + misses_ + uncacheable_ == 0)
    return;
  char saved[48];
  snprintf(saved, sizeof saved, "%.1f s", saved_ms_ / 1e3);
  cc_stats stats = cc_stats();
  stats.struct_size = sizeof stats;
  string troubles;
  if (api_->stats_get(cache_, &stats) == CC_OK && stats.errors > 0)
    troubles = ", layers had troubles (cchain stats)";
  if (left > 0)
    troubles += ", the cache is slow: some results were not stored";
  Info("cache: %d hits, %d misses, %d uncacheable, %s saved%s",
       static_cast<int>(hits_), static_cast<int>(misses_),
       static_cast<int>(uncacheable_), saved, troubles.c_str());
}

}  // namespace

CommandRunner* MakeCchainRunner(CommandRunner* real, const BuildConfig& config,
                                BuildLog* build_log, const Plan& plan,
                                const std::function<void(Edge*)>& release) {
  const Library* library =
      Load(config.verbosity == BuildConfig::VERBOSE || g_metrics);
  if (!library)
    return real;
  static Workers* workers;
  if (!workers) {
    const int jobs = config.parallelism;
    workers = new Workers(library, jobs < 2 ? 2
                             : jobs > static_cast<int>(kMaxWorkers)
                                 ? kMaxWorkers
                                 : static_cast<size_t>(jobs));
  }
  if (workers->wake_fd_ < 0 || workers->wake_fd_ >= FD_SETSIZE ||
      workers->cwd_.empty()) {
    Warning("no compile cache: too many open files, or no working directory");
    return real;
  }
  return new CchainRunner(real, config, build_log, plan, release, workers);
}

bool CchainWoken(CommandRunner::Result* result) {
  if (!SubprocessSet::woken_)
    return false;
  result->edge = NULL;
  return true;
}

#endif  // _WIN32
