// The disk layer: the only file that knows the layout on disk.
//
//   <root>/<space>/<tenant>/<hh>/<hex>/<blob>   space: compile, inputs, source, manifest
//   <root>/index                                sizes and last uses (index.h), so that eviction needs no scan
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include "base/log.h"
#include "layers/layer.h"

namespace cchain {

struct DiskOptions {
  std::string path;            // root; made when first written
  uint64_t max_size = 10ull << 30;
  int umask = -1;              // >= 0: modes of what is made, for teams
  bool read_only = false;
};

// Never fails: what is wrong with the root shows as errors of the calls and in the log.
std::unique_ptr<Layer> make_disk_layer(std::string name, DiskOptions options, const Log* log);

}  // namespace cchain
