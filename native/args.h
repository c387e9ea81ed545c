#pragma once

#include <napi.h>

#include <string>

namespace vipd {

/// A view of the bytes of a Uint8Array; valid during the call only.
struct Bytes {
  uint8_t* data;
  size_t size;
};

// JavaScript has checked already; these check again because a wrong length here is a corrupted heap, not an exception.
// All throw EINVAL with a text that names the argument.

Bytes BytesArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name);
/// Bytes of exactly this size.
Bytes BytesArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name, size_t size);
uint32_t UintArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name);
/// Text without NUL.
std::string TextArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name);
bool FlagArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name);
Napi::Function FunctionArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name);

}  // namespace vipd
