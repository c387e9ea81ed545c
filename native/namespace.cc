#include "namespace.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "fd.h"

namespace vipd {

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

}  // namespace vipd
