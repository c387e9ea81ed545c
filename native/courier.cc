#include "courier.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>

#include "error.h"

namespace vipd {
namespace {

constexpr size_t kLengths = kSlots * sizeof(uint32_t);
constexpr size_t kMemory = kSlots * (kInStride + kOutStride + kPeerStride) + 2 * kLengths;

Batch Divide(uint8_t* at) {
  Batch batch;
  batch.in = at;
  batch.out = batch.in + kSlots * kInStride;
  batch.peers = batch.out + kSlots * kOutStride;
  batch.inLengths = batch.peers + kSlots * kPeerStride;
  batch.outLengths = batch.inLengths + kLengths;
  return batch;
}

/// Signals are for the main thread: what a thread starts with, it keeps.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

void CloseAsync(uv_async_t* async) {
  uv_close(reinterpret_cast<uv_handle_t*>(async),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_async_t*>(handle); });
}

}  // namespace

Courier::Courier(Napi::Env env, int fd, sa_family_t family, std::function<void(const Batch&, int)> answer)
    : memory_(kMemory), batch_(Divide(memory_.data())), fd_(fd), family_(family), answer_(std::move(answer)),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_.valid()) throw MakeError(env, {"thread", errno});
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  received_ = new uv_async_t;
  int error = uv_async_init(loop, received_, [](uv_async_t* async) { static_cast<Courier*>(async->data)->Answer(); });
  if (error != 0) {
    delete received_;
    throw MakeError(env, {"thread", -error});
  }
  received_->data = this;
  SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& failure) {
    CloseAsync(received_);
    throw MakeError(env, {"thread", failure.code().value()});
  }
}

Courier::~Courier() {
  eventfd_write(stop_.get(), 1);
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  answered_.notify_one();
  thread_.join();
  CloseAsync(received_);
}

void Courier::Run() {
  while (Wait()) {
    int count = ReceiveBatch(fd_, batch_);
    if (count <= 0) continue;
    std::unique_lock lock(mutex_);
    waiting_ = count;
    uv_async_send(received_);
    answered_.wait(lock, [this] { return waiting_ == 0 || ending_; });
    if (ending_) return;
    lock.unlock();
    unsent_ += SendBatch(fd_, family_, batch_, count);
  }
}

/// False when it is time to end. An error of the socket is read, and so cleared, by the next receive.
bool Courier::Wait() {
  pollfd waited[] = {{fd_, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
  while (poll(waited, 2, -1) < 0 && errno == EINTR) {
  }
  return waited[1].revents == 0;
}

/// In the event loop.
void Courier::Answer() {
  int count;
  {
    std::lock_guard lock(mutex_);
    count = waiting_;
  }
  if (count == 0) return;
  std::function<void(const Batch&, int)> answer = answer_;  // it may destroy this object
  uv_async_t* received = received_;
  answer(batch_, count);
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(received))) return;
  {
    std::lock_guard lock(mutex_);
    waiting_ = 0;
  }
  answered_.notify_one();
}

}  // namespace vipd
