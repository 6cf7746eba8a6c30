#include "tensor/walk.h"

#include <algorithm>
#include <vector>

namespace matmix {
namespace {

void add_axis(Walk& walk, int64_t size, int64_t a, int64_t b) {
  walk.shape.push_back(size);
  walk.a.push_back(a);
  walk.b.push_back(b);
}

}  // namespace

Walk collapse(const Shape& shape, const Shape& a, const Shape& b) {
  std::vector<int> order;
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] != 1) order.push_back(i);
  std::ranges::stable_sort(order, [&](int i, int j) { return a[i] != a[j] ? a[i] > a[j] : b[i] > b[j]; });

  Walk walk;
  for (const int i : order) {
    const int last = walk.shape.rank() - 1;
    if (last >= 0 && walk.a[last] == shape[i] * a[i] && walk.b[last] == shape[i] * b[i]) {
      walk.shape[last] *= shape[i];
      walk.a[last] = a[i];
      walk.b[last] = b[i];
    } else {
      add_axis(walk, shape[i], a[i], b[i]);
    }
  }
  return walk;
}

Walk as_matrices(const Walk& walk) {
  Walk out;
  for (int i = walk.shape.rank(); i < 2; ++i) add_axis(out, 1, 0, 0);
  for (int i = 0; i < walk.shape.rank(); ++i) add_axis(out, walk.shape[i], walk.a[i], walk.b[i]);
  const int rows = out.shape.rank() - 2;
  int densest = rows;
  for (int i = 0; i < rows; ++i)
    if (out.b[i] != 0 && out.b[i] < out.b[densest]) densest = i;
  std::swap(out.shape[densest], out.shape[rows]);
  std::swap(out.a[densest], out.a[rows]);
  std::swap(out.b[densest], out.b[rows]);
  return out;
}

}  // namespace matmix
