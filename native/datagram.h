#pragma once

#include <napi.h>
#include <sys/socket.h>

#include <memory>

#include "batch.h"
#include "courier.h"
#include "fd.h"
#include "poller.h"

namespace vipd {

/// A UDP socket that is served in batches: one system call takes many datagrams, one call into JavaScript answers them,
/// one system call sends the answers; by the event loop or by a courier. Bytes only; what they mean JavaScript knows.
class Datagram : public Napi::ObjectWrap<Datagram> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Datagram(const Napi::CallbackInfo& info);

 private:
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value Port(const Napi::CallbackInfo& info);
  Napi::Value Dropped(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReadable();
  void OnBatch(const Batch& batch, int count);
  /// The memory that JavaScript shares, looked up anew for every batch: it could have been detached meanwhile.
  bool Lookup(Batch* memory);

  Fd fd_;
  sa_family_t family_ = 0;
  /// Answers the kernel did not take.
  uint64_t unsent_ = 0;
  Napi::ObjectReference memory_;
  std::unique_ptr<Listener> listener_;
  /// One of the two.
  std::unique_ptr<Poller> poller_;
  std::unique_ptr<Courier> courier_;
};

}  // namespace vipd
