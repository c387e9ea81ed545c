#include "program.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "namespace.h"

namespace vipd {
namespace {

std::string Hex(const uint8_t* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    char digits[3];
    snprintf(digits, sizeof digits, "%02x", bytes[i]);
    text += digits;
  }
  return text;
}

/// One frame of TestRunMany: its size as it goes in and as it comes out, and what the program or the kernel answered.
struct Run {
  uint32_t size;
  int32_t retval;
  int32_t error;
};

void RequireRoom(const Napi::CallbackInfo& info, const char* name, const Bytes& bytes, size_t size) {
  if (bytes.size >= size) return;
  std::string text = std::string(name) + " must be " + std::to_string(size) + " bytes long, not " +
                     std::to_string(bytes.size);
  throw MakeError(info.Env(), {"test run", EINVAL, text});
}

}  // namespace

Napi::Function Program::Define(Napi::Env env) {
  return DefineClass(env, "Program",
                     {
                         StaticMethod<&Program::OpenPinned>("openPinned"),
                         InstanceMethod<&Program::Info>("info"),
                         InstanceMethod<&Program::TestRun>("testRun"),
                         InstanceMethod<&Program::TestRunMany>("testRunMany"),
                         InstanceMethod("pin", &Program::Pin),
                         InstanceMethod("close", &Program::Close),
                         InstanceMethod("closed", &Program::Closed),
                     });
}

Napi::Value Program::Info(const Napi::CallbackInfo& info) {
  auto program = Query<bpf_prog_info>("info");
  auto result = Napi::Object::New(info.Env());
  result.Set("id", program.id);
  result.Set("type", program.type);
  result.Set("name", std::string(program.name));
  result.Set("tag", Hex(program.tag, sizeof program.tag));
  result.Set("instructions", program.xlated_prog_len / static_cast<uint32_t>(sizeof(bpf_insn)));
  result.Set("jitedBytes", program.jited_prog_len);
  return result;
}

/// testRun(data, ctx | undefined, repeat, dataOutSize, namespace | undefined): the kernel gives the packet the loopback
/// device of the namespace it is run in.
Napi::Value Program::TestRun(const Napi::CallbackInfo& info) {
  Bytes data = BytesArg(info, 0, "test run", "data");
  Bytes ctx = info[1].IsUndefined() ? Bytes{nullptr, 0} : BytesArg(info, 1, "test run", "ctx");
  std::vector<uint8_t> out(UintArg(info, 3, "test run", "dataOutSize"));
  LIBBPF_OPTS(bpf_test_run_opts, run);
  run.data_in = data.size > 0 ? data.data : nullptr;
  run.data_size_in = static_cast<uint32_t>(data.size);
  run.data_out = out.empty() ? nullptr : out.data();
  run.data_size_out = static_cast<uint32_t>(out.size());
  run.ctx_in = ctx.data;
  run.ctx_size_in = static_cast<uint32_t>(ctx.size);
  run.repeat = static_cast<int>(UintArg(info, 2, "test run", "repeat"));
  int program = fd("test run");
  int failed = 0;
  auto go = [&] { failed = bpf_prog_test_run_opts(program, &run) == 0 ? 0 : errno; };
  if (info[4].IsUndefined()) {
    go();
  } else {
    int error = InNamespace(TextArg(info, 4, "test run", "namespace"), go);
    if (error != 0) throw MakeError(info.Env(), {"enter", error});
  }
  if (failed != 0) throw MakeError(info.Env(), {"test run", failed});
  // Without room for the packet the kernel still reports its length.
  size_t written = std::min<size_t>(out.size(), run.data_size_out);
  auto result = Napi::Object::New(info.Env());
  result.Set("retval", run.retval);
  result.Set("data", Napi::Buffer<uint8_t>::Copy(info.Env(), out.data(), written));
  result.Set("durationNs", run.duration);
  return result;
}

/// testRunMany(data, dataStride, out, outStride, runs): `runs` holds a Run for every frame, and afterwards its answer
void Program::TestRunMany(const Napi::CallbackInfo& info) {
  Bytes data = BytesArg(info, 0, "test run", "data");
  size_t data_stride = UintArg(info, 1, "test run", "dataStride");
  Bytes out = BytesArg(info, 2, "test run", "out");
  size_t out_stride = UintArg(info, 3, "test run", "outStride");
  Bytes runs = BytesArg(info, 4, "test run", "runs");
  size_t count = runs.size / sizeof(Run);
  RequireRoom(info, "data", data, data_stride * count);
  RequireRoom(info, "out", out, out_stride * count);
  for (size_t i = 0; i < count; ++i) {
    Run run;
    memcpy(&run, runs.data + i * sizeof run, sizeof run);  // the array may begin at any address
    LIBBPF_OPTS(bpf_test_run_opts, opts);
    opts.data_in = data.data + i * data_stride;
    opts.data_size_in = static_cast<uint32_t>(std::min<size_t>(run.size, data_stride));
    opts.data_out = out.data + i * out_stride;
    opts.data_size_out = static_cast<uint32_t>(out_stride);
    opts.repeat = 1;
    int error = bpf_prog_test_run_opts(fd("test run"), &opts) == 0 ? 0 : errno;
    run = {opts.data_size_out, static_cast<int32_t>(opts.retval), error};
    memcpy(runs.data + i * sizeof run, &run, sizeof run);
  }
}

}  // namespace vipd
