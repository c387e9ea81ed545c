#pragma once

#include <vector>

#include "handle.h"

namespace vipd {

/// A loaded map. Keys and values are bytes of checked length; a per-CPU value is one slot per possible CPU, each
/// rounded up to 8 bytes.
class Map : public Handle<Map> {
 public:
  static constexpr Kind kKind = kMap;
  static constexpr napi_type_tag kTag = {0x8d5a3c1e70f24b96, 0xa1b7c40d92e8635f};
  static constexpr const char* kKernelObject = "bpf-map";

  static Napi::Function Define(Napi::Env env);
  explicit Map(const Napi::CallbackInfo& info);

  const bpf_map_info& shape() const { return shape_; }

 private:
  struct Entries {
    std::vector<uint8_t> keys;
    std::vector<uint8_t> values;
    size_t count = 0;
  };

  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Get(const Napi::CallbackInfo& info);
  void Set(const Napi::CallbackInfo& info);
  Napi::Value Delete(const Napi::CallbackInfo& info);
  void SetBatch(const Napi::CallbackInfo& info);
  void DeleteBatch(const Napi::CallbackInfo& info);
  Napi::Value Dump(const Napi::CallbackInfo& info);
  void ReadArray(const Napi::CallbackInfo& info);

  bool DumpBatches(int fd, Entries& entries);
  void DumpWalk(int fd, Entries& entries);

  bpf_map_info shape_;
  size_t stride_;
  std::vector<uint8_t> scratch_;
};

}  // namespace vipd
