#include "map.h"

#include <bpf/libbpf.h>

#include <algorithm>

namespace vipd {
namespace {

/// The kernel's answer for a batch operation the map type does not have (ENOTSUPP, unknown to libc).
constexpr int kNoBatch = 524;
/// Entries asked for at once; larger than any sane hash bucket, small enough to stay in the cache.
constexpr uint32_t kDumpBatch = 4096;

bool IsPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

size_t Stride(const bpf_map_info& shape) {
  if (!IsPerCpu(shape.type)) return shape.value_size;
  return (size_t{shape.value_size} + 7) / 8 * 8 * static_cast<size_t>(libbpf_num_possible_cpus());
}

/// How far a batch came. When it failed early the kernel leaves the count as it was, which cannot be the truth then.
uint32_t Done(uint32_t asked, uint32_t reported) { return reported < asked ? reported : 0; }

}  // namespace

Napi::Function Map::Define(Napi::Env env) {
  return DefineClass(env, "Map",
                     {
                         StaticMethod<&Map::OpenPinned>("openPinned"),
                         InstanceMethod<&Map::Info>("info"),
                         InstanceMethod<&Map::Get>("get"),
                         InstanceMethod<&Map::Set>("set"),
                         InstanceMethod<&Map::Delete>("delete"),
                         InstanceMethod<&Map::SetBatch>("setBatch"),
                         InstanceMethod<&Map::DeleteBatch>("deleteBatch"),
                         InstanceMethod<&Map::Dump>("dump"),
                         InstanceMethod<&Map::ReadArray>("readArray"),
                         InstanceMethod("pin", &Map::Pin),
                         InstanceMethod("close", &Map::Close),
                         InstanceMethod("closed", &Map::Closed),
                     });
}

Map::Map(const Napi::CallbackInfo& info)
    : Handle(info), shape_(Query<bpf_map_info>("open")), stride_(Stride(shape_)), scratch_(stride_) {}

Napi::Value Map::Info(const Napi::CallbackInfo& info) {
  auto result = Napi::Object::New(info.Env());
  result.Set("id", shape_.id);
  result.Set("type", shape_.type);
  result.Set("name", std::string(shape_.name));
  result.Set("keySize", shape_.key_size);
  result.Set("valueSize", shape_.value_size);
  result.Set("valueStride", static_cast<double>(stride_));
  result.Set("maxEntries", shape_.max_entries);
  result.Set("flags", shape_.map_flags);
  result.Set("btfId", shape_.btf_id);
  result.Set("keyTypeId", shape_.btf_key_type_id);
  result.Set("valueTypeId", shape_.btf_value_type_id);
  return result;
}

Napi::Value Map::Get(const Napi::CallbackInfo& info) {
  Bytes key = BytesArg(info, 0, "lookup", "key", shape_.key_size);
  if (bpf_map_lookup_elem(fd("lookup"), key.data, scratch_.data()) == 0) {
    return Napi::Buffer<uint8_t>::Copy(info.Env(), scratch_.data(), scratch_.size());
  }
  if (errno == ENOENT) return info.Env().Undefined();
  throw MakeError(info.Env(), {"lookup", errno});
}

void Map::Set(const Napi::CallbackInfo& info) {
  Bytes key = BytesArg(info, 0, "update", "key", shape_.key_size);
  Bytes value = BytesArg(info, 1, "update", "value", stride_);
  uint32_t flags = UintArg(info, 2, "update", "flags");
  if (bpf_map_update_elem(fd("update"), key.data, value.data, flags) != 0) {
    throw MakeError(info.Env(), {"update", errno});
  }
}

Napi::Value Map::Delete(const Napi::CallbackInfo& info) {
  Bytes key = BytesArg(info, 0, "delete", "key", shape_.key_size);
  bool deleted = bpf_map_delete_elem(fd("delete"), key.data) == 0;
  if (!deleted && errno != ENOENT) throw MakeError(info.Env(), {"delete", errno});
  return Napi::Boolean::New(info.Env(), deleted);
}

void Map::SetBatch(const Napi::CallbackInfo& info) {
  const uint32_t asked = UintArg(info, 2, "update", "count");
  Bytes keys = BytesArg(info, 0, "update", "keys", size_t{asked} * shape_.key_size);
  Bytes values = BytesArg(info, 1, "update", "values", size_t{asked} * stride_);
  const int map = fd("update");
  if (asked == 0) return;
  uint32_t done = asked;
  if (bpf_map_update_batch(map, keys.data, values.data, &done, nullptr) == 0) return;
  int error = errno;
  done = Done(asked, done);
  while (error == kNoBatch && done < asked) {
    if (bpf_map_update_elem(map, keys.data + done * shape_.key_size, values.data + done * stride_, BPF_ANY) != 0) {
      error = errno;
    } else if (++done == asked) {
      return;
    }
  }
  throw MakeError(info.Env(), {"update", error, {}, {}, done});
}

void Map::DeleteBatch(const Napi::CallbackInfo& info) {
  const uint32_t asked = UintArg(info, 1, "delete", "count");
  Bytes keys = BytesArg(info, 0, "delete", "keys", size_t{asked} * shape_.key_size);
  const int map = fd("delete");
  bool batch = true;
  for (uint32_t done = 0; done < asked;) {
    uint8_t* next = keys.data + size_t{done} * shape_.key_size;
    uint32_t left = asked - done;
    uint32_t count = left;
    if (batch && bpf_map_delete_batch(map, next, &count, nullptr) == 0) return;
    if (!batch && bpf_map_delete_elem(map, next) == 0) {
      ++done;
      continue;
    }
    int error = errno;
    if (batch && error == kNoBatch) {
      batch = false;
    } else if (error == ENOENT) {
      // The first key left is absent already: that is what was asked for.
      done += (batch ? Done(left, count) : 0) + 1;
    } else {
      throw MakeError(info.Env(), {"delete", error, {}, {}, done + (batch ? Done(left, count) : 0)});
    }
  }
}

Napi::Value Map::Dump(const Napi::CallbackInfo& info) {
  const int map = fd("dump");
  Entries entries;
  if (!DumpBatches(map, entries)) {
    entries = {};
    DumpWalk(map, entries);
  }
  auto result = Napi::Object::New(info.Env());
  result.Set("keys",
             Napi::Buffer<uint8_t>::Copy(info.Env(), entries.keys.data(), entries.count * shape_.key_size));
  result.Set("values", Napi::Buffer<uint8_t>::Copy(info.Env(), entries.values.data(), entries.count * stride_));
  result.Set("count", static_cast<double>(entries.count));
  return result;
}

/// Entries [first, first + count) of an array map, into the caller's buffer.
void Map::ReadArray(const Napi::CallbackInfo& info) {
  const int map = fd("read");
  const uint32_t first = UintArg(info, 0, "read", "first");
  const uint32_t count = UintArg(info, 1, "read", "count");
  Bytes values = BytesArg(info, 2, "read", "values", size_t{count} * stride_);
  if (shape_.key_size != sizeof(uint32_t) || uint64_t{first} + count > shape_.max_entries) {
    throw MakeError(info.Env(), {"read", EINVAL});
  }
  std::vector<uint32_t> keys(count);
  uint32_t before = first - 1;
  uint32_t cursor = 0;
  uint32_t done = count;
  if (count == 0) return;
  if (bpf_map_lookup_batch(map, first == 0 ? nullptr : &before, &cursor, keys.data(), values.data, &done, nullptr) == 0 &&
      done == count) {
    return;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t key = first + i;
    if (bpf_map_lookup_elem(map, &key, values.data + size_t{i} * stride_) != 0) {
      throw MakeError(info.Env(), {"read", errno});
    }
  }
}

/// False where the map type has no batch lookup.
bool Map::DumpBatches(int map, Entries& entries) {
  uint32_t batch = std::min(kDumpBatch, std::max(shape_.max_entries, 1u));
  // Hash maps keep a bucket number in the cursor, the others a key.
  std::vector<uint8_t> cursor(std::max<size_t>(shape_.key_size, sizeof(uint32_t)));
  for (bool first = true, last = false; !last;) {
    entries.keys.resize((entries.count + batch) * shape_.key_size);
    entries.values.resize((entries.count + batch) * stride_);
    uint32_t count = batch;
    int result = bpf_map_lookup_batch(map, first ? nullptr : cursor.data(), cursor.data(),
                                      entries.keys.data() + entries.count * shape_.key_size,
                                      entries.values.data() + entries.count * stride_, &count, nullptr);
    int error = result == 0 ? 0 : errno;
    if (error == kNoBatch) return false;
    if (error == ENOSPC && count == 0) {
      batch *= 2;  // one bucket holds more than fits
      continue;
    }
    // EINTR: keys vanished under the cursor; what was found before it counts.
    if (error != 0 && error != ENOENT && error != ENOSPC && !(error == EINTR && count > 0)) {
      throw MakeError(Env(), {"dump", error});
    }
    entries.count += count;
    last = error == ENOENT;
    first = false;
  }
  return true;
}

void Map::DumpWalk(int map, Entries& entries) {
  std::vector<uint8_t> key(shape_.key_size);
  void* previous = nullptr;
  for (; bpf_map_get_next_key(map, previous, key.data()) == 0; previous = key.data()) {
    if (bpf_map_lookup_elem(map, key.data(), scratch_.data()) != 0) {
      if (errno == ENOENT) continue;  // gone since
      throw MakeError(Env(), {"dump", errno});
    }
    entries.keys.insert(entries.keys.end(), key.begin(), key.end());
    entries.values.insert(entries.values.end(), scratch_.begin(), scratch_.end());
    if (++entries.count > shape_.max_entries) break;  // the walk restarts when its key vanishes; never loop for ever
  }
  if (errno != ENOENT && entries.count <= shape_.max_entries) throw MakeError(Env(), {"dump", errno});
}

}  // namespace vipd
