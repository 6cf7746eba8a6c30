#include "ops/embedding/embedding_kernels.h"
#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/cuda/reduce.cuh"

namespace matmix::cuda {
namespace {

constexpr int kGatherThreads = 256;

// Gather of rows, as words.            y[t, :] = table[ids[t], :];  all bits set (a NaN) where the id is outside [0, V)
// Owns:    warp = 1 token; lane l owns words l, l + 32, ...
// Traffic: reads and writes T D elements, 16 bytes a lane where rows are aligned: bound by memory.     Syncs: none.
// Numerics: moves bits, so it knows words and no dtype.     Requires: T > 0, D > 0.
template <class Word, class Id>
__global__ void gather_kernel(const Word* __restrict__ table, int64_t stride, int64_t V, const Id* ids,
                              Word* __restrict__ y, int64_t T, int64_t words) {
  constexpr int kWarps = kGatherThreads / kWarp;
  const int64_t t = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (t >= T) return;
  const int64_t id = ids[t];
  const bool known = id >= 0 && id < V;
  Word nan;
  memset(&nan, 0xff, sizeof nan);
#pragma unroll 4
  for (int64_t i = threadIdx.x % kWarp; i < words; i += kWarp) y[t * words + i] = known ? table[id * stride + i] : nan;
}

template <class Word>
void gather(const Tensor& table, const Tensor& ids, const Tensor& y) {
  const auto size = static_cast<int64_t>(size_of(table.dtype())), width = static_cast<int64_t>(sizeof(Word));
  const int64_t T = ids.numel(), words = y.dim(1) * size / width, stride = table.stride(0) * size / width;
  with_ids(ids, [&](const auto* id) {
    gather_kernel<<<blocks(T, kGatherThreads / kWarp), kGatherThreads, 0, stream()>>>(
        static_cast<const Word*>(table.raw()), stride, table.dim(0), id, static_cast<Word*>(y.raw()), T, words);
  });
}

constexpr int kSortThreads = 1024, kSortWarps = kSortThreads / kWarp;
constexpr int kSortRows = 256;  // table rows a block

// Stable counting sort by id.          order = tokens by (row, t); row[i] = ids[order[i]], or V for ids outside [0, V)
// Owns:    block = kSortRows table rows and their places in the result, which start at the number of smaller ids, so
//          that blocks need nothing of each other.
// Tiles:   the ids pass twice, 1024 at a time: once to count, once to place. Shared: counts of the block's rows, and of
//          the rows that each warp found among the 1024 (20 KB).
// Traffic: reads 2 T ids a block (from L2), writes 2 T integers in all. V = 30,522, T = 65,536: 120 blocks, 126 MB.
// Syncs:   two __syncthreads for 1024 ids: after the warps' counts are written, and after they are read.
// Numerics: integers; the atomics are on counts alone, whose value does not depend on their order.
template <class Id>
__global__ void __launch_bounds__(kSortThreads)
    sort_kernel(const Id* ids, int64_t T, int64_t V, int64_t* order, int64_t* row) {
  __shared__ unsigned long long count[kSortRows], next[kSortRows];
  __shared__ uint16_t found[kSortWarps][kSortRows];
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t first = int64_t{blockIdx.x} * kSortRows;
  // Relative to the block's rows: negative below, kSortRows and more above.
  const auto place_of = [&](int64_t t) {
    if (t >= T) return int64_t{kSortRows};
    const int64_t id = ids[t];
    return (id >= 0 && id < V ? id : V) - first;
  };

  if (threadIdx.x < kSortRows) count[threadIdx.x] = 0;
  for (int i = threadIdx.x; i < kSortWarps * kSortRows; i += kSortThreads) found[i / kSortRows][i % kSortRows] = 0;
  __syncthreads();
  unsigned long long smaller = 0;
  for (int64_t t = threadIdx.x; t < T; t += kSortThreads) {
    const int64_t r = place_of(t);
    if (r < 0)
      ++smaller;
    else if (r < kSortRows)
      atomicAdd(&count[r], 1ull);
  }
  smaller = block_sum<kSortThreads>(smaller);
  if (threadIdx.x < kSortRows) {
    for (int r = 0; r < threadIdx.x; ++r) smaller += count[r];
    next[threadIdx.x] = smaller;
  }
  __syncthreads();

  int64_t r = place_of(threadIdx.x);
  for (int64_t base = 0; base < T; base += kSortThreads) {
    const int64_t t = base + threadIdx.x, r_ahead = place_of(t + kSortThreads);
    const bool mine = r >= 0 && r < kSortRows;
    const unsigned same = __match_any_sync(0xffffffffu, mine ? static_cast<int>(r) : -1);
    const unsigned before = same & ((1u << lane) - 1);
    const bool leads = mine && before == 0;
    if (leads) found[warp][r] = static_cast<uint16_t>(__popc(same));
    __syncthreads();
    if (mine) {
      unsigned long long i = next[r] + __popc(before);
      for (int w = 0; w < warp; ++w) i += found[w][r];
      order[i] = t;
      row[i] = first + r;
    }
    __syncthreads();
    if (leads) {
      atomicAdd(&next[r], static_cast<unsigned long long>(__popc(same)));
      found[warp][r] = 0;
    }
    __syncwarp();
    r = r_ahead;
  }
}

constexpr int kPiece = 64;  // sorted tokens a block sums
constexpr int kAhead = 4;   // rows of dy in flight a thread

/// W neighbours, moved by one instruction (two for more than 16 bytes).
template <class T, int W>
struct alignas(sizeof(T) * W) Pack {
  T at[W];
};

template <int W, class T>
__device__ Pack<T, W> load(const T* from) {
  return *reinterpret_cast<const Pack<T, W>*>(from);
}

/// to[0..W) += sum[0..W).
template <class Out, class A, int W>
__device__ void add_to(Out* to, const Pack<A, W>& sum) {
  using Wide = decltype(A() + Accumulator<Out>());
  Pack<Out, W> x = load<W>(to);
#pragma unroll
  for (int w = 0; w < W; ++w) x.at[w] = static_cast<Out>(static_cast<Wide>(x.at[w]) + sum.at[w]);
  *reinterpret_cast<Pack<Out, W>*>(to) = x;
}

/// What sort_kernel made: token order[i] is for row row[i]; cut into pieces of kPiece tokens.
struct Sorted {
  const int64_t *order, *row;
  int64_t T, V, pieces;
  __device__ bool same_row(int64_t i, int64_t j) const { return j >= 0 && j < T && row[i] == row[j]; }
};

// Sums over runs of equal rows, cut into pieces.       dtable[v, :] += sum of dy over a run that lies in one piece;
//          open[2 p] = the part in piece p of a run that began before it, open[2 p + 1] = of one that goes on after it.
// Owns:    block = 1 piece x kPiece W columns; thread = W columns.
// Tiles:   kAhead rows of dy in flight a thread; the piece's tokens and rows in shared memory (1 KB).
// Traffic: reads T D of dy once, reads and writes each row of dtable that has tokens once: bound by memory. A frequent
//          id is many pieces, so that no block has more than kPiece rows to read.
// Syncs:   one, after the piece's tokens are read.
// Numerics: sums in Accumulator<T> in ascending t; where pieces end depends on the ids alone, so bitwise repeatable.
template <class T, class Out, int W>
__global__ void __launch_bounds__(kPiece)
    piece_kernel(const T* dy, Sorted in, Out* dtable, int64_t stride, Accumulator<T>* open, int64_t D, int64_t across) {
  __shared__ int64_t token[kPiece], row[kPiece];
  const int64_t piece = blockIdx.x / across, begin = piece * kPiece;
  const int64_t c = (blockIdx.x % across * kPiece + threadIdx.x) * W;
  const int n = static_cast<int>(min(int64_t{kPiece}, in.T - begin)), lane = static_cast<int>(threadIdx.x);
  if (lane < n) {
    token[lane] = in.order[begin + lane];
    row[lane] = in.row[begin + lane];
  }
  __syncthreads();
  if (c >= D) return;

  bool began_before = in.same_row(begin, begin - 1);
  const bool goes_on = in.same_row(begin + n - 1, begin + n);
  Pack<Accumulator<T>, W> sum = {};
  const auto close_run = [&](int j) {
    if (began_before || (j == n - 1 && goes_on))
      *reinterpret_cast<Pack<Accumulator<T>, W>*>(open + (2 * piece + !began_before) * D + c) = sum;
    else if (row[j] < in.V)
      add_to(dtable + row[j] * stride + c, sum);
    began_before = false;
    sum = {};
  };
  for (int i = 0; i < n; i += kAhead) {
    Pack<T, W> x[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k)
      if (i + k < n) x[k] = load<W>(dy + token[i + k] * D + c);
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (i + k >= n) break;
#pragma unroll
      for (int w = 0; w < W; ++w) sum.at[w] += static_cast<Accumulator<T>>(x[k].at[w]);
      if (i + k == n - 1 || row[i + k + 1] != row[i + k]) close_run(i + k);
    }
  }
}

// Runs of several pieces.              dtable[v, :] += open[2 p + 1] + open[2 (p + 1)] + open[2 (p + 2)] + ...
// Owns:    block = the run that begins in piece p and goes on, if there is one, x kPiece W columns; thread = W columns.
// Traffic: reads the open parts once, reads and writes each such row of dtable once.     Syncs: none.
// Numerics: parts in ascending order, so in ascending t.
template <class A, class Out, int W>
__global__ void __launch_bounds__(kPiece)
    join_kernel(Sorted in, Out* dtable, int64_t stride, const A* open, int64_t D, int64_t across) {
  const int64_t piece = blockIdx.x / across, begin = piece * kPiece, last = begin + kPiece - 1;
  const int64_t c = (blockIdx.x % across * kPiece + threadIdx.x) * W;
  if (c >= D || !in.same_row(last, last + 1)) return;
  const int64_t v = in.row[last];
  if (v == in.V || (in.same_row(last, begin) && in.same_row(begin, begin - 1))) return;
  int64_t end = piece + 1;  // of the pieces that start with v; found by bisection, for rows ascend
  for (int64_t high = in.pieces; end < high;) {
    const int64_t middle = (end + high) / 2;
    if (in.row[middle * kPiece] == v)
      end = middle + 1;
    else
      high = middle;
  }
  Pack<A, W> sum = load<W>(open + (2 * piece + 1) * D + c);
#pragma unroll 8
  for (int64_t p = piece + 1; p < end; ++p) {
    const Pack<A, W> part = load<W>(open + 2 * p * D + c);
#pragma unroll
    for (int w = 0; w < W; ++w) sum.at[w] += part.at[w];
  }
  add_to(dtable + v * stride + c, sum);
}

template <class T, class Out, int W>
void sum_rows(const Tensor& dy, const Sorted& in, const Tensor& dtable) {
  using A = Accumulator<T>;
  const int64_t D = dy.dim(1), stride = dtable.stride(0), across = (D + kPiece * W - 1) / (kPiece * W);
  const Tensor open = empty({2 * in.pieces, D}, dtype_of<A>(), dy.device());
  const unsigned grid = blocks(in.pieces * across, 1);
  Out* out = dtable.data<Out>();
  piece_kernel<T, Out, W><<<grid, kPiece, 0, stream()>>>(dy.data<T>(), in, out, stride, open.data<A>(), D, across);
  join_kernel<A, Out, W><<<grid, kPiece, 0, stream()>>>(in, out, stride, open.data<A>(), D, across);
}

/// Rows of `width` elements, `stride` apart, may be moved as Packs of W.
template <int W, class T>
bool fits_pack(const T* p, int64_t width, int64_t stride) {
  return reinterpret_cast<uintptr_t>(p) % sizeof(Pack<T, W>) == 0 && width % W == 0 && stride % W == 0;
}

}  // namespace

void embedding_forward(const Tensor& table, const Tensor& ids, const Tensor& y) {
  if (y.numel() == 0) return;
  const auto bytes = [&](int64_t elements) { return static_cast<uintptr_t>(elements) * size_of(table.dtype()); };
  const uintptr_t together = reinterpret_cast<uintptr_t>(table.raw()) | reinterpret_cast<uintptr_t>(y.raw()) |
                             bytes(table.stride(0)) | bytes(y.dim(1));
  if (together % sizeof(uint4) == 0) return gather<uint4>(table, ids, y);
  dispatch_float(table.dtype(), "embedding", [&]<class T>() {
    using Word = std::conditional_t<sizeof(T) == 8, uint64_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint16_t>>;
    gather<Word>(table, ids, y);
  });
}

void embedding_backward(const Tensor& dy, const Tensor& ids, const Tensor& dtable) {
  if (dy.numel() == 0) return;
  const int64_t T = ids.numel(), V = dtable.dim(0), D = dtable.dim(1);
  const Tensor sorted = empty({2, T}, DType::I64, dy.device());
  int64_t *order = sorted.data<int64_t>(), *row = order + T;
  with_ids(ids, [&](const auto* id) {
    sort_kernel<<<blocks(V + 1, kSortRows), kSortThreads, 0, stream()>>>(id, T, V, order, row);
  });
  const Sorted in{order, row, T, V, (T + kPiece - 1) / kPiece};
  dispatch_float(dy.dtype(), "embedding", [&]<class T_>() {
    dispatch_float(dtable.dtype(), "embedding", [&]<class Out>() {
      constexpr int W = 4;
      const bool packs = fits_pack<W>(dy.data<T_>(), D, D) && fits_pack<W>(dtable.data<Out>(), D, dtable.stride(0));
      packs ? sum_rows<T_, Out, W>(dy, in, dtable) : sum_rows<T_, Out, 1>(dy, in, dtable);
    });
  });
}

}  // namespace matmix::cuda
