#include "datagram.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "args.h"
#include "error.h"

namespace vipd {
namespace {

/// Batches before other events get their turn.
constexpr int kRounds = 4;

sockaddr_storage MakeAddress(Bytes bytes, uint16_t port) {
  sockaddr_storage storage = {};
  if (bytes.size == 4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    memcpy(&v4->sin_addr, bytes.data, 4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, bytes.data, 16);
  }
  return storage;
}

/// The larger buffer only with CAP_NET_ADMIN; what the kernel gives is enough to go on.
void SetReceiveBuffer(int fd, int size) {
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == 0) return;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

bool IsWildcard(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(&address)->sin_addr.s_addr == htonl(INADDR_ANY);
  }
  return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr);
}

/// Bound, non-blocking; invalid (with errno set) when that fails.
Fd Bind(const sockaddr_storage& address, bool shared, int receiveBuffer) {
  Fd fd(socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fd;
  int on = 1;
  if (address.ss_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (shared && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return Fd();
  SetReceiveBuffer(fd.get(), receiveBuffer);
  if (IsWildcard(address) && !TellLocal(fd.get(), address.ss_family)) return Fd();
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), AddressSize(address.ss_family)) == 0) return fd;
  int error = errno;
  fd.Close();
  errno = error;
  return fd;
}

uint8_t* BytesOf(const Napi::Object& object, const char* name, size_t size) {
  Napi::Value value = object.Get(name);
  if (!value.IsTypedArray()) return nullptr;
  auto array = value.As<Napi::Uint8Array>();
  return array.ByteLength() == size ? array.Data() : nullptr;
}

}  // namespace

Napi::Function Datagram::Define(Napi::Env env) {
  return DefineClass(env, "Datagram",
                     {
                         InstanceMethod<&Datagram::Send>("send"),
                         InstanceMethod<&Datagram::Port>("port"),
                         InstanceMethod<&Datagram::Dropped>("dropped"),
                         InstanceMethod<&Datagram::Close>("close"),
                     });
}

/// new Datagram(address, port, shared, receiveBuffer, threaded, onBatch): `shared` lets others bind the same address and port
/// (SO_REUSEPORT); `threaded` has a thread of its own receive and send. Its property `memory` holds the slots; onBatch(count) finds `count` datagrams in them and leaves its
/// answers there, length 0 for none.
Datagram::Datagram(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  Bytes bytes = BytesArg(info, 0, "bind", "address");
  uint32_t port = UintArg(info, 1, "bind", "port");
  bool shared = FlagArg(info, 2, "bind", "shared");
  uint32_t receiveBuffer = UintArg(info, 3, "bind", "receiveBuffer");
  bool threaded = FlagArg(info, 4, "bind", "threaded");
  Napi::Function onBatch = FunctionArg(info, 5, "bind", "onBatch");
  if (bytes.size != 4 && bytes.size != 16) throw MakeError(env, {"bind", EINVAL, "address must be 4 or 16 bytes long"});
  if (port > 65535) throw MakeError(env, {"bind", EINVAL, "port must be at most 65535"});
  sockaddr_storage address = MakeAddress(bytes, static_cast<uint16_t>(port));
  family_ = address.ss_family;
  fd_ = Bind(address, shared, static_cast<int>(std::min<uint32_t>(receiveBuffer, 1u << 30)));
  if (!fd_.valid()) throw MakeError(env, {"bind", errno});
  Napi::Object memory = Napi::Object::New(env);
  memory.Set("in", Napi::Buffer<uint8_t>::New(env, kSlots * kInStride));
  memory.Set("inLengths", Napi::Buffer<uint8_t>::New(env, kSlots * sizeof(uint32_t)));
  memory.Set("out", Napi::Buffer<uint8_t>::New(env, kSlots * kOutStride));
  memory.Set("outLengths", Napi::Buffer<uint8_t>::New(env, kSlots * sizeof(uint32_t)));
  memory.Set("peers", Napi::Buffer<uint8_t>::New(env, kSlots * kPeerStride));
  memory_ = Napi::Persistent(memory);
  info.This().As<Napi::Object>().Set("memory", memory);
  listener_ = std::make_unique<Listener>(env, onBatch, "vipd.datagram");
  if (threaded) {
    auto answer = [this](const Batch& batch, int count) { OnBatch(batch, count); };
    courier_ = std::make_unique<Courier>(env, fd_.get(), family_, answer);
  } else {
    poller_ = std::make_unique<Poller>(env, fd_.get(), [this] { OnReadable(); });
  }
  Ref();
}

bool Datagram::Lookup(Batch* memory) {
  Napi::Object object = memory_.Value();
  memory->in = BytesOf(object, "in", kSlots * kInStride);
  memory->inLengths = BytesOf(object, "inLengths", kSlots * sizeof(uint32_t));
  memory->out = BytesOf(object, "out", kSlots * kOutStride);
  memory->outLengths = BytesOf(object, "outLengths", kSlots * sizeof(uint32_t));
  memory->peers = BytesOf(object, "peers", kSlots * kPeerStride);
  return memory->in && memory->inLengths && memory->out && memory->outLengths && memory->peers;
}

void Datagram::OnReadable() {
  Napi::HandleScope scope(Env());
  [[maybe_unused]] Napi::Object self = Value();  // the listener may close this object, and the collector take it while it runs
  for (int round = 0; round < kRounds && fd_.valid(); ++round) {
    Batch memory;
    if (!Lookup(&memory)) return poller_.reset();
    int count = ReceiveBatch(fd_.get(), memory);
    if (count <= 0) return;
    listener_->Call({Napi::Number::New(Env(), count)});
    if (fd_.valid() && Lookup(&memory)) unsent_ += SendBatch(fd_.get(), family_, memory, count);
    if (count < static_cast<int>(kSlots)) return;
  }
}

/// A batch that a courier has brought: copied into the memory of JavaScript, for that may be taken away at any time.
void Datagram::OnBatch(const Batch& batch, int count) {
  Napi::HandleScope scope(Env());
  [[maybe_unused]] Napi::Object self = Value();
  Batch memory;
  if (!Lookup(&memory)) return;
  memcpy(memory.inLengths, batch.inLengths, kSlots * sizeof(uint32_t));
  memset(memory.outLengths, 0, kSlots * sizeof(uint32_t));
  memcpy(memory.peers, batch.peers, static_cast<size_t>(count) * kPeerStride);
  for (int i = 0; i < count; ++i) {
    memcpy(memory.in + i * kInStride, batch.in + i * kInStride, LengthAt(batch.inLengths, i));
  }
  listener_->Call({Napi::Number::New(Env(), count)});
  // Closed meanwhile, the batch is gone.
  if (!fd_.valid() || !Lookup(&memory)) return;
  memcpy(batch.outLengths, memory.outLengths, kSlots * sizeof(uint32_t));
  for (int i = 0; i < count; ++i) {
    size_t length = std::min(LengthAt(memory.outLengths, i), kOutStride);
    memcpy(batch.out + i * kOutStride, memory.out + i * kOutStride, length);
  }
}

/// send(bytes, peer): an answer that came later; peer is a slot of `memory.peers`. False when the kernel did not take it.
Napi::Value Datagram::Send(const Napi::CallbackInfo& info) {
  Bytes bytes = BytesArg(info, 0, "send", "bytes");
  Bytes peer = BytesArg(info, 1, "send", "peer", kPeerStride);
  if (!fd_.valid()) return Napi::Boolean::New(info.Env(), false);
  sa_family_t family;
  memcpy(&family, peer.data, sizeof family);
  if (family != family_) throw MakeError(info.Env(), {"send", EINVAL, "peer is of another family"});
  bool sent = SendTo(fd_.get(), family_, bytes.data, bytes.size, peer.data);
  if (!sent) ++unsent_;
  return Napi::Boolean::New(info.Env(), sent);
}

Napi::Value Datagram::Port(const Napi::CallbackInfo& info) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw MakeError(info.Env(), {"port", errno});
  }
  // The port is at the same place in both families.
  return Napi::Number::New(info.Env(), ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port));
}

/// dropped(): datagrams the kernel threw away for want of room, and answers it did not take, both since the start.
Napi::Value Datagram::Dropped(const Napi::CallbackInfo& info) {
  uint32_t values[SK_MEMINFO_VARS] = {};
  socklen_t size = sizeof values;
  if (fd_.valid()) getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, values, &size);
  Napi::Object dropped = Napi::Object::New(info.Env());
  dropped.Set("received", Napi::Number::New(info.Env(), values[SK_MEMINFO_DROPS]));
  uint64_t unsent = unsent_ + (courier_ ? courier_->unsent() : 0);
  dropped.Set("sent", Napi::Number::New(info.Env(), static_cast<double>(unsent)));
  return dropped;
}

void Datagram::Close(const Napi::CallbackInfo&) {
  bool open = fd_.valid();
  poller_.reset();
  if (courier_) unsent_ += courier_->unsent();
  courier_.reset();
  fd_.Close();
  if (open) Unref();
}

}  // namespace vipd
