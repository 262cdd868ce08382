// The disk layer: the only file that knows the layout on disk.
//
//   <root>/<space>/<tenant>/<hh>/<hex>/<blob>   space: compile, inputs, source, manifest
//   <root>/index                                sizes and last uses (index.h), so that eviction needs no scan
//   <root>/index@<tenant>                       the same of a tenant that has a share of its own
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "layers/layer.h"

namespace cchain {

struct DiskOptions {
  std::string path;            // root; made when first written
  uint64_t max_size = 10ull << 30;
  std::vector<std::pair<std::string, uint64_t>> tenants;  // shares of it that are one tenant's alone; the others have what is left
  int umask = -1;              // >= 0: modes of what is made, for teams
  bool read_only = false;
};

// Never fails: what is wrong with the root shows as errors of the calls and in the log.
std::unique_ptr<Layer> make_disk_layer(std::string name, DiskOptions options, const Log* log);

}  // namespace cchain
