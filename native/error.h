#pragma once

#include <napi.h>

#include <string>

namespace vipd {

/// What a failed operation tells JavaScript, which makes the error an operator sees from it.
struct Failure {
  /// The operation as a verb: "lookup", "load".
  const char* op;
  /// Positive errno, or libbpf's own numbers from 4000.
  int error;
  /// Says more than the errno's own text; empty when there is no more to say.
  std::string text = {};
  /// What libbpf and the verifier wrote meanwhile.
  std::string log = {};
  /// Entries of a batch that were carried out, or -1.
  int64_t done = -1;
};

/// An Error with the properties op, errno, errnoName and, where they are known, log and done.
Napi::Error MakeError(Napi::Env env, const Failure& failure);

}  // namespace vipd
