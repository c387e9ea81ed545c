#pragma once

#include <napi.h>
#include <sys/socket.h>

#include <memory>

#include "fd.h"
#include "poller.h"

namespace vipd {

/// A UDP socket that is served in batches: one system call takes many datagrams, one call into JavaScript answers them,
/// one system call sends the answers. Bytes only; what they mean JavaScript knows.
class Datagram : public Napi::ObjectWrap<Datagram> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Datagram(const Napi::CallbackInfo& info);

 private:
  static constexpr uint32_t kSlots = 64;
  static constexpr uint32_t kInStride = 4096;
  static constexpr uint32_t kOutStride = 6144;
  /// sockaddr_in6, the larger of the two.
  static constexpr uint32_t kPeerStride = 28;

  /// The memory that JavaScript shares, looked up anew for every batch: it could have been detached meanwhile.
  struct Memory {
    uint8_t* in;
    uint8_t* inLengths;
    uint8_t* out;
    uint8_t* outLengths;
    uint8_t* peers;
  };

  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value Port(const Napi::CallbackInfo& info);
  Napi::Value Dropped(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReadable();
  bool Lookup(Memory* memory);
  int Receive(const Memory& memory);
  void Answer(const Memory& memory, int count);

  Fd fd_;
  sa_family_t family_ = 0;
  /// Answers the kernel did not take.
  uint64_t unsent_ = 0;
  Napi::ObjectReference memory_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Poller> poller_;
};

}  // namespace vipd
