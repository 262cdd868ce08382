// SPDX-License-Identifier: Apache-2.0
#include "cli/compile.h"

#include <cchain.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"
#include "cli/process.h"
#include "cli/program.h"
#include "cli/twin.h"

namespace cli {

namespace {

constexpr int kMaxTasks = 32;
constexpr size_t kStreamLimit = 64u << 20;         // of a compile
constexpr size_t kTaskStreamLimit = 512u << 20;    // of a probe or a preprocessor

struct Command {
  const char* name;  // as the user wrote it
  int argc;
  char** argv;
  Program program;
  FileKey self;
  Guard guard;
  const char* line = nullptr;  // what a shell was given; then there are no words and no program
};

// The command itself in our place: same process, descriptors, terminal, arguments.
[[noreturn]] void become(const Command& c) {
  int error = c.program.error;
  if (!error) {
    // The p is for a file without an interpreter line, which execvp gives to the shell.
    try {
      std::string active = c.guard.extended(Guard::kExec, getpid(), c.self, c.program.key);
      std::vector<const char*> env = environment_with({active.c_str()});
      execvpe(c.program.path.c_str(), c.argv, const_cast<char* const*>(env.data()));
    } catch (const std::bad_alloc&) {
      execvp(c.program.path.c_str(), c.argv);
    }
    error = errno;
  }
  complain(c.name, ": ", strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

void warn(void*, int32_t level, const char* text, size_t len) {
  if (level <= CC_LOG_WARN) complain(std::string_view(text, len));
}

winsize terminal_size(int fd) {
  winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size : winsize{};
}

// Where our stderr is a terminal: what a compiler may ask of its own streams.
struct Terminal {
  winsize out = {}, err = {};
  unsigned short stdin_columns = 0;
  bool for_out = false;

  Terminal() : out(terminal_size(1)), err(terminal_size(2)), stdin_columns(terminal_size(0).ws_col), for_out(isatty(1)) {}
  uint32_t columns() const { return err.ws_col | static_cast<uint32_t>(stdin_columns) << 16; }
  uint32_t stdout_columns() const { return for_out ? out.ws_col : 0; }
  bool unchanged() const {
    const Terminal now;
    return now.columns() == columns() && now.stdout_columns() == stdout_columns();
  }
};

void deliver(const uint8_t* out, uint64_t out_size, const uint8_t* err, uint64_t err_size) {
  if (out_size) write_all(1, out, out_size);
  if (err_size) write_all(2, err, err_size);
}

const uint8_t* bytes(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }

// The words of CCHAIN_PREFIX, the first one found on PATH; empty if there are none. It is for the compiles of misses
// only: a command that can't be cached runs as it was given (`cchain make` must not become `distcc make`), and a probe
// asks the local compiler.
struct Prefix {
  std::vector<std::string> words;
  Program program;
};

Prefix find_prefix(const Command& c, bool warnings) {
  Prefix prefix;
  const char* p = getenv("CCHAIN_PREFIX");
  while (p && *p) {
    size_t blank = strspn(p, " \t\n");
    size_t word = strcspn(p + blank, " \t\n");
    if (word) prefix.words.emplace_back(p + blank, word);
    p += blank + word;
  }
  if (prefix.words.empty()) return prefix;
  prefix.program = find_program(prefix.words[0].c_str(), getenv("PATH"), c.self, c.guard);
  if (prefix.program.error) {
    if (warnings) complain(prefix.words[0], ": CCHAIN_PREFIX is left out: ", strerror(prefix.program.error));
    prefix.words.clear();
  }
  return prefix;
}

// Runs the task, a compile with terminals as its streams if they are given. 0 or errno; nothing has been written then.
int run_task(const Command& c, const cc_task& task, const Terminal* terminal, bool warnings, Ended* ended) {
  const bool compiles = task.kind == CC_TASK_COMPILE;
  Prefix prefix;
  if (compiles) prefix = find_prefix(c, warnings);
  // Where a line says `cd DIR &&`, that is where it runs, and what it names is looked for from there.
  if (c.line && chdir(task.cwd) != 0) return errno;
  const char* path = getenv("PATH");
  for (const char* const* e = task.env; e && *e; e++)
    if (strncmp(*e, "PATH=", 5) == 0) path = *e + 5;
  Program program = c.program;
  if (!prefix.words.empty()) program = prefix.program;
  else if (c.line || strcmp(task.argv[0], c.argv[0]) != 0) program = find_program(task.argv[0], path, c.self, c.guard);
  if (program.error) return program.error;

  std::vector<const char*> argv;
  for (const std::string& word : prefix.words) argv.push_back(word.c_str());
  for (const char* const* word = task.argv; *word; word++) argv.push_back(*word);
  if (prefix.words.empty() && program.other) argv[0] = program.path.c_str();
  argv.push_back(nullptr);
  std::string active = c.guard.extended(Guard::kCompile, getpid(), c.self, program.key);
  std::vector<const char*> more;
  for (const char* const* e = task.env; e && *e; e++) more.push_back(*e);
  more.push_back(active.c_str());
  std::vector<const char*> env = environment_with(more);

  // task.cwd is where we are: words were parsed without another one.
  Run what;
  what.path = program.path.c_str();
  what.argv = argv.data();
  what.env = env.data();
  what.null_stdin = !compiles;
  what.capture_out = !compiles || (task.capture & CC_CAPTURE_STDOUT);
  what.capture_err = !compiles || (task.capture & CC_CAPTURE_STDERR);
  if (terminal) what.terminal_err = &terminal->err, what.terminal_out = terminal->for_out ? &terminal->out : nullptr;
  what.capture_limit = compiles ? kStreamLimit : kTaskStreamLimit;
  what.pass_on = compiles;
  return run(what, ended);
}

class Session {
 public:
  explicit Session(const Command& command) : c_(command), warnings_(env_flag("CCHAIN_WARN")) {}
  ~Session() { close(); }

  // Returns if the command is to be run as if we were not there.
  void run() {
    if (!open()) return trouble(open_error_);
    if (const size_t parts = cc_invocation_part(inv_, 0, nullptr)) return run_parts(parts);
    // What is no compile at all is not counted: most lines that a shell is given are not.
    if (c_.line && cc_invocation_uncacheable(inv_)) return;
    for (int tasks = 0; tasks <= kMaxTasks;) {
      cc_result result = {sizeof result};
      int status = cc_lookup(cache_, inv_, nullptr, &result);
      if (status > 0) {
        deliver(result.stdout_data, result.stdout_size, result.stderr_data, result.stderr_size);
        // Statistics and marks; what cc_close frees besides, the kernel frees faster. What was found far away may be on its way to nearer layers.
        if (cc_flush(cache_, 0) > 0) close();
        _exit(result.exit_status);
      }
      if (status == CC_E_CONFIG) become_twin();  // a signature that needs a library
      if (status < 0) return trouble(cc_last_error());
      if (cc_invocation_uncacheable(inv_)) return;
      if (remote_) become_twin();  // what is near did not answer: the twin can ask what is far
      cc_task task;
      bool learnt = false;
      for (;; tasks++) {
        task = {sizeof task};
        if (cc_invocation_task(cache_, inv_, &task) < 0) return trouble(cc_last_error());
        if (task.kind != CC_TASK_PROBE && task.kind != CC_TASK_PREPROCESS) break;
        if (tasks >= kMaxTasks || !ask(task)) return;
        learnt = true;
      }
      if (learnt) continue;
      if (task.kind == CC_TASK_COMPILE && task.argv) make(task);
      return;
    }
  }

 private:
  bool open() {
    cc_open_options options = {sizeof options};
    options.host = "cchain";
    if (warnings_) options.log = warn, options.log_level = CC_LOG_WARN;
    if (cc_open(&options, &cache_) != CC_OK) {
      cache_ = nullptr;
      const std::string why = cc_last_error();
      become_twin();
      open_error_ = why;
      return false;
    }
    cc_stats all = {sizeof all};
    cc_stats_get(cache_, &all);
    cc_layer_stats layer = {sizeof layer};
    for (uint32_t i = 0; i < all.layer_count && cc_layer_stats_get(cache_, i, &layer) == CC_OK; i++)
      remote_ = remote_ || strcmp(layer.type, "disk") != 0;
    cc_invocation_options how = {sizeof how};
    if (isatty(2)) {
      terminal_.emplace();
      how.flags = CC_INV_TERMINAL;
      how.columns = terminal_->columns(), how.stdout_columns = terminal_->stdout_columns();
    }
    if ((c_.line ? cc_invocation_parse_line(cache_, c_.line, &how, &inv_)
                 : cc_invocation_parse_argv(cache_, c_.argc, c_.argv, &how, &inv_)) == CC_OK)
      return true;
    inv_ = nullptr;
    open_error_ = cc_last_error();
    return false;
  }

  void close() {
    cc_invocation_free(inv_);  // its temporary files go with it
    cc_close(cache_);
    inv_ = nullptr, cache_ = nullptr;
  }

  void trouble(std::string_view text, std::string_view more = {}) {
    if (warnings_) complain(text, more);
  }

  // Each by a command of ours for one source. Returns if one could not be started.
  void run_parts(size_t count) {
    int status = 0;
    for (size_t i = 0; i < count; i++) {
      const char* const* words;
      cc_invocation_part(inv_, i, &words);
      std::vector<const char*> argv = {"cchain", "--"};
      while (*words) argv.push_back(*words++);
      argv.push_back(nullptr);
      const std::vector<const char*> env = environment_with({});
      Run what;
      what.path = "/proc/self/exe";
      what.argv = argv.data();
      what.env = env.data();
      what.pass_on = true;
      Ended ended;
      if (int error = cli::run(what, &ended)) return trouble("/proc/self/exe: ", strerror(error));
      if (ended.signal || !WIFEXITED(ended.status)) end_as(ended.status);
      status = std::max(status, exit_code(ended.status));
      if (i == 0 && status != 0 && refused_by_driver(argv.data() + 2)) break;
    }
    _exit(status);
  }

  // Whether the words themselves are wrong: then the driver says so once, and compiles nothing.
  bool refused_by_driver(const char* const* words) {
    std::vector<const char*> argv;
    while (*words) argv.push_back(*words++);
    argv.insert(argv.end(), {"-###", nullptr});
    const std::vector<const char*> env = environment_with({});
    Program program = find_program(argv[0], getenv("PATH"), c_.self, c_.guard);
    if (program.error) return true;
    Run what;
    what.path = program.path.c_str();
    what.argv = argv.data();
    what.env = env.data();
    what.null_stdin = what.capture_out = what.capture_err = true;
    what.capture_limit = kStreamLimit;
    Ended ended;
    return cli::run(what, &ended) == 0 && exit_code(ended.status) != 0;
  }

  // A probe or a preprocessor run, and its answer handed back.
  bool ask(const cc_task& task) {
    Ended ended;
    if (int error = run_task(c_, task, nullptr, warnings_, &ended))
      return trouble(task.argv[0], std::string(": ").append(strerror(error))), false;
    if (ended.signal) {
      close();
      end_by(ended.signal);
    }
    if (ended.overflow) return false;
    cc_task_result answer = {sizeof answer};
    answer.exit_status = exit_code(ended.status);
    answer.stdout_data = bytes(ended.out), answer.stdout_size = ended.out.size();
    answer.stderr_data = bytes(ended.err), answer.stderr_size = ended.err.size();
    if (cc_invocation_task_done(cache_, inv_, &answer) == CC_OK) return true;
    return trouble(cc_last_error()), false;
  }

  // The compile of a miss. Returns if it could not be started. Whatever signals came meanwhile went to the compiler:
  // how it ended is how we end.
  void make(const cc_task& task) {
    Ended ended;
    if (int error = run_task(c_, task, terminal_ ? &*terminal_ : nullptr, warnings_, &ended))
      return trouble(task.argv[0], std::string(": ").append(strerror(error)));
    deliver(bytes(ended.out), ended.out.size(), bytes(ended.err), ended.err.size());
    // Where the terminal has changed its width meanwhile, it is not known for which one the text was made.
    const bool same_width = !terminal_ || terminal_->unchanged();
    if (ended.status == 0 && !ended.overflow && same_width) {
      cc_result made = {sizeof made};
      made.stdout_data = bytes(ended.out), made.stdout_size = ended.out.size();
      made.stderr_data = bytes(ended.err), made.stderr_size = ended.err.size();
      made.duration_ms = ended.ms;
      cc_store(cache_, inv_, &made, nullptr);
    }
    // What cc_close frees besides, the kernel frees faster; a remote layer has more to put in order.
    if (!remote_) cc_flush(cache_, CC_TIMEOUT_DEFAULT);
    else close();
    end_as(ended.status);
  }

  const Command& c_;
  const bool warnings_;
  std::string open_error_;
  bool remote_ = false;       // there is a layer that needs a library
  std::optional<Terminal> terminal_;  // if our stderr is one
  cc_cache* cache_ = nullptr;
  cc_invocation* inv_ = nullptr;
};

}  // namespace

void compile(int argc, char** argv) {
  const bool streams = reserve_standard_streams();
  const char* active = getenv(Guard::kVariable);
  Command c = {argv[0], argc, argv, {}, own_file(), Guard(active, active ? getpid() : 0, active ? getppid() : 0)};
  std::string path;
  try {
    c.program = find_program(argv[0], getenv("PATH"), c.self, c.guard);
    if (c.program.other) {
      path = c.program.path;
      argv[0] = path.data();
    }
    if (streams && !c.program.error && !c.guard.in_compile() && !env_flag("CCHAIN_DISABLE")) Session(c).run();
  } catch (const std::bad_alloc&) {
    // What memory is left goes to the compiler.
  }
  become(c);
}

void compile_line(const char* line) {
  const bool streams = reserve_standard_streams();
  const char* active = getenv(Guard::kVariable);
  Command c = {line, 0, nullptr, {}, own_file(), Guard(active, active ? getpid() : 0, active ? getppid() : 0), line};
  if (!streams || c.guard.in_compile() || env_flag("CCHAIN_DISABLE")) return;
  const int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (here < 0) return;
  Session(c).run();
  (void)!fchdir(here);  // should it fail: a `cd` of the line is an absolute one
  close(here);
}

}  // namespace cli
