#include "ringbuf.h"

#include <algorithm>
#include <cerrno>

#include "map.h"

namespace vipd {
namespace {

/// A wake ends here even while the kernel goes on filling; the descriptor stays readable, so the rest comes next time.
constexpr size_t kMaxPerWake = 65536;

}  // namespace

Napi::Function RingBuffer::Define(Napi::Env env) {
  return DefineClass(env, "RingBuffer", {InstanceMethod<&RingBuffer::Close>("close")});
}

RingBuffer::RingBuffer(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Map* map = Map::Arg(info, 0, "listen", "map");
  Napi::Function function = FunctionArg(info, 1, "listen", "onEvents");
  int fd = map->fd("listen");
  if (map->shape().type != BPF_MAP_TYPE_RINGBUF) throw MakeError(info.Env(), {"listen", EINVAL, "is no ring buffer"});
  map_ = Fd::Duplicate(fd);
  if (map_.valid()) ring_.reset(ring_buffer__new(map_.get(), Collect, this, nullptr));
  if (!ring_) throw MakeError(info.Env(), {"listen", errno});
  listener_ = std::make_unique<Listener>(info.Env(), function, "vipd.ringbuf");
  poller_ = std::make_unique<Poller>(info.Env(), ring_buffer__epoll_fd(ring_.get()), [this] { Deliver(); });
  Ref();  // events keep coming although nobody in JavaScript may hold this object
}

int RingBuffer::Collect(void* self, void* event, size_t size) {
  auto* ring = static_cast<RingBuffer*>(self);
  auto* bytes = static_cast<uint8_t*>(event);
  ring->events_.insert(ring->events_.end(), bytes, bytes + size);
  ring->lengths_.push_back(static_cast<uint32_t>(size));
  return ring->lengths_.size() < kMaxPerWake ? 0 : -ECANCELED;
}

void RingBuffer::Deliver() {
  ring_buffer__consume(ring_.get());
  if (lengths_.empty()) return;
  Napi::HandleScope scope(Env());
  auto events = Napi::Buffer<uint8_t>::Copy(Env(), events_.data(), events_.size());
  auto lengths = Napi::Uint32Array::New(Env(), lengths_.size());
  std::copy(lengths_.begin(), lengths_.end(), lengths.Data());
  events_.clear();
  lengths_.clear();
  listener_->Call({events, lengths});  // may close this object: nothing after it
}

void RingBuffer::Close(const Napi::CallbackInfo&) {
  if (!poller_) return;
  poller_.reset();
  ring_.reset();
  map_.Close();
  Unref();
}

}  // namespace vipd
