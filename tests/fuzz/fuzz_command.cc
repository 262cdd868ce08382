// A shell line, or words separated by NUL bytes, through everything that reads a command.
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/command.h"

using namespace cchain;

namespace {
void check(bool ok) {
  if (!ok) abort();
}

// What holds for every command that was not refused.
void check_command(const Command& c, const std::vector<std::string>& args) {
  if (!c.uncacheable.empty()) return;
  check(!c.source.empty() && !c.output.empty() && c.source != c.output);
  check(!c.outputs.empty() && c.outputs[0].path == c.output);
  check((c.deps == Command::kNone) == (c.outputs.size() == 1));
  check((c.deps == Command::kNone) == c.dep_target.empty());
  check(c.deps == Command::kNone || (!c.dep_file.empty() && c.outputs[1].path == c.dep_file));
  check(c.key_args.size() < args.size());
  check(c.probe_args.size() <= c.key_args.size());
  // Each word of the key is a word of the command, in its order.
  size_t at = 0;
  for (const std::string& word : c.key_args) {
    while (at < args.size() && args[at] != word) at++;
    check(at++ < args.size());
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  uint8_t mode = data[0];
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Family family = mode & 1 ? Family::kClang : Family::kGcc;
  std::string why;
  std::vector<std::string> argv;
  if (mode & 2) {
    std::vector<std::pair<std::string, std::string>> env;
    std::string cd;
    bool ok = parse_shell_line(text, &env, &cd, &argv, &why);
    check(ok ? !argv.empty() : argv.empty() && env.empty() && cd.empty() && !why.empty());
  } else {
    for (size_t from = 0; from <= text.size();) {
      size_t end = text.find('\0', from);
      if (end == text.npos) end = text.size();
      argv.push_back(text.substr(from, end - from));
      from = end + 1;
    }
  }
  Launchers l = find_compiler(argv);
  if (!l.refused.empty()) return 0;
  check(l.compiler_index < argv.size());
  std::string base = argv[l.compiler_index];
  std::vector<std::string> args(argv.begin() + static_cast<ptrdiff_t>(l.compiler_index) + 1, argv.end());
  auto read_file = [&](const std::string& path, std::string* out) {
    *out = text;
    return path.size() % 2 == 1;
  };
  std::vector<std::string> expanded = args;
  if (expand_response_files(&expanded, read_file, &why)) check_command(parse_command(family, base, expanded), expanded);
  check_command(parse_command(family, base, args), args);
  return 0;
}
