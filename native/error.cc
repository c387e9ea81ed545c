#include "error.h"

#include <bpf/libbpf.h>
#include <cstring>

namespace vipd {
namespace {

/// The kernel's internal "no such operation for this type"; it leaks to user space and glibc does not know it.
constexpr int kNotSupported = 524;

std::string ErrnoName(int error) {
  if (error == kNotSupported) return "ENOTSUPP";
  if (error >= __LIBBPF_ERRNO__START) return "LIBBPF_" + std::to_string(error);
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "ERRNO_" + std::to_string(error);
}

std::string ErrnoText(int error) {
  if (error == kNotSupported) return "Operation not supported";
  char text[256] = {};
  libbpf_strerror(error, text, sizeof text);
  return text;
}

}  // namespace

Napi::Error MakeError(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.text.empty() ? ErrnoText(failure.error) : failure.text);
  error.Set("op", Napi::String::New(env, failure.op));
  error.Set("errno", Napi::Number::New(env, failure.error));
  error.Set("errnoName", Napi::String::New(env, ErrnoName(failure.error)));
  if (!failure.log.empty()) error.Set("log", Napi::String::New(env, failure.log));
  if (failure.done >= 0) error.Set("done", Napi::Number::New(env, static_cast<double>(failure.done)));
  return error;
}

}  // namespace vipd
