// A layer that the host brings: the C table of cchain_layer.h as a Layer.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "base/log.h"
#include "cchain_layer.h"
#include "layers/layer.h"

namespace cchain {
bool valid_host_layer(const cc_host_layer& host);
std::unique_ptr<Layer> make_host_layer(const cc_host_layer& host, uint64_t max_size, const Log* log);
}
