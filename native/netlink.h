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
  /// new Netlink(protocol, namespace): `namespace` is the path of a network namespace, undefined stays in this one
  explicit Netlink(const Napi::CallbackInfo& info);

 private:
  class Exchange;

  Napi::Value Request(const Napi::CallbackInfo& info);
  Napi::Value RequestAside(const Napi::CallbackInfo& info);
  void Listen(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo&);

  nl_sock* Get(const char* op) const;
  void Drain();

  /// Shared with an exchange under way: closing meanwhile takes effect at its end.
  std::shared_ptr<nl_sock> socket_;
  /// An exchange is under way; the socket is its thread's alone.
  bool busy_ = false;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Poller> poller_;  // last: stops before what it polls goes
};

}  // namespace vipd
