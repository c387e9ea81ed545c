#include "poller.h"

#include "error.h"

namespace vipd {

Poller::Poller(Napi::Env env, int fd, std::function<void()> ready) : state_(new State{{}, std::move(ready)}) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  int error = uv_poll_init(loop, &state_->poll, fd);
  if (error != 0) {
    delete state_;
    throw MakeError(env, {"poll", -error});
  }
  state_->poll.data = state_;
  uv_poll_start(&state_->poll, UV_READABLE,
                [](uv_poll_t* poll, int, int) { static_cast<State*>(poll->data)->ready(); });
}

Poller::~Poller() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->poll),
           [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

Listener::Listener(Napi::Env env, Napi::Function function, const char* name)
    : function_(Napi::Persistent(function)), context_(env, name) {}

void Listener::Call(std::initializer_list<napi_value> args) {
  Napi::Env env = function_.Env();
  try {
    function_.Value().MakeCallback(env.Global(), args, context_);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

}  // namespace vipd
