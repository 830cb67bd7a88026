#include "server/security/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressList> Resolve(const std::string& host,
                                    std::uint32_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", host, ": ", gai_strerror(error)));
  }
  return AddressList(found, &freeaddrinfo);
}

// Invalid, with errno set, where the address cannot be used.
Descriptor Listen(const addrinfo& address) {
  Descriptor fd(
      socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return fd;
  const int on = 1;
  // Without SO_REUSEPORT, unlike gRPC's own listener: a second server on the
  // port must fail, not take half of the connections.
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0 ||
      listen(fd.get(), SOMAXCONN) != 0) {
    return Descriptor();
  }
  return fd;
}

std::uint32_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  std::array<char, NI_MAXSERV> service{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (getsockname(fd, generic, &length) != 0 ||
      getnameinfo(generic, length, nullptr, 0, service.data(), service.size(),
                  NI_NUMERICSERV) != 0) {
    return 0;
  }
  return static_cast<std::uint32_t>(std::stoul(service.data()));
}

// 0 where it is no open descriptor.
ino_t InodeOf(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

Descriptor Spare() {
  return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

int Descriptor::Release() { return std::exchange(fd_, -1); }

bool ConnectionCount::TryAdd(int fd) {
  if (open_.size() >= limit_ && Refresh() >= limit_) return false;
  open_[fd] = InodeOf(fd);
  return true;
}

std::size_t ConnectionCount::Refresh() {
  std::erase_if(open_, [](const auto& entry) {
    return InodeOf(entry.first) != entry.second;
  });
  return open_.size();
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(
    const std::string& host, std::uint32_t port, std::size_t limit) {
  auto addresses = Resolve(host, port);
  if (!addresses.ok()) return addresses.status();
  Descriptor wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (wake.get() < 0) return absl::InternalError("eventfd failed");
  for (const addrinfo* at = addresses->get(); at != nullptr; at = at->ai_next) {
    Descriptor socket = Listen(*at);
    if (socket.get() < 0) continue;
    const std::uint32_t bound = PortOf(socket.get());
    return std::unique_ptr<Listener>(
        new Listener(std::move(socket), std::move(wake), bound, limit));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", host, " port ", port, ": ",
                   std::generic_category().message(errno)));
}

Listener::Listener(Descriptor socket, Descriptor wake, std::uint32_t port,
                   std::size_t limit)
    : socket_(std::move(socket)),
      wake_(std::move(wake)),
      spare_(Spare()),
      port_(port),
      count_(limit) {}

Listener::~Listener() { Stop(); }

void Listener::Start(Handler handler) {
  handler_ = std::move(handler);
  thread_ = std::thread([this] { Run(); });
}

void Listener::Stop() {
  eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
  socket_ = Descriptor();
}

void Listener::Run() {
  // So that open() is fresh when nobody connects any more.
  constexpr int kRefreshMilliseconds = 1'000;
  for (;;) {
    std::array<pollfd, 2> waiting{
        {{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    const int ready =
        poll(waiting.data(), waiting.size(), kRefreshMilliseconds);
    if (waiting[1].revents != 0) return;
    if (ready > 0 && waiting[0].revents != 0) AcceptOne();
    if (ready == 0) open_ = count_.Refresh();
  }
}

void Listener::AcceptOne() {
  Descriptor accepted(
      accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.get() < 0) {
    if (errno == EMFILE || errno == ENFILE) DropOne();
    return;
  }
  if (!count_.TryAdd(accepted.get())) {
    refused_.fetch_add(1);
    return;
  }
  open_ = count_.size();
  handler_(socket_.get(), accepted.Release());
}

void Listener::DropOne() {
  refused_.fetch_add(1);
  spare_ = Descriptor();
  Descriptor dropped(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  dropped = Descriptor();
  spare_ = Spare();
  // Another thread may have taken the number: do not spin on the full table.
  constexpr int kPauseMilliseconds = 10;
  pollfd stopped{wake_.get(), POLLIN, 0};
  poll(&stopped, 1, kPauseMilliseconds);
}

}  // namespace firekeeper::server
