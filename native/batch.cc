#include "batch.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vipd {
namespace {

/// Room for one control message with either of the two structures.
struct alignas(cmsghdr) Control {
  uint8_t bytes[CMSG_SPACE(sizeof(in6_pktinfo))];
};
static_assert(kLocalAt + sizeof(in6_pktinfo) <= kPeerStride);

/// Leaves in the slot what the kernel said of our address; zero when it said nothing.
void KeepLocal(msghdr* message, uint8_t* peer) {
  memset(peer + kLocalAt, 0, kPeerStride - kLocalAt);
  for (cmsghdr* one = CMSG_FIRSTHDR(message); one != nullptr; one = CMSG_NXTHDR(message, one)) {
    if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(one), sizeof info);
      // Answers leave by whatever interface leads to the client, from the address that was asked.
      info.ipi_ifindex = 0;
      info.ipi_addr = {};
      memcpy(peer + kLocalAt, &info, sizeof info);
    } else if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      memcpy(&info, CMSG_DATA(one), sizeof info);
      // A link-local address means nothing without its interface.
      if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
      memcpy(peer + kLocalAt, &info, sizeof info);
    }
  }
}

/// Has a message leave from the address its slot holds, if it holds one.
void SendFrom(msghdr* message, Control* control, sa_family_t family, const uint8_t* peer) {
  static constexpr uint8_t kNone[kPeerStride - kLocalAt] = {};
  if (memcmp(peer + kLocalAt, kNone, sizeof kNone) == 0) return;
  const size_t size = family == AF_INET ? sizeof(in_pktinfo) : sizeof(in6_pktinfo);
  message->msg_control = control->bytes;
  message->msg_controllen = CMSG_SPACE(size);
  cmsghdr* header = CMSG_FIRSTHDR(message);
  header->cmsg_level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  header->cmsg_type = family == AF_INET ? IP_PKTINFO : IPV6_PKTINFO;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), peer + kLocalAt, size);
}

}  // namespace

bool TellLocal(int fd, sa_family_t family) {
  int on = 1;
  if (family == AF_INET) return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0;
  return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0;
}

bool SendTo(int fd, sa_family_t family, const uint8_t* bytes, size_t size, const uint8_t* peer) {
  iovec vector = {const_cast<uint8_t*>(bytes), size};
  Control control = {};
  msghdr message = {};
  message.msg_name = const_cast<uint8_t*>(peer);
  message.msg_namelen = AddressSize(family);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  SendFrom(&message, &control, family, peer);
  return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

socklen_t AddressSize(sa_family_t family) { return family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }

uint32_t LengthAt(const uint8_t* lengths, int slot) {
  uint32_t length;
  memcpy(&length, lengths + slot * sizeof length, sizeof length);
  return length;
}

int ReceiveBatch(int fd, const Batch& batch) {
  mmsghdr messages[kSlots] = {};
  iovec vectors[kSlots];
  Control controls[kSlots];
  for (uint32_t i = 0; i < kSlots; ++i) {
    vectors[i] = {batch.in + i * kInStride, kInStride};
    messages[i].msg_hdr.msg_control = controls[i].bytes;
    messages[i].msg_hdr.msg_controllen = sizeof controls[i].bytes;
    messages[i].msg_hdr.msg_name = batch.peers + i * kPeerStride;
    messages[i].msg_hdr.msg_namelen = kLocalAt;
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  int count = recvmmsg(fd, messages, kSlots, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < count; ++i) {
    uint32_t length = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 ? 0 : messages[i].msg_len;
    memcpy(batch.inLengths + i * sizeof length, &length, sizeof length);
    KeepLocal(&messages[i].msg_hdr, batch.peers + i * kPeerStride);
  }
  memset(batch.outLengths, 0, kSlots * sizeof(uint32_t));
  return count;
}

uint64_t SendBatch(int fd, sa_family_t family, const Batch& batch, int count) {
  mmsghdr messages[kSlots] = {};
  iovec vectors[kSlots];
  Control controls[kSlots] = {};
  unsigned answers = 0;
  for (int i = 0; i < count; ++i) {
    uint32_t length = LengthAt(batch.outLengths, i);
    if (length == 0) continue;
    vectors[answers] = {batch.out + i * kOutStride, std::min(length, kOutStride)};
    messages[answers].msg_hdr.msg_name = batch.peers + i * kPeerStride;
    messages[answers].msg_hdr.msg_namelen = AddressSize(family);
    messages[answers].msg_hdr.msg_iov = &vectors[answers];
    messages[answers].msg_hdr.msg_iovlen = 1;
    SendFrom(&messages[answers].msg_hdr, &controls[answers], family, batch.peers + i * kPeerStride);
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
