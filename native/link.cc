#include "link.h"

#include <cstring>

#include "program.h"

namespace vipd {
namespace {

/// BPF_LINK_TYPE_TCX, from kernel 6.6; older headers lack it.
constexpr uint32_t kLinkTcx = 11;

/// What bpf_link_info holds behind its header for a TCX link.
struct TcxLinkInfo {
  uint32_t ifindex;
  uint32_t attach_type;
};

bpf_attach_type AttachTypeArg(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<bpf_attach_type>(UintArg(info, index, "attach", "attachType"));
}

}  // namespace

Napi::Function Link::Define(Napi::Env env) {
  return DefineClass(env, "Link",
                     {
                         StaticMethod<&Link::AttachCgroup>("attachCgroup"),
                         StaticMethod<&Link::AttachInterface>("attachInterface"),
                         StaticMethod<&Link::OpenPinned>("openPinned"),
                         InstanceMethod<&Link::Info>("info"),
                         InstanceMethod<&Link::Update>("update"),
                         InstanceMethod<&Link::Detach>("detach"),
                         InstanceMethod("pin", &Link::Pin),
                         InstanceMethod("close", &Link::Close),
                         InstanceMethod("closed", &Link::Closed),
                     });
}

/// attachCgroup(program, path, attachType)
Napi::Value Link::AttachCgroup(const Napi::CallbackInfo& info) {
  int program = Program::Arg(info, 0, "attach", "program")->fd("attach");
  std::string path = TextArg(info, 1, "attach", "path");
  bpf_attach_type type = AttachTypeArg(info, 2);
  Fd cgroup(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.valid()) throw MakeError(info.Env(), {"attach", errno});
  return Adopt(info.Env(), "attach", Fd(bpf_link_create(program, cgroup.get(), type, nullptr)));
}

/// attachInterface(program, ifindex, attachType, flags): XDP and TCX. libbpf 1.1 knows no TCX, but the system call is
/// the same for both.
Napi::Value Link::AttachInterface(const Napi::CallbackInfo& info) {
  int program = Program::Arg(info, 0, "attach", "program")->fd("attach");
  int ifindex = static_cast<int>(UintArg(info, 1, "attach", "ifindex"));
  bpf_attach_type type = AttachTypeArg(info, 2);
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.flags = UintArg(info, 3, "attach", "flags");
  return Adopt(info.Env(), "attach", Fd(bpf_link_create(program, ifindex, type, &options)));
}

Napi::Value Link::Info(const Napi::CallbackInfo& info) {
  auto link = Query<bpf_link_info>("info");
  auto result = Napi::Object::New(info.Env());
  result.Set("id", link.id);
  result.Set("type", link.type);
  result.Set("progId", link.prog_id);
  if (link.type == BPF_LINK_TYPE_XDP) result.Set("ifindex", link.xdp.ifindex);
  if (link.type == BPF_LINK_TYPE_CGROUP) {
    result.Set("cgroupId", Napi::BigInt::New(info.Env(), static_cast<uint64_t>(link.cgroup.cgroup_id)));
    result.Set("attachType", link.cgroup.attach_type);
  }
  if (link.type == kLinkTcx) {
    TcxLinkInfo tcx;
    memcpy(&tcx, &link.xdp, sizeof tcx);
    result.Set("ifindex", tcx.ifindex);
    result.Set("attachType", tcx.attach_type);
  }
  return result;
}

void Link::Update(const Napi::CallbackInfo& info) {
  int program = Program::Arg(info, 0, "update", "program")->fd("update");
  if (bpf_link_update(fd("update"), program, nullptr) != 0) throw MakeError(info.Env(), {"update", errno});
}

void Link::Detach(const Napi::CallbackInfo& info) {
  if (bpf_link_detach(fd("detach")) != 0) throw MakeError(info.Env(), {"detach", errno});
}

}  // namespace vipd
