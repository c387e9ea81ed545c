#include "args.h"

#include <cerrno>
#include <cmath>

#include "error.h"

namespace vipd {
namespace {

Napi::Error Invalid(const Napi::CallbackInfo& info, const char* op, const char* name, const std::string& what) {
  return MakeError(info.Env(), {op, EINVAL, std::string(name) + " " + what});
}

}  // namespace

Bytes BytesArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name) {
  Napi::Value value = info[index];
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Invalid(info, op, name, "must be a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

Bytes BytesArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name, size_t size) {
  Bytes bytes = BytesArg(info, index, op, name);
  if (bytes.size != size) {
    throw Invalid(info, op, name,
                  "must be " + std::to_string(size) + " bytes long, not " + std::to_string(bytes.size));
  }
  return bytes;
}

uint32_t UintArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name) {
  double number = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= UINT32_MAX) || std::trunc(number) != number) {
    throw Invalid(info, op, name, "must be an unsigned 32-bit integer");
  }
  return static_cast<uint32_t>(number);
}

std::string TextArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name) {
  if (!info[index].IsString()) throw Invalid(info, op, name, "must be a string");
  std::string text = info[index].As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) throw Invalid(info, op, name, "must not contain a NUL character");
  return text;
}

bool FlagArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name) {
  if (!info[index].IsBoolean()) throw Invalid(info, op, name, "must be a boolean");
  return info[index].As<Napi::Boolean>().Value();
}

Napi::Function FunctionArg(const Napi::CallbackInfo& info, size_t index, const char* op, const char* name) {
  if (!info[index].IsFunction()) throw Invalid(info, op, name, "must be a function");
  return info[index].As<Napi::Function>();
}

}  // namespace vipd
