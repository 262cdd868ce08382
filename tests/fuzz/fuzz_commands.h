// What holds for every command, however it came.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "fuzz.h"
#include "model/command.h"

namespace fuzz {

inline void check_command(const cchain::Command& c, const std::vector<std::string>& args) {
  if (!c.uncacheable.empty()) return;
  REQUIRE(!c.source.empty() && !c.output.empty() && c.source != c.output);
  REQUIRE(!c.outputs.empty() && c.outputs[0].path == c.output);
  // The object, the dependency file if there is one, and what options leave beside it.
  for (size_t i = 0; i < c.outputs.size(); i++) {
    REQUIRE((c.outputs[i].role == "depfile") == (i == 1 && c.deps != cchain::Command::kNone));
    REQUIRE(!c.outputs[i].path.empty() && c.outputs[i].path != c.source);
    for (size_t k = 0; k < i; k++) REQUIRE(c.outputs[k].path != c.outputs[i].path);
  }
  REQUIRE((c.deps == cchain::Command::kNone) == c.dep_target.empty());
  REQUIRE(c.deps == cchain::Command::kNone || (!c.dep_file.empty() && c.outputs.size() > 1 && c.outputs[1].path == c.dep_file));
  REQUIRE(c.key_args.size() < args.size());
  REQUIRE(c.probe_args.size() <= c.key_args.size());
  // Each word of the key is a word of the command, in its order.
  size_t at = 0;
  for (const std::string& word : c.key_args) {
    while (at < args.size() && args[at] != word) at++;
    REQUIRE(at++ < args.size());
  }
}

// Through everything that reads a command. Response files whose names are of odd length are there, and hold `text`.
inline void command(cchain::Family family, const std::vector<std::string>& argv, const std::string& text) {
  cchain::Launchers l = cchain::find_compiler(argv);
  if (!l.refused.empty()) return;
  REQUIRE(l.compiler_index < argv.size());
  const std::string base = argv[l.compiler_index];
  std::vector<std::string> args(argv.begin() + static_cast<ptrdiff_t>(l.compiler_index) + 1, argv.end());
  auto read_file = [&](const std::string& path, std::string* out) {
    *out = text;
    return path.size() % 2 == 1;
  };
  check_command(cchain::parse_command(family, base, args), args);
  bool response = false;
  for (const std::string& a : args) response |= !a.empty() && a[0] == '@';
  std::string why;
  std::vector<std::string> expanded = args;
  if (response && cchain::expand_response_files(&expanded, read_file, &why)) check_command(cchain::parse_command(family, base, expanded), expanded);
}

}  // namespace fuzz
