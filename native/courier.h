#pragma once

#include <napi.h>
#include <uv.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "batch.h"
#include "fd.h"

namespace vipd {

/// Receives and sends for a socket in a thread of its own: the system calls are most of the work, and with several sockets
/// they are on several CPUs, while JavaScript answers on one. A batch at a time is under way.
class Courier {
 public:
  /// `answer` is called from the event loop with a batch and how many datagrams are in it, and leaves the answers there.
  /// Error gets libuv's or the system's code when it fails. Does not own the descriptor.
  Courier(Napi::Env env, int fd, sa_family_t family, std::function<void(const Batch&, int)> answer);
  /// Ends the thread and waits for that. May be called from inside `answer`.
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  /// Answers the kernel did not take.
  uint64_t unsent() const { return unsent_; }

 private:
  void Run();
  bool Wait();
  void Answer();

  std::vector<uint8_t> memory_;
  Batch batch_;
  const int fd_;
  const sa_family_t family_;
  std::function<void(const Batch&, int)> answer_;
  std::atomic<uint64_t> unsent_{0};
  /// Readable once the thread is to end.
  Fd stop_;
  std::mutex mutex_;
  std::condition_variable answered_;
  /// Datagrams that wait for their answers; 0 when it is the thread's turn. Under the mutex, as `ending_` is.
  int waiting_ = 0;
  bool ending_ = false;
  /// Outlives this object until the loop has closed it.
  uv_async_t* received_;
  std::thread thread_;
};

}  // namespace vipd
