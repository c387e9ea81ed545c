#pragma once

#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <string>
#include <unordered_map>

namespace vipd {

/// An opened BPF object file. Opening and everything before load() needs no privilege.
class Object : public Napi::ObjectWrap<Object> {
 public:
  static Napi::Function Define(Napi::Env env);
  /// new Object(bytes, name)
  explicit Object(const Napi::CallbackInfo& info);

 private:
  Napi::Value Btf(const Napi::CallbackInfo& info);
  Napi::Value Maps(const Napi::CallbackInfo& info);
  Napi::Value Programs(const Napi::CallbackInfo& info);
  Napi::Value Rodata(const Napi::CallbackInfo& info);
  void SetRodata(const Napi::CallbackInfo& info);
  void Resize(const Napi::CallbackInfo& info);
  void Reuse(const Napi::CallbackInfo& info);
  void Autoload(const Napi::CallbackInfo& info);
  void Load(const Napi::CallbackInfo& info);
  Napi::Value GetMap(const Napi::CallbackInfo& info);
  Napi::Value GetProgram(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo&) { object_.reset(); }

  /// The object, before load() unless `loaded`. @throws EBADF when closed, EBUSY when not in that state
  bpf_object* Get(const char* op, bool loaded = false) const;
  bpf_map* FindMap(const Napi::CallbackInfo& info, const char* op, bool loaded = false) const;
  bpf_program* FindProgram(const Napi::CallbackInfo& info, const char* op, bool loaded = false) const;

  struct Closer {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
  };
  std::unique_ptr<bpf_object, Closer> object_;
  /// As the source calls them: libbpf calls a map that reuses another by that one's name.
  std::unordered_map<std::string, bpf_map*> maps_;
  bool loaded_ = false;
};

}  // namespace vipd
