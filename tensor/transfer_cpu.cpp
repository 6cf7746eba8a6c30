#include <cstring>

#include "tensor/tiles.h"
#include "tensor/transfer_kernels.h"

namespace matmix::cpu {
namespace {

template <class D, class S>
void copy_tile(void* to, const void* from, const Tile& tile) {
  auto* __restrict__ dst = static_cast<D*>(to) + tile.a;
  const auto* __restrict__ src = static_cast<const S*>(from) + tile.b;
  if (tile.a_col == 1 && tile.b_col == 1) {
    for (int64_t r = 0; r < tile.rows; ++r)
      for (int64_t c = 0; c < tile.cols; ++c) dst[r * tile.a_row + c] = static_cast<D>(src[r * tile.b_row + c]);
    return;
  }
  read_across<D>(src, tile, [&](int64_t r, int64_t c, D value) { dst[r * tile.a_row + c * tile.a_col] = value; });
}

using CopyTile = void (*)(void*, const void*, const Tile&);

CopyTile copy_tile_of(DType dst, DType src) {
  return dispatch_all(dst, "copy", [&]<class D>() {
    return dispatch_all(src, "copy", []<class S>() -> CopyTile { return copy_tile<D, S>; });
  });
}

}  // namespace

void copy(const Tensor& dst, const Tensor& src) {
  constexpr int64_t kElements = 16384;
  const Walk walk = collapse(dst.shape(), dst.strides(), src.strides());
  const CopyTile f = copy_tile_of(dst.dtype(), src.dtype());
  for_each_tile(walk, kElements, kElements, dst.numel(),
                [f, to = dst.raw(), from = src.raw()](const Tile& tile) { f(to, from, tile); });
}

void transfer(const Tensor& dst, const Tensor& src) {
  constexpr int64_t kChunk = 1 << 16;
  const auto bytes = static_cast<int64_t>(dst.bytes());
  auto* to = static_cast<std::byte*>(dst.raw());
  const auto* from = static_cast<const std::byte*>(src.raw());
  parallel_for((bytes + kChunk - 1) / kChunk, bytes / 4, [=](int64_t i) {
    std::memcpy(to + i * kChunk, from + i * kChunk, static_cast<size_t>(std::min(kChunk, bytes - i * kChunk)));
  });
}

}  // namespace matmix::cpu
