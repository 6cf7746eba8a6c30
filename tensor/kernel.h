#pragma once

#include <cstddef>

#include "tensor/device.h"
#include "tensor/error.h"

/// The one build switch of the sources: the CUDA entry of a table, or nothing in a CPU-only build.
#ifdef MATMIX_CUDA
#define IF_CUDA(entry) entry
#else
#define IF_CUDA(entry) nullptr
#endif

namespace matmix {

namespace detail {
/// Makes `device` current for this thread; Error if the build or the machine lacks it.
void enter_kernel(Device device, const char* name);
/// After a launch: throws CudaError naming the kernel; with MATMIX_SYNC=1 waits, so the culprit is named.
void leave_kernel(Device device, const char* name);
}  // namespace detail

/// One kernel on every device, a row of data, its signature written once:
///   using SoftmaxForwardEntry = void(const Tensor& x, const Tensor& y);
///   namespace cpu { SoftmaxForwardEntry softmax_forward; }
///   namespace cuda { SoftmaxForwardEntry softmax_forward; }
///   inline constexpr Kernel kSoftmaxForward{"softmax_forward", cpu::softmax_forward, IF_CUDA(cuda::softmax_forward)};
///   kSoftmaxForward(x.device(), x, y);
/// A missing entry throws Error by name.
template <class... Args>
struct Kernel {
  using Function = void (*)(Args...);
  const char* name;
  Function cpu;
  Function cuda;

  constexpr Kernel(const char* n, Function on_cpu, Function on_cuda) : name(n), cpu(on_cpu), cuda(on_cuda) {}
  constexpr Kernel(const char* n, Function on_cpu, std::nullptr_t) : name(n), cpu(on_cpu), cuda(nullptr) {}

  void operator()(Device device, Args... args) const {
    const Function f = device.is_cuda() ? cuda : cpu;
    require(f != nullptr, name, "has no implementation on ", device);
    detail::enter_kernel(device, name);
    f(args...);
    detail::leave_kernel(device, name);
  }
};
template <class... Args>
Kernel(const char*, void (*)(Args...), void (*)(Args...)) -> Kernel<Args...>;
template <class... Args>
Kernel(const char*, void (*)(Args...), std::nullptr_t) -> Kernel<Args...>;

}  // namespace matmix
