#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/embedding/embedding_kernels.h"
#include "tensor/parallel.h"

namespace matmix::cpu {
namespace {

int64_t tiles(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

/// Tokens sorted by id, ascending where ids are equal: those of id v are order[start[v]] ... order[start[v + 1] - 1].
struct TokensById {
  std::vector<int64_t> start, order;
};

/// Counting sort.
TokensById sort_by_id(const Tensor& ids, int64_t V) {
  const int64_t T = ids.numel();
  TokensById by{std::vector<int64_t>(static_cast<size_t>(V) + 2), std::vector<int64_t>(static_cast<size_t>(T))};
  with_ids(ids, [&](const auto* id) {
    int64_t* start = by.start.data();
    for (int64_t t = 0; t < T; ++t) ++start[id[t] + 2];
    for (int64_t v = 2; v <= V + 1; ++v) start[v] += start[v - 1];
    for (int64_t t = 0; t < T; ++t) by.order[static_cast<size_t>(start[id[t] + 1]++)] = t;
  });
  return by;
}

constexpr int64_t kRows = 256, kColumns = 128;

/// dtable[v, c] += sum over the tokens of v of dy[t, c], for c in [0, columns) and one v.
template <class T, class Out>
void add_tokens(const T* dy, int64_t D, const int64_t* token, const int64_t* last, Out* dtable, int64_t columns) {
  Accumulator<T> sum[kColumns] = {};
  for (; token != last; ++token)
    for (int64_t c = 0; c < columns; ++c) sum[c] += static_cast<Accumulator<T>>(dy[*token * D + c]);
  using Wide = decltype(Accumulator<T>() + Accumulator<Out>());
  for (int64_t c = 0; c < columns; ++c) dtable[c] = static_cast<Out>(static_cast<Wide>(dtable[c]) + sum[c]);
}

/// Tiles of table rows and columns, each owned by one thread: a frequent id is shared out by its columns.
template <class T, class Out>
void add_rows(const Tensor& dy, const TokensById& by, const Tensor& dtable) {
  const int64_t V = dtable.dim(0), D = dtable.dim(1), stride = dtable.stride(0), across = tiles(D, kColumns);
  const int64_t *start = by.start.data(), *order = by.order.data();
  const T* from = dy.data<T>();
  Out* to = dtable.data<Out>();
  parallel_for(tiles(V, kRows) * across, dy.numel() + V, [=](int64_t tile) {
    const int64_t column = tile % across * kColumns, columns = std::min(kColumns, D - column);
    const int64_t first = tile / across * kRows;
    for (int64_t v = first; v < std::min(V, first + kRows); ++v)
      if (start[v] != start[v + 1])
        add_tokens(from + column, D, order + start[v], order + start[v + 1], to + v * stride + column, columns);
  });
}

}  // namespace

void embedding_forward(const Tensor& table, const Tensor& ids, const Tensor& y) {
  constexpr int64_t kTokens = 64;
  const int64_t T = ids.numel(), size = static_cast<int64_t>(size_of(table.dtype()));
  const int64_t row = table.dim(1) * size, stride = table.stride(0) * size;
  const char* from = static_cast<const char*>(table.raw());
  char* to = static_cast<char*>(y.raw());
  if (row == 0) return;
  with_ids(ids, [&](const auto* id) {
    parallel_for(tiles(T, kTokens), y.numel(), [=](int64_t tile) {
      for (int64_t t = tile * kTokens; t < std::min(T, (tile + 1) * kTokens); ++t)
        std::memcpy(to + t * row, from + id[t] * stride, static_cast<size_t>(row));
    });
  });
}

void embedding_backward(const Tensor& dy, const Tensor& ids, const Tensor& dtable) {
  const TokensById by = sort_by_id(ids, dtable.dim(0));
  dispatch_float(dy.dtype(), "embedding", [&]<class T>() {
    dispatch_float(dtable.dtype(), "embedding", [&]<class Out>() { add_rows<T, Out>(dy, by, dtable); });
  });
}

}  // namespace matmix::cpu
