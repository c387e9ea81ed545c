#include <napi.h>
#include <uv.h>

#include "datagram.h"
#include "handle.h"
#include "link.h"
#include "log.h"
#include "map.h"
#include "namespace.h"
#include "netlink.h"
#include "object.h"
#include "program.h"
#include "ringbuf.h"
#include "system.h"
#include "tc.h"

// Every export of vipd.node, on one page.

namespace vipd {
namespace {

/// libbpf's log and libnl's sockets are one thread's business, and a worker's loop may end under an open handle.
void RequireMainThread(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  if (loop == uv_default_loop()) return;
  throw Napi::Error::New(env, "vipd.node works in the main thread only, not in a worker");
}

template <class T>
void ExportHandle(Napi::Env env, Napi::Object exports, const char* name) {
  Napi::Function constructor = T::Define(env);
  env.GetInstanceData<Addon>()->constructors[T::kKind] = Napi::Persistent(constructor);
  exports.Set(name, constructor);
}

template <auto function>
void ExportFunction(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<function>(env, name));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  RequireMainThread(env);
  InstallLog();
  env.SetInstanceData(new Addon);
  exports.Set("Object", Object::Define(env));
  ExportHandle<Map>(env, exports, "Map");
  ExportHandle<Program>(env, exports, "Program");
  ExportHandle<Link>(env, exports, "Link");
  exports.Set("RingBuffer", RingBuffer::Define(env));
  exports.Set("Netlink", Netlink::Define(env));
  exports.Set("Datagram", Datagram::Define(env));
  ExportFunction<AttachClsact>(env, exports, "attachClsact");
  ExportFunction<DetachClsact>(env, exports, "detachClsact");
  ExportFunction<RemoveClsact>(env, exports, "removeClsact");
  ExportFunction<AttachedToInterface>(env, exports, "attachedToInterface");
  ExportFunction<AttachedToCgroup>(env, exports, "attachedToCgroup");
  ExportFunction<ProgramName>(env, exports, "programName");
  ExportFunction<ProbeProgramType>(env, exports, "probeProgramType");
  ExportFunction<ProbeMapType>(env, exports, "probeMapType");
  ExportFunction<ProbeHelper>(env, exports, "probeHelper");
  ExportFunction<KernelFunctions>(env, exports, "kernelFunctions");
  ExportFunction<KernelBtf>(env, exports, "kernelBtf");
  ExportFunction<PossibleCpus>(env, exports, "possibleCpus");
  ExportFunction<Notify>(env, exports, "notify");
  ExportFunction<MountBpffs>(env, exports, "mountBpffs");
  ExportFunction<NamespaceCookie>(env, exports, "namespaceCookie");
  return exports;
}

}  // namespace
}  // namespace vipd

Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return vipd::Init(env, exports); }
NODE_API_MODULE(vipd, InitAddon)
