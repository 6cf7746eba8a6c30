#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/walk.cuh"
#include "tensor/transfer_kernels.h"

namespace matmix::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPerThread = 4;
constexpr int kTile = 32;
constexpr int kTileRows = 8;  // rows of a tile that its block moves at a time

// Strided copy with cast.               dst[walk.a . i] = src[walk.b . i] for every index i of walk.shape
// Owns:    block = 1024 consecutive elements of the walk, thread = 4 of them, 256 apart, so that a warp's are neighbours.
// Traffic: reads and writes n elements: bound by memory where the last axis is dense in both.      Syncs: none.
template <class D, class S>
__global__ void copy_kernel(D* __restrict__ dst, const S* __restrict__ src, const Walk walk, int64_t n) {
#pragma unroll
  for (int k = 0; k < kPerThread; ++k) {
    const int64_t i = (int64_t{blockIdx.x} * kPerThread + k) * kThreads + threadIdx.x;
    if (i >= n) return;
    const Offsets at = offsets_of(i, walk);
    dst[at.a] = static_cast<D>(src[at.b]);
  }
}

// Batched transpose.                    the last axis of the walk is dense in dst, the one before it in src
// Owns:    block = one tile of 32 x 32 of one matrix; lane = a row of the tile while reading, a column while writing.
// Tiles:   32 x 33 T in shared memory: the odd pitch keeps both directions free of bank conflicts (4-byte T).
// Traffic: reads and writes n elements along their lines: bound by memory.
// Syncs:   one, between reading and writing.
template <class T>
__global__ void transpose_kernel(T* __restrict__ dst, const T* __restrict__ src, const Walk walk) {
  __shared__ T tile[kTile][kTile + 1];
  const int row_axis = walk.shape.rank() - 2, col_axis = row_axis + 1;
  const int64_t R = walk.shape[row_axis], C = walk.shape[col_axis];
  const int64_t row_tiles = (R + kTile - 1) / kTile, col_tiles = (C + kTile - 1) / kTile;
  const int64_t c0 = blockIdx.x % col_tiles * kTile, r0 = blockIdx.x / col_tiles % row_tiles * kTile;
  int64_t outer = blockIdx.x / col_tiles / row_tiles;
  for (int axis = row_axis - 1; axis >= 0; outer /= walk.shape[axis], --axis) {
    dst += outer % walk.shape[axis] * walk.a[axis];
    src += outer % walk.shape[axis] * walk.b[axis];
  }
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t r = r0 + threadIdx.x, c = c0 + i;
    if (r < R && c < C) tile[i][threadIdx.x] = src[r + c * walk.b[col_axis]];
  }
  __syncthreads();
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t r = r0 + i, c = c0 + threadIdx.x;
    if (r < R && c < C) dst[r * walk.a[row_axis] + c] = tile[threadIdx.x][i];
  }
}

template <class D, class S>
void copy_walk(D* dst, const S* src, const Walk& walk) {
  const int64_t n = walk.shape.numel();
  copy_kernel<<<blocks(n, kThreads * kPerThread), kThreads, 0, stream()>>>(dst, src, walk, n);
}

/// True if transpose_kernel does the walk, and is worth it.
bool is_transpose(const Walk& walk) {
  const int rows = walk.shape.rank() - 2, cols = rows + 1;
  return walk.a[cols] == 1 && walk.b[rows] == 1 && walk.b[cols] != 1 && walk.shape[rows] >= kTile / 2 &&
         walk.shape[cols] >= kTile / 2;
}

template <class T>
void transpose(const Tensor& dst, const Tensor& src, const Walk& walk) {
  const int rows = walk.shape.rank() - 2;
  const int64_t R = walk.shape[rows], C = walk.shape[rows + 1];
  const int64_t tiles = walk.shape.numel() / (R * C) * ((R + kTile - 1) / kTile) * ((C + kTile - 1) / kTile);
  transpose_kernel<<<blocks(tiles, 1), dim3(kTile, kTileRows), 0, stream()>>>(static_cast<T*>(dst.raw()),
                                                                              static_cast<const T*>(src.raw()), walk);
}

/// The widest unit of 16, 8, 4, 2 or 1 bytes that `walk` (strides in elements of `size` bytes) moves whole.
int64_t unit_bytes(const Tensor& dst, const Tensor& src, const Walk& walk, int64_t size) {
  const int last = walk.shape.rank() - 1;
  if (walk.a[last] != 1 || walk.b[last] != 1) return size;
  auto bits = reinterpret_cast<uintptr_t>(dst.raw()) | reinterpret_cast<uintptr_t>(src.raw()) | 16 |
              static_cast<uintptr_t>(walk.shape[last] * size);
  for (int i = 0; i < last; ++i) bits |= static_cast<uintptr_t>((walk.a[i] | walk.b[i]) * size);
  return static_cast<int64_t>(bits & (~bits + 1));
}

/// Same dtype: only bytes move, in units as wide as alignment allows.
void copy_bytes(const Tensor& dst, const Tensor& src, Walk walk) {
  const auto size = static_cast<int64_t>(size_of(dst.dtype()));
  const int64_t unit = unit_bytes(dst, src, walk, size);
  const int last = walk.shape.rank() - 1;
  walk.shape[last] = walk.shape[last] * size / unit;
  for (int i = 0; i < last; ++i) {
    walk.a[i] = walk.a[i] * size / unit;
    walk.b[i] = walk.b[i] * size / unit;
  }
  const auto copy_as = [&]<class T>() {
    if constexpr (sizeof(T) <= 8) {
      const Walk matrices = as_matrices(walk);
      if (is_transpose(matrices)) return transpose<T>(dst, src, matrices);
    }
    copy_walk(static_cast<T*>(dst.raw()), static_cast<const T*>(src.raw()), walk);
  };
  switch (unit) {
    case 16: return copy_as.template operator()<uint4>();
    case 8: return copy_as.template operator()<uint64_t>();
    case 4: return copy_as.template operator()<uint32_t>();
    case 2: return copy_as.template operator()<uint16_t>();
    default: return copy_as.template operator()<uint8_t>();
  }
}

}  // namespace

void copy(const Tensor& dst, const Tensor& src) {
  Walk walk = collapse(dst.shape(), dst.strides(), src.strides());
  if (walk.shape.rank() == 0) walk = {{1}, {1}, {1}};
  if (dst.dtype() == src.dtype()) return copy_bytes(dst, src, walk);
  dispatch_all(dst.dtype(), "copy", [&]<class D>() {
    dispatch_all(src.dtype(), "copy", [&]<class S>() {
      if constexpr (!std::is_same_v<D, S>) copy_walk(dst.data<D>(), src.data<S>(), walk);
    });
  });
}

/// The host waits where it reads; where it writes, CUDA has taken the bytes when the call returns.
void transfer(const Tensor& dst, const Tensor& src) {
  const bool crosses = dst.device() != src.device();
  require(!crosses || !capturing(), "transfer", "a captured step must not cross to ", dst.device(), "; x is ", src);
  cuda_check(cudaMemcpyAsync(dst.raw(), src.raw(), dst.bytes(), cudaMemcpyDefault, stream()), "transfer");
  if (!dst.device().is_cuda()) cuda_check(cudaStreamSynchronize(stream()), "transfer");
}

}  // namespace matmix::cuda
