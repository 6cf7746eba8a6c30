#include "tensor/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>

#include "tensor/error.h"

namespace matmix {
namespace {

thread_local bool inside = false;

/// Of a machine that is too busy to give two threads two processors, what spinning takes from the others; of a quiet
/// one, the pauses between loops that need no call to the system: some ten microseconds.
constexpr int kSpins = 2000;

void pause_a_little() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Returns once x is not `old`, spinning a little before it sleeps.
void await_change(const std::atomic<int>& x, int old) {
  for (int i = 0; i < kSpins; ++i) {
    if (x.load(std::memory_order_acquire) != old) return;
    pause_a_little();
  }
  x.wait(old, std::memory_order_acquire);
}

/// Threads that help one caller at a time. They are never joined: the end of the program ends them.
class Pool {
 public:
  void run(int64_t n, int threads, detail::Work work, void* f) {
    Loop loop{n, work, f};
    const std::unique_lock caller(caller_, std::try_to_lock);
    if (!caller) return loop.run();
    const int helpers = grow_to(static_cast<int>(std::min<int64_t>(threads, n)) - 1);
    if (helpers > 0) {
      const std::lock_guard lock(mutex_);
      loop_ = &loop;
      free_seats_ = helpers;
      epoch_.fetch_add(1, std::memory_order_release);
    }
    if (helpers > 0) epoch_.notify_all();
    loop.run();
    close();
  }

 private:
  struct Loop {
    int64_t n;
    detail::Work work;
    void* f;
    std::atomic<int64_t> next{0};

    void run() {
      inside = true;
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) work(f, i);
      inside = false;
    }
  };

  /// How many threads there are now, at most `wanted`: fewer where the system gives no more.
  int grow_to(int wanted) {
    try {
      for (; threads_ < wanted; ++threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
    }
    return std::min(threads_, wanted);
  }

  void serve() {
    for (int seen = 0;;) {
      await_change(epoch_, seen);
      Loop* loop = nullptr;
      {
        const std::lock_guard lock(mutex_);
        seen = epoch_.load(std::memory_order_relaxed);
        if (loop_ != nullptr && free_seats_ > 0) {
          loop = loop_;
          --free_seats_;
          ++busy_;
        }
      }
      if (loop == nullptr) continue;
      loop->run();
      if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
    }
  }

  /// Nobody sits down any more; returns when all have stood up.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      loop_ = nullptr;
    }
    for (int busy; (busy = busy_.load(std::memory_order_acquire)) != 0;) await_change(busy_, busy);
  }

  std::mutex caller_, mutex_;
  int threads_ = 0;
  Loop* loop_ = nullptr;  ///< guarded by mutex_, as free_seats_
  int free_seats_ = 0;
  std::atomic<int> epoch_{0}, busy_{0};
};

std::atomic<Pool*> pool{nullptr};

/// A child of fork() has none of its parent's threads, and their locks as they were.
void forget_pool() { pool = nullptr; }

Pool& the_pool() {
  static std::once_flag once;
  std::call_once(once, [] { ::pthread_atfork(nullptr, nullptr, forget_pool); });
  Pool* found = pool.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  auto made = std::make_unique<Pool>();
  if (pool.compare_exchange_strong(found, made.get())) found = made.release();
  return *found;
}

int default_threads() {
  const char* const variable = std::getenv("OMP_NUM_THREADS");
  const std::string_view text = variable != nullptr ? variable : "";
  const std::string_view digits = text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
  int64_t asked = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), asked);
  if (error == std::errc::result_out_of_range && !digits.starts_with('-')) asked = kMostThreads;
  const std::string_view rest = digits.substr(static_cast<size_t>(end - digits.data()));
  const bool is_number = rest.find_first_not_of(" \t") == std::string_view::npos || rest.starts_with(',');
  if (!is_number || asked <= 0) return processor_count();
  return static_cast<int>(std::min<int64_t>(asked, kMostThreads));
}

std::atomic<int> threads_set{0};

}  // namespace

namespace detail {
bool in_parallel() { return inside; }
void run_on_threads(int64_t n, int threads, Work work, void* f) { the_pool().run(n, threads, work, f); }
}  // namespace detail

int processor_count() {
  cpu_set_t allowed;
  const int count = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 0;
  return count > 0 ? count : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int thread_count() {
  static const int unset = default_threads();
  const int set = threads_set.load(std::memory_order_relaxed);
  return set > 0 ? set : unset;
}

void set_thread_count(int count) {
  require(count > 0 && count <= kMostThreads, "threads", "must be in [1, ", kMostThreads, "], got ", count);
  threads_set = count;
}

}  // namespace matmix
