#include "tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>

#include "program.h"

namespace vipd {
namespace {

/// More programs than this at one hook are nobody's; the kernel's own limit for tcx is 64.
constexpr uint32_t kMaxAttached = 256;

bpf_tc_hook Hook(const Napi::CallbackInfo& info, size_t index, const char* op) {
  bpf_tc_hook hook = {};
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(UintArg(info, index, op, "ifindex"));
  hook.attach_point = FlagArg(info, index + 1, op, "egress") ? BPF_TC_EGRESS : BPF_TC_INGRESS;
  return hook;
}

bpf_tc_opts Filter(const Napi::CallbackInfo& info, size_t index, const char* op) {
  bpf_tc_opts filter = {};
  filter.sz = sizeof filter;
  filter.handle = UintArg(info, index, op, "handle");
  filter.priority = UintArg(info, index + 1, op, "priority");
  return filter;
}

Napi::Value Attached(const Napi::CallbackInfo& info, int target) {
  auto type = static_cast<bpf_attach_type>(UintArg(info, 1, "query", "attachType"));
  std::array<uint32_t, kMaxAttached> ids;
  uint32_t count = ids.size();
  if (bpf_prog_query(target, type, 0, nullptr, ids.data(), &count) != 0) throw MakeError(info.Env(), {"query", errno});
  auto list = Napi::Array::New(info.Env(), count);
  for (uint32_t i = 0; i < count; ++i) list[i] = Napi::Number::New(info.Env(), ids[i]);
  return list;
}

}  // namespace

void AttachClsact(const Napi::CallbackInfo& info) {
  int program = Program::Arg(info, 0, "attach", "program")->fd("attach");
  bpf_tc_hook hook = Hook(info, 1, "attach");
  bpf_tc_opts filter = Filter(info, 3, "attach");
  filter.prog_fd = program;
  filter.flags = BPF_TC_F_REPLACE;
  int error = bpf_tc_hook_create(&hook);
  if (error == 0 || error == -EEXIST) error = bpf_tc_attach(&hook, &filter);
  if (error != 0) throw MakeError(info.Env(), {"attach", -error});
}

void DetachClsact(const Napi::CallbackInfo& info) {
  bpf_tc_hook hook = Hook(info, 0, "detach");
  bpf_tc_opts filter = Filter(info, 2, "detach");
  int error = bpf_tc_detach(&hook, &filter);
  if (error != 0) throw MakeError(info.Env(), {"detach", -error});
}

void RemoveClsact(const Napi::CallbackInfo& info) {
  bpf_tc_hook hook = {};
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(UintArg(info, 0, "detach", "ifindex"));
  hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
  int error = bpf_tc_hook_destroy(&hook);
  if (error != 0) throw MakeError(info.Env(), {"detach", -error});
}

Napi::Value AttachedToInterface(const Napi::CallbackInfo& info) {
  return Attached(info, static_cast<int>(UintArg(info, 0, "query", "ifindex")));
}

Napi::Value AttachedToCgroup(const Napi::CallbackInfo& info) {
  std::string path = TextArg(info, 0, "query", "path");
  Fd cgroup(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.valid()) throw MakeError(info.Env(), {"query", errno});
  return Attached(info, cgroup.get());
}

Napi::Value ProgramName(const Napi::CallbackInfo& info) {
  Fd program(bpf_prog_get_fd_by_id(UintArg(info, 0, "query", "id")));
  if (!program.valid() && errno == ENOENT) return info.Env().Undefined();
  bpf_prog_info found = {};
  uint32_t size = sizeof found;
  if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &found, &size) != 0) {
    throw MakeError(info.Env(), {"query", errno});
  }
  return Napi::String::New(info.Env(), found.name);
}

}  // namespace vipd
