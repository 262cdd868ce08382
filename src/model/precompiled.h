// What is known of gcc's precompiled headers in this account, by their bytes.
//
// gcc never makes the same one twice: what a compile with one depends on is what the header was made of, the key of its own result. Only a header that was made or
// delivered through the cache is known. See DESIGN.md, "Precompiled headers".
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "base/table.h"

namespace cchain {

struct Precompiled {
  Digest made_of;        // the key that its inputs gave
  int64_t since_ns = 0;  // they had been what it was made of at that time
};

// `bytes`: SHA-256 of the file.
void remember_precompiled(Table* memo, const Digest& bytes, const Precompiled& what);
bool find_precompiled(Table& memo, const Digest& bytes, Precompiled* what);

// The texts that one was made of, whose macros it brings: nothing ties it to the header that it stands beside.
void remember_texts(BlobLog* log, const Digest& bytes, const std::vector<Digest>& texts);
// False if they are not known, or one of them is not among `texts`.
bool made_of_these(BlobLog* log, const Digest& bytes, const std::vector<Digest>& texts);

}  // namespace cchain
