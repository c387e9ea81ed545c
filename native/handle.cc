#include "handle.h"

#include <algorithm>

namespace vipd {

std::string KernelObject(int fd) {
  char target[64] = {};
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(link.c_str(), target, sizeof target - 1) < 0) return "unknown object";
  std::string name = target;
  name.erase(0, name.find(':') + 1);
  std::replace(name.begin(), name.end(), '_', '-');  // a new link is a "bpf_link", one opened from a pin a "bpf-link"
  return name;
}

}  // namespace vipd
