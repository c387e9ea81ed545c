#pragma once

#include <bpf/bpf.h>
#include <napi.h>

#include <array>
#include <cerrno>
#include <string>

#include "args.h"
#include "error.h"
#include "fd.h"

namespace vipd {

enum Kind : uint8_t { kMap, kProgram, kLink, kKinds };

/// What one JavaScript environment owns; nothing of it is static, so that environments cannot meet.
struct Addon {
  std::array<Napi::FunctionReference, kKinds> constructors;
  /// The descriptor that the constructor being called takes over. Only native code can fill it.
  Fd incoming;
};

/// What the kernel calls the object behind a descriptor: "bpf-map", "bpf-prog", "bpf-link".
std::string KernelObject(int fd);

/// A JavaScript object that owns the descriptor of a BPF object. T gives kKind, kTag and kKernelObject.
template <class T>
class Handle : public Napi::ObjectWrap<T> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info) {
    Addon* addon = info.Env().template GetInstanceData<Addon>();
    if (!addon->incoming.valid()) throw Napi::TypeError::New(info.Env(), "Illegal constructor");
    fd_ = std::move(addon->incoming);
    info.This().template As<Napi::Object>().TypeTag(&T::kTag);
  }

  /// The JavaScript object for a descriptor; takes it over even when it throws.
  static Napi::Object Adopt(Napi::Env env, const char* op, Fd fd) {
    if (!fd.valid()) throw MakeError(env, {op, errno});
    std::string found = KernelObject(fd.get());
    if (found != T::kKernelObject) {
      throw MakeError(env, {op, EINVAL, "is a " + found + ", not a " + T::kKernelObject});
    }
    Addon* addon = env.GetInstanceData<Addon>();
    addon->incoming = std::move(fd);
    Napi::Object object = addon->constructors[T::kKind].New({});
    return object;
  }

  static Napi::Value OpenPinned(const Napi::CallbackInfo& info) {
    std::string path = TextArg(info, 0, "open", "path");
    return Adopt(info.Env(), "open", Fd(bpf_obj_get(path.c_str())));
  }

  /// The handle passed as an argument. @throws EINVAL for anything else, EBADF when it is closed
  static T* Arg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name) {
    bool ours = info[index].IsObject() && info[index].As<Napi::Object>().CheckTypeTag(&T::kTag);
    if (!ours) throw MakeError(info.Env(), {op, EINVAL, std::string(name) + " must be a " + T::kKernelObject});
    return Napi::ObjectWrap<T>::Unwrap(info[index].As<Napi::Object>());
  }

  /// The descriptor. @throws EBADF when the handle is closed
  int fd(const char* op) const {
    if (!fd_.valid()) throw MakeError(this->Env(), {op, EBADF, "handle is closed"});
    return fd_.get();
  }

  void Pin(const Napi::CallbackInfo& info) {
    std::string path = TextArg(info, 0, "pin", "path");
    if (bpf_obj_pin(fd("pin"), path.c_str()) != 0) throw MakeError(info.Env(), {"pin", errno});
  }

  void Close(const Napi::CallbackInfo&) { fd_.Close(); }

  Napi::Value Closed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), !fd_.valid()); }

 protected:
  /// Fills a bpf_*_info struct. @throws EBADF and what the kernel answers
  template <class Info>
  Info Query(const char* op) const {
    Info info = {};
    uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd(op), &info, &size) != 0) throw MakeError(this->Env(), {op, errno});
    return info;
  }

 private:
  Fd fd_;
};

}  // namespace vipd
