// SPDX-License-Identifier: Apache-2.0
#include "layers/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

#include "base/dynamic.h"
#include "base/fs.h"

namespace cchain {

namespace {

// Whether somebody other than the C library gives this process its malloc.
bool foreign_malloc() {
  void* libc = load_library("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  bool foreign = libc && library_symbol(RTLD_DEFAULT, "malloc") != library_symbol(libc, "malloc");
  if (libc) dlclose(libc);
  return foreign;
}

// Whether the process shows everybody symbols of curl or OpenSSL that are not of the shared libraries that the plug-in brings.
bool foreign_network() {
  for (const char* name : {"curl_multi_init", "curl_easy_init", "SSL_CTX_new", "SSL_new", "EVP_DigestInit_ex", "CRYPTO_malloc", "OPENSSL_init_ssl"}) {
    Dl_info info;
    void* p = library_symbol(RTLD_DEFAULT, name);
    if (!p || !dladdr(p, &info) || !info.dli_fname) continue;
    const char* slash = strrchr(info.dli_fname, '/');
    const char* base = slash ? slash + 1 : info.dli_fname;
    bool shared = false;
    for (const char* ours : {"libcurl.so.4", "libssl.so.3", "libcrypto.so.3"}) shared = shared || strncmp(base, ours, strlen(ours)) == 0;
    if (!shared) return true;
  }
  return false;
}

}  // namespace

std::string find_plugin() {
  std::string own;
  char buf[PATH_MAX];
  Dl_info info;
  link_map* map = nullptr;
  if (!dladdr1(reinterpret_cast<void*>(&find_plugin), &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) || !map) return {};
  bool program = !map->l_name || !*map->l_name;  // linked into the program itself
  if (program) {
    ssize_t n = readlink("/proc/self/exe", buf, sizeof buf - 1);
    if (n <= 0) return {};
    own.assign(buf, static_cast<size_t>(n));
  } else {
    if (!realpath(map->l_name, buf)) return {};
    own = buf;
  }
  std::string dir(path_dir(own));
  // A library looks beside itself and in the folder `cchain` there, where it is installed; a program, in the same folders of the lib next to its own.
  for (const char* where : {"", "/cchain", "/../lib/cchain", "/../lib64/cchain", "/..", "/../lib"}) {
    if (!program && where[0] && where[1] == '.') break;
    std::string path = dir + where + "/cchain-remote.so";
    if (access(path.c_str(), R_OK) == 0 && realpath(path.c_str(), buf)) return buf;
  }
  return {};
}

const cc_plugin* load_plugin(const std::string& path, std::string* error) {
  static std::mutex mutex;
  static const cc_plugin* plugin = nullptr;
  static std::string failed;
  std::lock_guard<std::mutex> lock(mutex);
  if (plugin) return plugin;
  if (failed.empty()) {
    if (path.empty()) {
      failed = "cchain-remote.so is not there where it should be";
    } else {
      // Its own libraries come first for it, so that a host's curl or OpenSSL is no danger. That would also give it another malloc than the C library's
      // functions use in a host that brings one; there it is done only if the host shows symbols of such libraries.
      int deep = !foreign_malloc() || foreign_network() ? RTLD_DEEPBIND : 0;
      std::string why;
      void* handle = load_library(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | deep, &why);
      auto get = handle ? reinterpret_cast<cc_plugin_get_fn>(library_symbol(handle, CC_PLUGIN_ENTRY)) : nullptr;
      const cc_plugin* p = get ? get(CC_PLUGIN_VERSION) : nullptr;
      if (p && p->struct_size >= sizeof *p && p->version == CC_PLUGIN_VERSION) return plugin = p;
      failed = !handle ? "cchain-remote.so can't be loaded: " + why : "cchain-remote.so is of another version";
    }
  }
  *error = failed;
  return nullptr;
}

}  // namespace cchain
