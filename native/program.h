#pragma once

#include "handle.h"

namespace vipd {

/// A loaded program.
class Program : public Handle<Program> {
 public:
  static constexpr Kind kKind = kProgram;
  static constexpr napi_type_tag kTag = {0x2f60b1d84c9e4a73, 0x96e0d2a5137b48fc};
  static constexpr const char* kKernelObject = "bpf-prog";

  static Napi::Function Define(Napi::Env env);
  explicit Program(const Napi::CallbackInfo& info) : Handle(info) {}

 private:
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value TestRun(const Napi::CallbackInfo& info);
  void TestRunMany(const Napi::CallbackInfo& info);
};

}  // namespace vipd
