#pragma once

#include <string>

namespace vipd {

/// Collects what libbpf prints while it lives: its warnings, and with them the whole verifier log of a refused program.
/// At most one lives at a time; the addon runs on one thread.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::string text;
};

/// Sends libbpf's messages to the capture of the moment instead of stderr.
void InstallLog();

}  // namespace vipd
