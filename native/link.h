#pragma once

#include "handle.h"

namespace vipd {

/// An attachment of a program to a cgroup or an interface. It ends with its last descriptor or pin.
class Link : public Handle<Link> {
 public:
  static constexpr Kind kKind = kLink;
  static constexpr napi_type_tag kTag = {0x5be1907a3df84c62, 0x8f3d1e6b90a74c25};
  static constexpr const char* kKernelObject = "bpf-link";

  static Napi::Function Define(Napi::Env env);
  explicit Link(const Napi::CallbackInfo& info) : Handle(info) {}

 private:
  static Napi::Value AttachCgroup(const Napi::CallbackInfo& info);
  static Napi::Value AttachInterface(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  void Update(const Napi::CallbackInfo& info);
  void Detach(const Napi::CallbackInfo& info);
};

}  // namespace vipd
