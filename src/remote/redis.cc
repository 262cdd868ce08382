// SPDX-License-Identifier: Apache-2.0
#include "remote/remote.h"
namespace remote {
std::unique_ptr<Backend> make_redis(const Settings&) { throw Refused("redis layers are not in this build"); }
}  // namespace remote
