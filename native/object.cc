#include "object.h"

#include <bpf/btf.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "log.h"
#include "map.h"
#include "program.h"

namespace vipd {
namespace {

/// libbpf calls the map of a data section "<object>.rodata"; its section is the part we want.
std::string MapName(const bpf_map* map) {
  const char* name = bpf_map__name(map);
  const char* dot = bpf_map__is_internal(map) ? strchr(name, '.') : nullptr;
  return dot != nullptr ? dot : name;
}

}  // namespace

Napi::Function Object::Define(Napi::Env env) {
  return DefineClass(env, "Object",
                     {
                         InstanceMethod<&Object::Btf>("btf"),
                         InstanceMethod<&Object::Maps>("maps"),
                         InstanceMethod<&Object::Programs>("programs"),
                         InstanceMethod<&Object::Rodata>("rodata"),
                         InstanceMethod<&Object::SetRodata>("setRodata"),
                         InstanceMethod<&Object::Resize>("resize"),
                         InstanceMethod<&Object::Reuse>("reuse"),
                         InstanceMethod<&Object::Autoload>("autoload"),
                         InstanceMethod<&Object::Load>("load"),
                         InstanceMethod<&Object::GetMap>("map"),
                         InstanceMethod<&Object::GetProgram>("program"),
                         InstanceMethod<&Object::Close>("close"),
                     });
}

Object::Object(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Bytes bytes = BytesArg(info, 0, "open", "bytes");
  std::string name = TextArg(info, 1, "open", "name");
  if (bytes.size == 0) throw MakeError(info.Env(), {"open", EINVAL, "holds no bytes"});
  // A Buffer may begin at any address; libelf reads structs in place.
  std::vector<uint8_t> aligned(bytes.data, bytes.data + bytes.size);
  LIBBPF_OPTS(bpf_object_open_opts, options);
  options.object_name = name.c_str();
  LogCapture log;
  object_.reset(bpf_object__open_mem(aligned.data(), aligned.size(), &options));
  if (!object_) throw MakeError(info.Env(), {"open", errno, {}, log.text});
  bpf_map* map;
  bpf_object__for_each_map(map, object_.get()) maps_[MapName(map)] = map;
}

bpf_object* Object::Get(const char* op, bool loaded) const {
  if (!object_) throw MakeError(Env(), {op, EBADF, "object is closed"});
  if (loaded && !loaded_) throw MakeError(Env(), {op, EBUSY, "object is not loaded"});
  if (!loaded && loaded_) throw MakeError(Env(), {op, EBUSY, "object was loaded already"});
  return object_.get();
}

bpf_map* Object::FindMap(const Napi::CallbackInfo& info, const char* op, bool loaded) const {
  Get(op, loaded);
  std::string name = TextArg(info, 0, op, "map");
  auto found = maps_.find(name);
  if (found == maps_.end()) throw MakeError(Env(), {op, ENOENT, "has no map " + name});
  return found->second;
}

bpf_program* Object::FindProgram(const Napi::CallbackInfo& info, const char* op, bool loaded) const {
  bpf_object* object = Get(op, loaded);
  std::string name = TextArg(info, 0, op, "program");
  bpf_program* program = bpf_object__find_program_by_name(object, name.c_str());
  if (program == nullptr) throw MakeError(Env(), {op, ENOENT, "has no program " + name});
  return program;
}

Napi::Value Object::Btf(const Napi::CallbackInfo& info) {
  const btf* types = bpf_object__btf(Get("btf"));
  uint32_t size = 0;
  const void* bytes = types != nullptr ? btf__raw_data(types, &size) : nullptr;
  if (bytes == nullptr) throw MakeError(info.Env(), {"btf", ENOENT, "carries no BTF"});
  return Napi::Buffer<uint8_t>::Copy(info.Env(), static_cast<const uint8_t*>(bytes), size);
}

Napi::Value Object::Maps(const Napi::CallbackInfo& info) {
  auto list = Napi::Array::New(info.Env());
  const bpf_map* map;
  bpf_object__for_each_map(map, Get("maps")) {
    auto spec = Napi::Object::New(info.Env());
    spec.Set("name", MapName(map));
    spec.Set("type", static_cast<uint32_t>(bpf_map__type(map)));
    spec.Set("keySize", bpf_map__key_size(map));
    spec.Set("valueSize", bpf_map__value_size(map));
    spec.Set("maxEntries", bpf_map__max_entries(map));
    spec.Set("flags", bpf_map__map_flags(map));
    spec.Set("keyTypeId", bpf_map__btf_key_type_id(map));
    spec.Set("valueTypeId", bpf_map__btf_value_type_id(map));
    list[list.Length()] = spec;
  }
  return list;
}

Napi::Value Object::Programs(const Napi::CallbackInfo& info) {
  auto list = Napi::Array::New(info.Env());
  bpf_program* program;
  bpf_object__for_each_program(program, Get("programs")) {
    auto spec = Napi::Object::New(info.Env());
    spec.Set("name", std::string(bpf_program__name(program)));
    spec.Set("section", std::string(bpf_program__section_name(program)));
    spec.Set("type", static_cast<uint32_t>(bpf_program__type(program)));
    list[list.Length()] = spec;
  }
  return list;
}

Napi::Value Object::Rodata(const Napi::CallbackInfo& info) {
  bpf_map* map = bpf_object__find_map_by_name(Get("rodata"), ".rodata");
  size_t size = 0;
  const void* image = map != nullptr ? bpf_map__initial_value(map, &size) : nullptr;
  if (image == nullptr) throw MakeError(info.Env(), {"rodata", ENOENT, "has no .rodata section"});
  return Napi::Buffer<uint8_t>::Copy(info.Env(), static_cast<const uint8_t*>(image), size);
}

void Object::SetRodata(const Napi::CallbackInfo& info) {
  bpf_map* map = bpf_object__find_map_by_name(Get("set rodata"), ".rodata");
  if (map == nullptr) throw MakeError(info.Env(), {"set rodata", ENOENT, "has no .rodata section"});
  Bytes image = BytesArg(info, 0, "set rodata", "image", bpf_map__value_size(map));
  if (bpf_map__set_initial_value(map, image.data, image.size) != 0) {
    throw MakeError(info.Env(), {"set rodata", errno});
  }
}

void Object::Resize(const Napi::CallbackInfo& info) {
  bpf_map* map = FindMap(info, "resize");
  if (bpf_map__set_max_entries(map, UintArg(info, 1, "resize", "maxEntries")) != 0) {
    throw MakeError(info.Env(), {"resize", errno});
  }
}

/// libbpf would silently take over whatever shape the existing map has; a map of another version must be refused.
void Object::Reuse(const Napi::CallbackInfo& info) {
  bpf_map* map = FindMap(info, "reuse");
  Map* existing = Map::Arg(info, 1, "reuse", "existing");
  const bpf_map_info& shape = existing->shape();
  if (shape.type != bpf_map__type(map) || shape.key_size != bpf_map__key_size(map) ||
      shape.value_size != bpf_map__value_size(map) || shape.map_flags != bpf_map__map_flags(map)) {
    throw MakeError(info.Env(), {"reuse", EINVAL, "existing map has another type, key size, value size or flags"});
  }
  if (bpf_map__reuse_fd(map, existing->fd("reuse")) != 0) throw MakeError(info.Env(), {"reuse", errno});
}

void Object::Autoload(const Napi::CallbackInfo& info) {
  bpf_program* program = FindProgram(info, "autoload");
  if (bpf_program__set_autoload(program, FlagArg(info, 1, "autoload", "on")) != 0) {
    throw MakeError(info.Env(), {"autoload", errno});
  }
}

/// A weak function that the kernel lacks is looked for in its modules too, whose BTF takes CAP_SYS_ADMIN to list. libbpf 1.1
/// fails for that refusal, but asks once an object only: here, where nobody minds.
static void LookIntoModules(bpf_object* object) {
  uint32_t id = 0;
  if (bpf_btf_get_next_id(id, &id) == 0 || errno != EPERM) return;
  bpf_program* program = bpf_object__next_program(object, nullptr);
  if (program != nullptr) bpf_program__set_attach_target(program, 0, "a function that no kernel has");
}

void Object::Load(const Napi::CallbackInfo& info) {
  bpf_object* object = Get("load");
  loaded_ = true;  // libbpf loads an object once, also when that fails
  {
    LogCapture ignored;
    LookIntoModules(object);
  }
  LogCapture log;
  if (bpf_object__load(object) == 0) return;
  int error = errno;
  object_.reset();
  throw MakeError(info.Env(), {"load", error, {}, log.text});
}

Napi::Value Object::GetMap(const Napi::CallbackInfo& info) {
  return Map::Adopt(info.Env(), "map", Fd::Duplicate(bpf_map__fd(FindMap(info, "map", true))));
}

Napi::Value Object::GetProgram(const Napi::CallbackInfo& info) {
  bpf_program* program = FindProgram(info, "program", true);
  if (bpf_program__fd(program) < 0) throw MakeError(info.Env(), {"program", ENOENT, "program was not loaded"});
  return Program::Adopt(info.Env(), "program", Fd::Duplicate(bpf_program__fd(program)));
}

}  // namespace vipd
