// cchain verify and cchain keygen.
// SPDX-License-Identifier: Apache-2.0
#include <cchain.h>

#include <string>
#include <string_view>

#include "cli/io.h"
#include "cli/progress.h"
#include "cli/subcommand.h"
#include "cli/text.h"

namespace cli {

namespace {

// A line for each problem, on standard output or, where that is for JSON, on stderr.
struct Listener {
  Progress progress{"verify", "entries"};
  int fd = 1;
  static int tell(void* self, const cc_verify_report* r, const char* problem) {
    auto* l = static_cast<Listener*>(self);
    if (!problem) return l->progress.at(r->checked, r->total), 0;
    l->progress.end();
    return write_all(l->fd, show_text(problem) + "\n") != 0;
  }
};

}  // namespace

int verify(int argc, char** argv) {
  uint32_t flags = 0;
  bool json = false;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--repair")) flags |= CC_VERIFY_REPAIR;
    else if (args.is("--json")) json = true;
    else return wrong_usage("verify", "unknown argument: ", args.word());
  }
  OpenCache cache;
  cc_verify_report r = {sizeof r};
  Listener listener;
  if (json) listener.fd = 2;
  const int left = cache.open() ? cc_verify(cache.get(), flags, Listener::tell, &listener, &r) : -1;
  listener.progress.end();
  if (left < 0) return failed("verify");
  std::string out;
  auto count = [&](const char* name, uint64_t n, bool always = false) {
    if (json) out += std::string(out.empty() ? "{\"" : ",\"") + name + "\":" + std::to_string(n);
    else if (n || always) out += (out.empty() ? "" : ", ") + show_count(n) + " " + name;
  };
  count("checked", r.checked, true);
  if (json) count("bytes", r.bytes);
  else out += " (" + show_size(r.bytes) + ")";
  count("damaged", r.damaged, true);
  count("removed", r.removed);
  count("foreign", r.foreign);
  count("untrusted", r.untrusted);
  count("unindexed", r.unindexed);
  count("absent", r.absent);
  return print(out + (json ? "}\n" : "\n")) | (left > 0 ? 1 : 0);
}

int keygen(int argc, char** argv) {
  std::string type = "ed25519", file;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.takes("--type", &value)) {
      type = value;
    } else if (args.word().substr(0, 1) == "-" || !file.empty()) {
      return wrong_usage("keygen", "unknown argument: ", args.word());
    } else {
      file = args.word();
    }
  }
  if (file.empty()) return wrong_usage("keygen", "no file");
  if (cc_keygen(type.c_str(), file.c_str()) != CC_OK) return failed("keygen");
  return print(show_text(file) + (type == "ed25519" ? " signs, " + show_text(file) + ".pub checks\n" : " signs and checks\n"));
}

}  // namespace cli
