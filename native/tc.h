#pragma once

#include <napi.h>

namespace vipd {

// Programs on the clsact qdisc, the way to tc before TCX, and what is attached where.

/// attachClsact(program, ifindex, egress, handle, priority): replaces a filter of the same handle and priority.
void AttachClsact(const Napi::CallbackInfo& info);
/// detachClsact(ifindex, egress, handle, priority)
void DetachClsact(const Napi::CallbackInfo& info);
/// removeClsact(ifindex): the qdisc with all its filters.
void RemoveClsact(const Napi::CallbackInfo& info);
/// attachedToInterface(ifindex, attachType): program ids in the order they run.
Napi::Value AttachedToInterface(const Napi::CallbackInfo& info);
/// attachedToCgroup(path, attachType): program ids in the order they run.
Napi::Value AttachedToCgroup(const Napi::CallbackInfo& info);
/// programName(id): undefined where it is gone.
Napi::Value ProgramName(const Napi::CallbackInfo& info);

}  // namespace vipd
