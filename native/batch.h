#pragma once

#include <sys/socket.h>

#include <cstdint>

namespace vipd {

constexpr uint32_t kSlots = 64;
constexpr uint32_t kInStride = 4096;
constexpr uint32_t kOutStride = 6144;
/// Who sent a datagram, a sockaddr_in6 or smaller, and behind it to which address of ours: an in6_pktinfo or in_pktinfo, all
/// zero where that is not in doubt.
constexpr uint32_t kPeerStride = 48;
constexpr uint32_t kLocalAt = 28;

/// Where datagrams and their answers lie, a slot each. The lengths are uint32_t in host order, perhaps not aligned; 0 stands
/// for what did not fit, and for no answer.
struct Batch {
  uint8_t* in;
  uint8_t* inLengths;
  uint8_t* out;
  uint8_t* outLengths;
  uint8_t* peers;
};

socklen_t AddressSize(sa_family_t family);

uint32_t LengthAt(const uint8_t* lengths, int slot);

/// Has the kernel say to which address of ours a datagram was sent; for sockets that are bound to none in particular.
bool TellLocal(int fd, sa_family_t family);

/// Sends one datagram to where a slot of `peers` says, from where it was sent to. @returns false when the kernel did not take it
bool SendTo(int fd, sa_family_t family, const uint8_t* bytes, size_t size, const uint8_t* peer);

/// Takes what has arrived, at most kSlots datagrams, without waiting; clears the answers. @returns how many, -1 with errno
int ReceiveBatch(int fd, const Batch& batch);

/// Sends the answers in the slots before `count`. @returns how many the kernel did not take
uint64_t SendBatch(int fd, sa_family_t family, const Batch& batch, int count);

}  // namespace vipd
