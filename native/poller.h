#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>
#include <initializer_list>

namespace vipd {

/// Calls `ready` from the event loop whenever the descriptor is readable. Does not own the descriptor; destroy the
/// Poller first. It may be destroyed from inside `ready`.
class Poller {
 public:
  /// Error gets libuv's negative code when it fails.
  Poller(Napi::Env env, int fd, std::function<void()> ready);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

 private:
  struct State {
    uv_poll_t poll;
    std::function<void()> ready;
  };
  /// Outlives this object until the loop has closed the handle.
  State* state_;
};

/// A JavaScript function to be called from the event loop, outside any JavaScript.
class Listener {
 public:
  Listener(Napi::Env env, Napi::Function function, const char* name);
  /// What the function throws becomes an uncaught exception: nobody else could catch it.
  void Call(std::initializer_list<napi_value> args);

 private:
  Napi::FunctionReference function_;
  Napi::AsyncContext context_;
};

}  // namespace vipd
