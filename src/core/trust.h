// Whose word is taken for what a layer gives, and how what is put there is vouched for.
//
// Without keys in the configuration there is no Trust at all. With keys for any layer of the chain, each other layer of this user's own has one too: it may
// hold what was copied there before there were keys.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/table.h"
#include "layers/layer.h"
#include "model/entry.h"
#include "model/seal.h"

namespace cchain {

using SealKeyPtr = std::shared_ptr<const SealKey>;

// A key file: it and the way to it must be out of others' reach. "" or what is wrong.
std::string load_key(const std::string& path, bool to_sign, SealKeyPtr* out);
// Makes a key and writes it to `path`, which must not exist (mode 0600), the public half of an "ed25519" key to `path`.pub. "" or what is wrong.
std::string make_key(std::string_view algorithm, const std::string& path);

// 16 bytes that only this user's processes know, made when they are first asked for. "" if there is no private folder.
std::string local_token(const std::string& state_dir);

class Trust {
 public:
  // Who vouches: the number of a key, 0 this user; nobody.
  using Voucher = std::optional<uint64_t>;

  // Of a layer with keys.
  Trust(Layer* layer, SealKeyPtr sign, std::vector<SealKeyPtr> verify, Table* verified)
      : layer_(layer), sign_(std::move(sign)), keys_(std::move(verify)), verified_(verified) {}
  // Of this user's own layer: what one of `keys` (all those of the chain) has signed is taken too.
  Trust(Layer* layer, std::vector<SealKeyPtr> keys, std::string token, Table* verified)
      : layer_(layer), keys_(std::move(keys)), verified_(verified), own_(true), token_(std::move(token)) {}

  // Asked while a blob is decoded.
  class Check final : public SealCheck {
   public:
    Check(const Trust* trust, const Address& a) : trust_(trust), address_(a) {}
    bool good(std::string_view sealed, const Seal* seal) override;
    Voucher voucher;
    std::string why;  // not

   private:
    const Trust* trust_;
    const Address& address_;
  };

  // Puts the seal behind `bytes` (which has none) that will be believed here. False: there is none that we could make.
  bool seal(const Address& a, Voucher voucher, std::string* bytes) const;
  // Whether that could ever be true.
  bool can_seal() const { return sign_ || (own_ && !token_.empty()); }
  // Whether a seal from elsewhere, which was found good there, is good here as it is.
  bool takes(const Seal& seal) const { return seal.kind >= SealKind::kHmac && find(seal.key_id); }

  EntryState open_record(const Address& a, std::string_view bytes, const Digest& key, InputsRecord* r, std::string* why = nullptr) const;
  // False: it can't be vouched for.
  bool make_record(const Address& a, const InputsRecord& r, const Digest& key, std::string* out) const;

  // Whether something was left undecided for want of a library (the static command).
  bool wants_library() const { return wants_library_.load(std::memory_order_relaxed); }
  bool own() const { return own_; }

 private:
  const SealKey* find(uint64_t id) const;

  Layer* layer_;
  SealKeyPtr sign_;
  std::vector<SealKeyPtr> keys_;
  Table* verified_;  // Ed25519 signatures that were found good, by any process of this user's
  bool own_ = false;
  std::string token_;
  mutable std::atomic<bool> wants_library_{false};
};

}  // namespace cchain
