// Tells ThreadSanitizer what absl::Mutex and its relatives order.
//
// Debian's abseil is not instrumented, so ThreadSanitizer sees no lock in
// absl::Mutex and reports every guarded access as a race. The programs of the
// tsan preset are linked with -Wl,--wrap for the symbols named below (CMake
// reads them from this file): calls from our code arrive here, are announced,
// and go on to abseil. Calls from inside a library stay as they are.
//
// Not covered: Await() under a reader lock, and absl::Barrier.

#include <sanitizer/tsan_interface.h>

#include <type_traits>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

// Declares what a wrapped symbol was, and what stands for it. A member function
// is called like a free one that takes `this` first.
#define FIREKEEPER_WRAPPED(result, name, symbol, ...)    \
  result Real##name(__VA_ARGS__) asm("__real_" #symbol); \
  result Seen##name(__VA_ARGS__) asm("__wrap_" #symbol); \
  result Seen##name(__VA_ARGS__)

namespace firekeeper::testing {
namespace {

constexpr unsigned kWrite = 0;
constexpr unsigned kRead = __tsan_mutex_read_lock;

// Between "pre" and "post" ThreadSanitizer ignores what the thread does, the
// conditions of other waiters that abseil evaluates included.
template <typename Take>
auto Acquire(void* mutex, unsigned kind, Take take) {
  __tsan_mutex_pre_lock(mutex, kind);
  if constexpr (std::is_void_v<decltype(take())>) {
    take();
    __tsan_mutex_post_lock(mutex, kind, 0);
  } else {
    const auto result = take();
    __tsan_mutex_post_lock(mutex, kind, 0);
    return result;
  }
}

template <typename Take>
bool TryAcquire(void* mutex, unsigned kind, Take take) {
  kind |= __tsan_mutex_try_lock;
  __tsan_mutex_pre_lock(mutex, kind);
  const bool taken = take();
  __tsan_mutex_post_lock(mutex,
                         taken ? kind : kind | __tsan_mutex_try_lock_failed, 0);
  return taken;
}

template <typename Give>
void Release(void* mutex, unsigned kind, Give give) {
  __tsan_mutex_pre_unlock(mutex, kind);
  give();
  __tsan_mutex_post_unlock(mutex, kind);
}

// A wait gives the lock back and takes it again.
template <typename Wait>
auto Reacquire(void* mutex, Wait wait) {
  Release(mutex, kWrite, [] {});
  return Acquire(mutex, kWrite, wait);
}

// Where a notification keeps its flag: HasBeenNotified() is inline, and its
// instrumented load looks for a release at this address.
void* FlagOf(absl::Notification* notification) {
  static_assert(sizeof(absl::Notification) == 2 * sizeof(absl::Mutex));
  return reinterpret_cast<char*>(notification) + sizeof(absl::Mutex);
}

}  // namespace

FIREKEEPER_WRAPPED(void, Lock, _ZN4absl7debian35Mutex4LockEv,
                   absl::Mutex* mutex) {
  Acquire(mutex, kWrite, [=] { RealLock(mutex); });
}
FIREKEEPER_WRAPPED(void, Unlock, _ZN4absl7debian35Mutex6UnlockEv,
                   absl::Mutex* mutex) {
  Release(mutex, kWrite, [=] { RealUnlock(mutex); });
}
FIREKEEPER_WRAPPED(bool, TryLock, _ZN4absl7debian35Mutex7TryLockEv,
                   absl::Mutex* mutex) {
  return TryAcquire(mutex, kWrite, [=] { return RealTryLock(mutex); });
}
FIREKEEPER_WRAPPED(void, ReaderLock, _ZN4absl7debian35Mutex10ReaderLockEv,
                   absl::Mutex* mutex) {
  Acquire(mutex, kRead, [=] { RealReaderLock(mutex); });
}
FIREKEEPER_WRAPPED(void, ReaderUnlock, _ZN4absl7debian35Mutex12ReaderUnlockEv,
                   absl::Mutex* mutex) {
  Release(mutex, kRead, [=] { RealReaderUnlock(mutex); });
}
FIREKEEPER_WRAPPED(bool, ReaderTryLock, _ZN4absl7debian35Mutex13ReaderTryLockEv,
                   absl::Mutex* mutex) {
  return TryAcquire(mutex, kRead, [=] { return RealReaderTryLock(mutex); });
}
FIREKEEPER_WRAPPED(void, LockWhen,
                   _ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE,
                   absl::Mutex* mutex, const absl::Condition& condition) {
  Acquire(mutex, kWrite, [&] { RealLockWhen(mutex, condition); });
}
FIREKEEPER_WRAPPED(
    bool, LockWhenWithTimeout,
    _ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE,
    absl::Mutex* mutex, const absl::Condition& condition,
    absl::Duration timeout) {
  return Acquire(mutex, kWrite, [&] {
    return RealLockWhenWithTimeout(mutex, condition, timeout);
  });
}
FIREKEEPER_WRAPPED(
    bool, LockWhenWithDeadline,
    _ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE,
    absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  return Acquire(mutex, kWrite, [&] {
    return RealLockWhenWithDeadline(mutex, condition, deadline);
  });
}
FIREKEEPER_WRAPPED(void, Await, _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE,
                   absl::Mutex* mutex, const absl::Condition& condition) {
  Reacquire(mutex, [&] { RealAwait(mutex, condition); });
}
FIREKEEPER_WRAPPED(
    bool, AwaitWithTimeout,
    _ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE,
    absl::Mutex* mutex, const absl::Condition& condition,
    absl::Duration timeout) {
  return Reacquire(
      mutex, [&] { return RealAwaitWithTimeout(mutex, condition, timeout); });
}
FIREKEEPER_WRAPPED(
    bool, AwaitWithDeadline,
    _ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE,
    absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  return Reacquire(
      mutex, [&] { return RealAwaitWithDeadline(mutex, condition, deadline); });
}
FIREKEEPER_WRAPPED(void, Destroy, _ZN4absl7debian35MutexD1Ev,
                   absl::Mutex* mutex) {
  RealDestroy(mutex);
  __tsan_mutex_destroy(mutex, 0);
}

FIREKEEPER_WRAPPED(void, Wait, _ZN4absl7debian37CondVar4WaitEPNS0_5MutexE,
                   absl::CondVar* condition, absl::Mutex* mutex) {
  Reacquire(mutex, [=] { RealWait(condition, mutex); });
}
FIREKEEPER_WRAPPED(
    bool, WaitWithTimeout,
    _ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE,
    absl::CondVar* condition, absl::Mutex* mutex, absl::Duration timeout) {
  return Reacquire(
      mutex, [=] { return RealWaitWithTimeout(condition, mutex, timeout); });
}
FIREKEEPER_WRAPPED(
    bool, WaitWithDeadline,
    _ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE,
    absl::CondVar* condition, absl::Mutex* mutex, absl::Time deadline) {
  return Reacquire(
      mutex, [=] { return RealWaitWithDeadline(condition, mutex, deadline); });
}

FIREKEEPER_WRAPPED(void, Notify, _ZN4absl7debian312Notification6NotifyEv,
                   absl::Notification* notification) {
  __tsan_release(FlagOf(notification));
  RealNotify(notification);
}
FIREKEEPER_WRAPPED(void, WaitFor,
                   _ZNK4absl7debian312Notification19WaitForNotificationEv,
                   absl::Notification* notification) {
  RealWaitFor(notification);
  __tsan_acquire(FlagOf(notification));
}
FIREKEEPER_WRAPPED(
    bool, WaitForTimeout,
    _ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE,
    absl::Notification* notification, absl::Duration timeout) {
  const bool notified = RealWaitForTimeout(notification, timeout);
  if (notified) __tsan_acquire(FlagOf(notification));
  return notified;
}

FIREKEEPER_WRAPPED(bool, DecrementCount,
                   _ZN4absl7debian315BlockingCounter14DecrementCountEv,
                   absl::BlockingCounter* counter) {
  __tsan_release(counter);
  return RealDecrementCount(counter);
}
FIREKEEPER_WRAPPED(void, WaitForZero, _ZN4absl7debian315BlockingCounter4WaitEv,
                   absl::BlockingCounter* counter) {
  RealWaitForZero(counter);
  __tsan_acquire(counter);
}

}  // namespace firekeeper::testing
