#pragma once

#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <vector>

#include "fd.h"
#include "poller.h"

namespace vipd {

/// Reads a ring buffer map from the event loop: one JavaScript call per wake, with all events that were there.
class RingBuffer : public Napi::ObjectWrap<RingBuffer> {
 public:
  static Napi::Function Define(Napi::Env env);
  /// new RingBuffer(map, (events: Buffer, lengths: Uint32Array) => void)
  explicit RingBuffer(const Napi::CallbackInfo& info);

 private:
  struct Freer {
    void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
  };

  static int Collect(void* self, void* event, size_t size);
  void Deliver();
  void Close(const Napi::CallbackInfo&);

  std::vector<uint8_t> events_;
  std::vector<uint32_t> lengths_;
  std::unique_ptr<Listener> listener_;
  Fd map_;  // of our own: epoll forgets a map whose descriptor is closed
  std::unique_ptr<ring_buffer, Freer> ring_;
  std::unique_ptr<Poller> poller_;  // last: stops before what it polls goes
};

}  // namespace vipd
