#pragma once

#include <napi.h>
#include <netlink/netlink.h>

#include <memory>

#include "poller.h"

namespace vipd {

/// A netlink socket. Messages are bytes; what they mean is JavaScript's business.
class Netlink : public Napi::ObjectWrap<Netlink> {
 public:
  static Napi::Function Define(Napi::Env env);
  /// new Netlink(protocol)
  explicit Netlink(const Napi::CallbackInfo& info);

 private:
  struct Freer {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };

  Napi::Value Request(const Napi::CallbackInfo& info);
  void Listen(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo&);

  nl_sock* Get(const char* op) const;
  void Drain();

  std::unique_ptr<nl_sock, Freer> socket_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Poller> poller_;  // last: stops before what it polls goes
};

}  // namespace vipd
