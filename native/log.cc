#include "log.h"

#include <bpf/libbpf.h>
#include <cstdarg>
#include <cstdio>

namespace vipd {
namespace {

LogCapture* current = nullptr;

int Print(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG || current == nullptr) return 0;
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(nullptr, 0, format, args);
  if (length > 0) {
    std::string& text = current->text;
    size_t start = text.size();
    text.resize(start + static_cast<size_t>(length) + 1);
    vsnprintf(text.data() + start, static_cast<size_t>(length) + 1, format, again);
    text.pop_back();  // the terminating NUL
  }
  va_end(again);
  return length;
}

}  // namespace

LogCapture::LogCapture() { current = this; }
LogCapture::~LogCapture() { current = nullptr; }

void InstallLog() { libbpf_set_print(Print); }

}  // namespace vipd
