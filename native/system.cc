#include "system.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "args.h"
#include "error.h"
#include "fd.h"

namespace vipd {
namespace {

using BtfPointer = std::unique_ptr<btf, decltype(&btf__free)>;

/// libbpf answers 1, 0 or a negative errno.
Napi::Value Probed(const Napi::CallbackInfo& info, int result) {
  if (result < 0) throw MakeError(info.Env(), {"probe", -result});
  return Napi::Boolean::New(info.Env(), result == 1);
}

}  // namespace

void Notify(const Napi::CallbackInfo& info) {
  std::string path = TextArg(info, 0, "notify", "path");
  std::string message = TextArg(info, 1, "notify", "message");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) throw MakeError(info.Env(), {"notify", ENAMETOOLONG});
  memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  // An abstract name ends where the length says, not at a NUL.
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid() || sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&address), length) < 0) {
    throw MakeError(info.Env(), {"notify", errno});
  }
}

void MountBpffs(const Napi::CallbackInfo& info) {
  std::string path = TextArg(info, 0, "mount", "path");
  if (mount("bpf", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    throw MakeError(info.Env(), {"mount", errno});
  }
}

Napi::Value ProbeProgramType(const Napi::CallbackInfo& info) {
  auto type = static_cast<bpf_prog_type>(UintArg(info, 0, "probe", "type"));
  return Probed(info, libbpf_probe_bpf_prog_type(type, nullptr));
}

Napi::Value ProbeMapType(const Napi::CallbackInfo& info) {
  auto type = static_cast<bpf_map_type>(UintArg(info, 0, "probe", "type"));
  return Probed(info, libbpf_probe_bpf_map_type(type, nullptr));
}

Napi::Value ProbeHelper(const Napi::CallbackInfo& info) {
  auto type = static_cast<bpf_prog_type>(UintArg(info, 0, "probe", "programType"));
  auto helper = static_cast<bpf_func_id>(UintArg(info, 1, "probe", "helper"));
  return Probed(info, libbpf_probe_bpf_helper(type, helper, nullptr));
}

Napi::Value KernelFunctions(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) throw MakeError(info.Env(), {"probe", EINVAL, "names must be an array"});
  auto names = info[0].As<Napi::Array>();
  BtfPointer kernel(btf__load_vmlinux_btf(), btf__free);
  if (!kernel) throw MakeError(info.Env(), {"probe", errno});
  auto found = Napi::Array::New(info.Env(), names.Length());
  for (uint32_t i = 0; i < names.Length(); ++i) {
    std::string name = names.Get(i).ToString();
    found[i] = Napi::Boolean::New(info.Env(), btf__find_by_name_kind(kernel.get(), name.c_str(), BTF_KIND_FUNC) > 0);
  }
  return found;
}

Napi::Value KernelBtf(const Napi::CallbackInfo& info) {
  BtfPointer types(btf__load_from_kernel_by_id(UintArg(info, 0, "btf", "id")), btf__free);
  if (!types) throw MakeError(info.Env(), {"btf", errno});
  uint32_t size = 0;
  const void* bytes = btf__raw_data(types.get(), &size);
  if (bytes == nullptr) throw MakeError(info.Env(), {"btf", ENOMEM});
  return Napi::Buffer<uint8_t>::Copy(info.Env(), static_cast<const uint8_t*>(bytes), size);
}

Napi::Value PossibleCpus(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), libbpf_num_possible_cpus());
}

}  // namespace vipd
