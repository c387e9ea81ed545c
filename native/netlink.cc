#include "netlink.h"

#include <netlink/msg.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "args.h"
#include "error.h"
#include "namespace.h"

namespace vipd {
namespace {

/// What came back for one request.
struct Reply {
  std::vector<uint8_t> messages;
  bool complete = false;
  int error = 0;
  std::string text;
};

int OnMessage(nl_msg* message, void* arg) {
  auto* reply = static_cast<Reply*>(arg);
  nlmsghdr* header = nlmsg_hdr(message);
  auto* bytes = reinterpret_cast<uint8_t*>(header);
  reply->messages.insert(reply->messages.end(), bytes, bytes + header->nlmsg_len);
  reply->messages.resize(NLMSG_ALIGN(reply->messages.size()));
  return NL_OK;
}

int OnComplete(nl_msg*, void* arg) {
  static_cast<Reply*>(arg)->complete = true;
  return NL_STOP;
}

/// The kernel's own sentence about what it refused, when it sent one (NLMSGERR_ATTR_MSG).
std::string ExtendedText(const nlmsgerr* error) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(error) - 1;
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  size_t skip = sizeof *error;
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) skip += error->msg.nlmsg_len - NLMSG_HDRLEN;
  size_t size = header->nlmsg_len - NLMSG_HDRLEN;
  if (size <= NLMSG_ALIGN(skip)) return {};
  auto* attributes = reinterpret_cast<const char*>(error) + NLMSG_ALIGN(skip);
  nlattr* found = nla_find(reinterpret_cast<nlattr*>(const_cast<char*>(attributes)),
                           static_cast<int>(size - NLMSG_ALIGN(skip)), NLMSGERR_ATTR_MSG);
  if (found == nullptr || nla_len(found) <= 0) return {};
  const char* text = static_cast<const char*>(nla_data(found));
  return std::string(text, strnlen(text, static_cast<size_t>(nla_len(found))));
}

int OnError(sockaddr_nl*, nlmsgerr* error, void* arg) {
  auto* reply = static_cast<Reply*>(arg);
  reply->error = -error->error;
  reply->text = ExtendedText(error);
  reply->complete = true;
  return NL_STOP;
}

Reply Receive(nl_sock* socket) {
  Reply reply;
  std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), nl_cb_put);
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, OnMessage, &reply);
  nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, OnComplete, &reply);
  nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, OnComplete, &reply);
  nl_cb_err(callbacks.get(), NL_CB_CUSTOM, OnError, &reply);
  while (!reply.complete) {
    int result = nl_recvmsgs(socket, callbacks.get());
    if (result >= 0 || reply.error != 0) continue;
    reply.error = result == -NLE_DUMP_INTR ? EINTR : EIO;
    reply.text = nl_geterror(result);
    break;
  }
  return reply;
}

/// One request and the whole answer to it; blocks until it is there.
Reply Converse(nl_sock* socket, int type, int flags, Bytes payload) {
  int sent = nl_send_simple(socket, type, flags, payload.data, payload.size);
  if (sent >= 0) return Receive(socket);
  Reply reply;
  reply.complete = true;
  reply.error = EIO;
  reply.text = nl_geterror(sent);
  return reply;
}

Failure Connect(nl_sock* socket, int protocol) {
  int result = nl_connect(socket, protocol);
  if (result < 0) return {"open", EPROTONOSUPPORT, nl_geterror(result)};
  int on = 1;  // older kernels answer without their sentence, nothing else changes
  setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  return {"open", 0};
}

/// A socket belongs for good to the namespace it was made in.
Failure ConnectIn(const std::string& path, nl_sock* socket, int protocol) {
  Failure failure = {"open", 0};
  int error = InNamespace(path, [&] { failure = Connect(socket, protocol); });
  return error == 0 ? failure : Failure{"enter", error};
}

}  // namespace

/// An exchange on a thread of the pool, for answers that take their time.
class Netlink::Exchange : public Napi::AsyncWorker {
 public:
  Exchange(Netlink* owner, int type, int flags, Bytes payload)
      : AsyncWorker(owner->Env(), "vipd.netlink"),
        deferred(Napi::Promise::Deferred::New(owner->Env())),
        owner_(owner),
        owner_reference_(Napi::Persistent(owner->Value())),
        socket_(owner->socket_),
        type_(type),
        flags_(flags),
        payload_(payload.data, payload.data + payload.size) {}

  void Execute() override {
    reply_ = Converse(socket_.get(), type_, flags_, {payload_.data(), payload_.size()});
  }

  void OnOK() override {
    Finish();
    if (reply_.error != 0) {
      deferred.Reject(MakeError(Env(), {"request", reply_.error, reply_.text}).Value());
    } else {
      deferred.Resolve(Napi::Buffer<uint8_t>::Copy(Env(), reply_.messages.data(), reply_.messages.size()));
    }
  }

  /// For want of memory only.
  void OnError(const Napi::Error&) override {
    Finish();
    deferred.Reject(MakeError(Env(), {"request", ENOMEM}).Value());
  }

  const Napi::Promise::Deferred deferred;

 private:
  void Finish() {
    owner_->busy_ = false;
    if (!reply_.complete) owner_->socket_.reset();
  }

  Netlink* const owner_;
  Napi::ObjectReference owner_reference_;
  const std::shared_ptr<nl_sock> socket_;
  const int type_;
  const int flags_;
  std::vector<uint8_t> payload_;
  Reply reply_;
};

Napi::Function Netlink::Define(Napi::Env env) {
  return DefineClass(env, "Netlink",
                     {
                         InstanceMethod<&Netlink::Request>("request"),
                         InstanceMethod<&Netlink::RequestAside>("requestAside"),
                         InstanceMethod<&Netlink::Listen>("listen"),
                         InstanceMethod<&Netlink::Close>("close"),
                     });
}

Netlink::Netlink(const Napi::CallbackInfo& info)
    : ObjectWrap(info), socket_(nl_socket_alloc(), [](nl_sock* socket) {
        if (socket != nullptr) nl_socket_free(socket);
      }) {
  int protocol = static_cast<int>(UintArg(info, 0, "open", "protocol"));
  if (!socket_) throw MakeError(info.Env(), {"open", ENOMEM});
  Failure failure = info[1].IsUndefined() ? Connect(socket_.get(), protocol)
                                          : ConnectIn(TextArg(info, 1, "open", "namespace"), socket_.get(), protocol);
  if (failure.error != 0) throw MakeError(info.Env(), failure);
}

/// The socket, for a new request.
nl_sock* Netlink::Get(const char* op) const {
  if (!socket_) throw MakeError(Env(), {op, EBADF, "socket is closed"});
  if (poller_) throw MakeError(Env(), {op, EBUSY, "socket listens"});
  if (busy_) throw MakeError(Env(), {op, EBUSY, "another request is under way"});
  return socket_.get();
}

/// request(type, flags, payload): all messages of the answer, headers included, one behind the other.
Napi::Value Netlink::Request(const Napi::CallbackInfo& info) {
  uint32_t type = UintArg(info, 0, "request", "type");
  uint32_t flags = UintArg(info, 1, "request", "flags");
  Bytes payload = BytesArg(info, 2, "request", "payload");
  Reply reply = Converse(Get("request"), static_cast<int>(type), static_cast<int>(flags), payload);
  if (!reply.complete) socket_.reset();  // the rest of this answer would be taken for the next one's
  if (reply.error != 0) throw MakeError(info.Env(), {"request", reply.error, reply.text});
  return Napi::Buffer<uint8_t>::Copy(info.Env(), reply.messages.data(), reply.messages.size());
}

/// requestAside(type, flags, payload): a promise of the same; the event loop goes on meanwhile.
Napi::Value Netlink::RequestAside(const Napi::CallbackInfo& info) {
  uint32_t type = UintArg(info, 0, "request", "type");
  uint32_t flags = UintArg(info, 1, "request", "flags");
  Bytes payload = BytesArg(info, 2, "request", "payload");
  Get("request");
  auto* exchange = new Exchange(this, static_cast<int>(type), static_cast<int>(flags), payload);
  Napi::Promise promise = exchange->deferred.Promise();
  busy_ = true;
  exchange->Queue();  // deletes itself
  return promise;
}

/// listen(group, onChange): joins a multicast group. Only that something changed is told: after an overrun the messages
/// would not be the whole story, so the listener has to look for itself in any case.
void Netlink::Listen(const Napi::CallbackInfo& info) {
  int group = static_cast<int>(UintArg(info, 0, "listen", "group"));
  Napi::Function function = FunctionArg(info, 1, "listen", "onChange");
  nl_sock* socket = Get("listen");
  int result = nl_socket_add_membership(socket, group);
  if (result < 0) throw MakeError(info.Env(), {"listen", EINVAL, nl_geterror(result)});
  listener_ = std::make_unique<Listener>(info.Env(), function, "vipd.netlink");
  poller_ = std::make_unique<Poller>(info.Env(), nl_socket_get_fd(socket), [this] { Drain(); });
  Ref();
}

void Netlink::Drain() {
  char rest[1];
  int fd = nl_socket_get_fd(socket_.get());
  while (recv(fd, rest, sizeof rest, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS || errno == EINTR) {
  }
  Napi::HandleScope scope(Env());
  listener_->Call({});  // may close this object: nothing after it
}

void Netlink::Close(const Napi::CallbackInfo&) {
  bool listening = poller_ != nullptr;
  poller_.reset();
  socket_.reset();
  if (listening) Unref();
}

}  // namespace vipd
