#include <algorithm>

#include "ops/quasiseparable/quasiseparable_gradients.cuh"
#include "ops/quasiseparable/quasiseparable_stages.cuh"
#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"

// Forward: chunk_sums, group_products, local_states, pass_states, apply. Backward: the first two again, local_states
// and pass_states of the adjoint, apply transposed; intra_gradients, inter_gradients, group_gradients, step_gradients.
namespace matmix::cuda {
namespace quasi {
namespace {

/// A call in progress: the problem with its scratch, and the grids.
template <class T>
struct Call {
  using A = Accumulator<T>;
  static constexpr int kEdge = Tile<T>::kEdge;
  static constexpr DType kDType = dtype_of<A>();
  Device device;
  int64_t chunks, H, P, G, N, directions;
  Tensor steps, products, diagonals;
  Problem<T> p;

  explicit Call(const QuasiseparableValues& v)
      : device(v.x.device()),
        chunks(v.chunk_count()),
        H(v.x.dim(2)),
        P(v.x.dim(3)),
        G(v.B[v.first_direction].dim(2)),
        N(v.B[v.first_direction].dim(3)),
        directions(v.directions()),
        steps(scratch({chunks, H, 2, 3, kEdge})),
        products(scratch({chunks, G, kEdge, kEdge})),
        diagonals(scratch({chunks, G, 2, kEdge})),
        p(v, steps, products, diagonals) {
    require(v.Q <= kEdge, "quasiseparable", "a chunk must fit in a tile of ", kEdge, " tokens, got Q ", v.Q);
    chunk_sums<T><<<grid(chunks, by_heads(), directions), kHeadsABlock * kWarp, 0, stream()>>>(p);
    group_products<T><<<grid(chunks, G), kTileThreads, 0, stream()>>>(p);
  }

  Tensor scratch(const Shape& shape) const { return empty(shape, kDType, device); }
  static dim3 grid(int64_t x, int64_t y, int64_t z = 1) {
    require(y <= 65535 && z <= 65535, "quasiseparable", "on CUDA heads, groups and tiles must be at most 65535, got ",
            std::max(y, z));
    return dim3(blocks(x, 1), static_cast<unsigned>(y), static_cast<unsigned>(z));
  }
  static int64_t tiles(int64_t n) { return (n + kEdge - 1) / kEdge; }
  int64_t by_heads() const { return (H + kHeadsABlock - 1) / kHeadsABlock; }
  int64_t pass_blocks(int64_t each) const { return (N * P + each * kPassThreads - 1) / (each * kPassThreads); }
  /// Values that a thread of pass_states takes along: four on a short walk, most of which is finding out where to go;
  /// one on a long walk, so that more threads wait for memory at once.
  int64_t pass_each() const { return p.chunks.chunks_a_full_run() <= 4 ? 4 : 1; }
  int64_t pass_warps() const { return pass_blocks(pass_each()) * kPassThreads / kWarp; }

  void make_states(const Tensor& rows, bool adjoint, const Tensor& states) const {
    local_states<T><<<grid(chunks * H, directions * tiles(N), tiles(P)), kTileThreads, 0, stream()>>>(
        p, View<const T>(rows), adjoint, states.data<A>());
  }
  void pass(const Tensor& states, const Tensor& forward_states, const Tensor& dots,
            const std::array<Tensor, 2>& entering, const std::array<Tensor, 2>& leaving) const {
    const int64_t starts = chunks / p.chunks.chunks_a_full_run(), each = pass_each();
    const auto kernel = each == 1 ? pass_states<T, 1> : pass_states<T, 4>;
    kernel<<<grid(starts, pass_blocks(each), directions * H), kPassThreads, 0, stream()>>>(
        p, states.data<A>(), data_or_null<A>(forward_states), data_or_null<A>(dots), RunStates<A>(entering, leaving));
  }
  template <bool kTransposed>
  void apply_to(const Tensor& rows, const Tensor& states, const Tensor& out) const {
    apply<T, kTransposed><<<grid(chunks * H, tiles(P)), kTileThreads, 0, stream()>>>(
        p, View<const T>(rows), data_or_null<A>(states), View<T>(out));
  }
};

/// How many heads of a group a block takes: fewer for few chunks, so that there are enough blocks.
int64_t heads_a_block(int64_t cells, int64_t heads) {
  constexpr int64_t kEnoughBlocks = 1024;
  const int64_t splits = std::clamp<int64_t>(kEnoughBlocks / cells, 1, heads);
  return (heads + splits - 1) / splits;
}

template <class T>
void backward(const QuasiseparableValues& v, const Tensor& dy, const std::array<Tensor, 2>& dfinal,
              const Tensor& states, const QuasiseparableGradients& to) {
  using A = Accumulator<T>;
  constexpr int kEdge = Tile<T>::kEdge;
  const Call<T> call(v);
  const int64_t chunks = call.chunks, H = call.H, G = call.G, N = call.N, n_tiles = call.tiles(N);
  const int64_t per_block = heads_a_block(chunks * G, H / G), splits = (H / G + per_block - 1) / per_block;
  const int64_t warps = call.pass_warps();
  const Tensor dG = call.scratch({splits, chunks, G, kEdge, kEdge});
  const Tensor dG_diagonal = call.scratch({splits, chunks, G, 2, kEdge});
  const Tensor direct = call.scratch({chunks, H, 2, kEdge}), through = call.scratch({chunks, H, 2, kEdge});
  Tensor adjoint_states, rows, step_rows, dots;
  if (states.defined()) {
    adjoint_states = empty_like(states);
    dots = call.scratch({chunks, H, 2, warps});
    rows = call.scratch({splits, 4, chunks, G, kEdge, N});
    step_rows = call.scratch({2, n_tiles, chunks, H, 2, kEdge});
    call.make_states(dy, true, adjoint_states);
    call.pass(adjoint_states, states, dots, dfinal, to.dinitial);
  }
  const GradientParts<T> parts{.splits = splits,
                               .heads_a_block = per_block,
                               .n_tiles = n_tiles,
                               .dG = dG.data<A>(),
                               .dG_diagonal = dG_diagonal.data<A>(),
                               .rows = data_or_null<A>(rows),
                               .step_rows = data_or_null<A>(step_rows),
                               .direct = direct.data<A>(),
                               .through = through.data<A>(),
                               .dots = data_or_null<A>(dots),
                               .warps = warps};
  const View<const T> upstream(dy);
  call.template apply_to<true>(dy, adjoint_states, to.dx);
  intra_gradients<T>
      <<<call.grid(chunks, G, splits), kTileThreads, 0, stream()>>>(call.p, upstream, parts, View<A>(to.ddelta));
  if (states.defined())
    inter_gradients<T><<<call.grid(chunks, G * splits, 2 * call.directions * n_tiles), kTileThreads, 0, stream()>>>(
        call.p, upstream, states.data<A>(), adjoint_states.data<A>(), parts);
  group_gradients<T><<<call.grid(chunks, G, 2 * call.directions * n_tiles), kTileThreads, 0, stream()>>>(
      call.p, parts, View<T>(to.dB[0]), View<T>(to.dB[1]), View<T>(to.dC[0]), View<T>(to.dC[1]));
  step_gradients<T><<<call.grid(chunks, call.by_heads()), kHeadsABlock * kWarp, 0, stream()>>>(
      call.p, parts, View<A>(to.ddt[0]), View<A>(to.ddt[1]), data_or_null<A>(to.dA_log));
}

}  // namespace
}  // namespace quasi

void quasiseparable_forward(const QuasiseparableValues& v, const Tensor& y, const Tensor& states,
                            const std::array<Tensor, 2>& final_states) {
  dispatch_float(v.x.dtype(), "quasiseparable", [&]<class T>() {
    const quasi::Call<T> call(v);
    if (states.defined()) {
      call.make_states(v.x, false, states);
      call.pass(states, {}, {}, v.initial, final_states);
    }
    call.template apply_to<false>(v.x, states, y);
  });
}

void quasiseparable_backward(const QuasiseparableValues& v, const Tensor& dy, const std::array<Tensor, 2>& dfinal,
                             const Tensor& states, const QuasiseparableGradients& to) {
  dispatch_float(v.x.dtype(), "quasiseparable", [&]<class T>() { quasi::backward<T>(v, dy, dfinal, states, to); });
}

}  // namespace matmix::cuda
