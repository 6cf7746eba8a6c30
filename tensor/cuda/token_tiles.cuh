#pragma once

#include "tensor/cuda/reduce.cuh"
#include "tensor/tensor.h"

// What kernels share that walk over pairs of tokens of one row and head by tiles of kWarp tokens.
namespace matmix::cuda {

/// Rows of a tensor [B, L, H, width]; of an undefined tensor: null.
template <class T>
struct Tokens {
  T* data = nullptr;
  int64_t row = 0, token = 0, head = 0;

  explicit Tokens(const Tensor& x) {
    if (!x.defined()) return;
    data = x.data<T>();
    row = x.stride(0);
    token = x.stride(1);
    head = x.stride(2);
  }
  __device__ T* at(int64_t b, int64_t i, int64_t h) const { return data + b * row + i * token + h * head; }
};

/// Shared memory of products between tokens, for blocks of kWarps warps.
template <class A, int kWarps>
struct TokenDots {
  A dots[kWarp][kWarp];  ///< dots[j][i] = u_j . x_i
  A u_tile[kWarp][kWarp], x_tile[kWarp][kWarp + 1], parts[kWarps][kWarp];

  /// For `count` <= kWarp rows u(j, p) and kWarp rows x(i, p) of P numbers. A warp owns the rows j = its number modulo
  /// kWarps, a lane one i. Syncs first and last, except that dots are read by who wrote them alone.
  template <class U, class X>
  __device__ void multiply(int count, int64_t P, const U& u, const X& x) {
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    for (int j = warp; j < count; j += kWarps) dots[j][lane] = 0;
    for (int64_t p = 0; p < P; p += kWarp) {
      __syncthreads();
      for (int j = warp; j < count; j += kWarps) u_tile[j][lane] = p + lane < P ? u(j, p + lane) : A(0);
      for (int i = warp; i < kWarp; i += kWarps) x_tile[lane][i] = p + lane < P ? x(i, p + lane) : A(0);
      __syncthreads();
      for (int j = warp; j < count; j += kWarps) {
        A sum = 0;
        for (int c = 0; c < kWarp; ++c) sum += u_tile[j][c] * x_tile[c][lane];
        dots[j][lane] += sum;
      }
    }
  }

  /// The warps' parts of each lane's sum, added in order; the first warp is given it, the others 0. Syncs twice.
  __device__ A total(A part) {
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    parts[warp][lane] = part;
    __syncthreads();
    A sum = 0;
    if (warp == 0)
      for (int k = 0; k < kWarps; ++k) sum += parts[k][lane];
    __syncthreads();
    return sum;
  }
};

}  // namespace matmix::cuda
