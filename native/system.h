#pragma once

#include <napi.h>

namespace vipd {

// What vipd needs from the system and Node does not offer.

/// notify(path, message): one datagram to a unix socket; a path that begins with @ is an abstract name.
void Notify(const Napi::CallbackInfo& info);
/// mountBpffs(path)
void MountBpffs(const Napi::CallbackInfo& info);
/// probeProgramType(type), probeMapType(type), probeHelper(programType, helper): whether this kernel has it.
Napi::Value ProbeProgramType(const Napi::CallbackInfo& info);
Napi::Value ProbeMapType(const Napi::CallbackInfo& info);
Napi::Value ProbeHelper(const Napi::CallbackInfo& info);
/// kernelFunctions(names): for each, whether the kernel's own BTF has a function of that name (so kfuncs).
Napi::Value KernelFunctions(const Napi::CallbackInfo& info);
/// kernelBtf(id): the raw BTF a loaded map or program refers to.
Napi::Value KernelBtf(const Napi::CallbackInfo& info);
Napi::Value PossibleCpus(const Napi::CallbackInfo& info);

}  // namespace vipd
