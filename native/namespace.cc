#include "namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "error.h"
#include "fd.h"

namespace vipd {

// asm-generic/socket.h; older headers do not have it.
constexpr int kNetnsCookie = 71;

int InNamespace(const std::string& path, const std::function<void()>& run) {
  Fd name_space(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!name_space.valid()) return errno;
  int error = 0;
  auto visit = [&] {
    if (setns(name_space.get(), CLONE_NEWNET) == 0) run();
    else error = errno;
  };
  try {
    std::thread(visit).join();
  } catch (const std::system_error& failure) {
    return failure.code().value();
  }
  return error;
}

Napi::Value NamespaceCookie(const Napi::CallbackInfo& info) {
  Fd probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (!probe.valid() || getsockopt(probe.get(), SOL_SOCKET, kNetnsCookie, &cookie, &size) != 0)
    throw MakeError(info.Env(), {"namespace cookie", errno});
  return Napi::BigInt::New(info.Env(), cookie);
}

}  // namespace vipd
