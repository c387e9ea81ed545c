#include "batch.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vipd {

socklen_t AddressSize(sa_family_t family) { return family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }

uint32_t LengthAt(const uint8_t* lengths, int slot) {
  uint32_t length;
  memcpy(&length, lengths + slot * sizeof length, sizeof length);
  return length;
}

int ReceiveBatch(int fd, const Batch& batch) {
  mmsghdr messages[kSlots] = {};
  iovec vectors[kSlots];
  for (uint32_t i = 0; i < kSlots; ++i) {
    vectors[i] = {batch.in + i * kInStride, kInStride};
    messages[i].msg_hdr.msg_name = batch.peers + i * kPeerStride;
    messages[i].msg_hdr.msg_namelen = kPeerStride;
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  int count = recvmmsg(fd, messages, kSlots, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < count; ++i) {
    uint32_t length = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 ? 0 : messages[i].msg_len;
    memcpy(batch.inLengths + i * sizeof length, &length, sizeof length);
  }
  memset(batch.outLengths, 0, kSlots * sizeof(uint32_t));
  return count;
}

uint64_t SendBatch(int fd, sa_family_t family, const Batch& batch, int count) {
  mmsghdr messages[kSlots] = {};
  iovec vectors[kSlots];
  unsigned answers = 0;
  for (int i = 0; i < count; ++i) {
    uint32_t length = LengthAt(batch.outLengths, i);
    if (length == 0) continue;
    vectors[answers] = {batch.out + i * kOutStride, std::min(length, kOutStride)};
    messages[answers].msg_hdr.msg_name = batch.peers + i * kPeerStride;
    messages[answers].msg_hdr.msg_namelen = AddressSize(family);
    messages[answers].msg_hdr.msg_iov = &vectors[answers];
    messages[answers].msg_hdr.msg_iovlen = 1;
    ++answers;
  }
  uint64_t unsent = 0;
  for (unsigned sent = 0; sent < answers;) {
    int result = sendmmsg(fd, messages + sent, answers - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result > 0) {
      sent += static_cast<unsigned>(result);
    } else if (errno == EAGAIN) {
      return unsent + answers - sent;
    } else if (errno != EINTR) {
      ++unsent;
      ++sent;  // this one cannot be delivered, the others may
    }
  }
  return unsent;
}

}  // namespace vipd
