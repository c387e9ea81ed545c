#pragma once

#include <napi.h>

#include <functional>
#include <string>

namespace vipd {

/// Calls `run` in the network namespace that the file at `path` stands for, and waits for it. Only a thread made for it
/// goes there: those of this process stay where they are. Returns 0 or the errno of what kept it from getting there.
int InNamespace(const std::string& path, const std::function<void()>& run);

/// namespaceCookie(): that of the network namespace of this process (socket(7), SO_NETNS_COOKIE); a kernel 5.14 or later.
Napi::Value NamespaceCookie(const Napi::CallbackInfo& info);

}  // namespace vipd
