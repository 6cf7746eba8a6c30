#include "ops/ssd/ssd_kernels.h"
#include "ops/ssd/ssd_stages.cuh"
#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"

// Forward: chunk_decays, chunk_matrix, local_states, pass_states, apply. Backward: the first two again, local_states
// and pass_states of the adjoint, apply transposed, chunk_gradients, sum_heads.
namespace matmix::cuda {
namespace ssd {
namespace {

/// A call in progress: the problem with its scratch, and the grids.
template <class T, bool kComplex>
struct Call {
  using A = Accumulator<T>;
  Device device;
  int64_t chunks, H, P, G, N, numbers;
  Tensor dt, decays, matrices;
  Problem<T> p;

  explicit Call(const SsdValues& s)
      : device(s.v.x.device()),
        chunks(s.v.chunk_count()),
        H(s.v.x.dim(2)),
        P(s.v.x.dim(3)),
        G(s.v.B[s.direction()].dim(2)),
        N(s.v.B[s.direction()].dim(3)),
        numbers(s.A_log.dim(1)),
        dt(scratch({chunks, H, kQ})),
        decays(scratch({chunks, H, kQ, N})),
        matrices(scratch({chunks, H, kQ, kQ})),
        p(s, dt, decays, matrices) {
    require(s.v.Q <= kQ, "ssd", "a chunk must have at most ", kQ, " tokens, got Q ", s.v.Q);
    chunk_decays<T, kComplex><<<blocks(chunks * H * kQ * numbers, kThreads), kThreads, 0, stream()>>>(p);
    chunk_matrix<T, kComplex><<<blocks(chunks * H, 1), kThreads, 0, stream()>>>(p);
  }

  Tensor scratch(const Shape& shape) const { return empty(shape, dtype_of<A>(), device); }
  /// One block for each chunk and head and 256 of `n`.
  dim3 grid(int64_t n) const {
    const unsigned y = blocks(n, kThreads);
    require(y <= 65535, "ssd", "on CUDA a state must have at most ", int64_t{65535} * kThreads, " numbers, got ", n);
    return dim3(blocks(chunks * H, 1), y);
  }
  void make_states(const Tensor& rows, bool adjoint, const Tensor& states, const std::array<Tensor, 2>& entering,
                   const std::array<Tensor, 2>& leaving) const {
    local_states<T, kComplex>
        <<<grid(P * numbers), kThreads, 0, stream()>>>(p, View<const T>(rows), adjoint, states.data<A>());
    pass_states<T, kComplex>
        <<<grid(P * numbers), kThreads, 0, stream()>>>(p, states.data<A>(), adjoint, RunStates<A>(entering, leaving));
  }
  template <bool kTransposed>
  void apply_to(const Tensor& rows, const Tensor& states, const Tensor& out) const {
    apply<T, kComplex, kTransposed>
        <<<grid(P), kThreads, 0, stream()>>>(p, View<const T>(rows), states.data<A>(), View<T>(out));
  }
  void sum_over_heads(const Tensor& heads, const Tensor& to) const {
    sum_heads<T><<<blocks(chunks * kQ * G * N, kThreads), kThreads, 0, stream()>>>(p, heads.data<A>(), View<T>(to));
  }
};

std::array<Tensor, 2> in_direction(int direction, const Tensor& t) {
  std::array<Tensor, 2> both;
  both[direction] = t;
  return both;
}

template <class T, bool kComplex>
void forward(const SsdValues& s, const Tensor& y, const Tensor& states, const Tensor& final_state) {
  const Call<T, kComplex> call(s);
  call.make_states(s.v.x, false, states, s.v.initial, in_direction(s.direction(), final_state));
  call.template apply_to<false>(s.v.x, states, y);
}

template <class T, bool kComplex>
void backward(const SsdValues& s, const Tensor& dy, const Tensor& dfinal, const Tensor& states,
              const QuasiseparableGradients& to, const SsdRates& rates) {
  using A = Accumulator<T>;
  const Call<T, kComplex> call(s);
  const int d = s.direction();
  const Tensor adjoint_states = empty_like(states), dB = empty_like(call.decays), dC = empty_like(call.decays);
  call.make_states(dy, true, adjoint_states, in_direction(d, dfinal), to.dinitial);
  call.template apply_to<true>(dy, adjoint_states, to.dx);
  const GradientParts<T> parts{.dB = dB.data<A>(),
                               .dC = dC.data<A>(),
                               .dA_log = rates.dA_log.data<A>(),
                               .dA_im = data_or_null<A>(rates.dA_im),
                               .ddt = View<A>(to.ddt[d]),
                               .ddelta = View<A>(to.ddelta)};
  chunk_gradients<T, kComplex><<<call.grid(1), kThreads, 0, stream()>>>(call.p, View<const T>(dy), states.data<A>(),
                                                                        adjoint_states.data<A>(), parts);
  call.sum_over_heads(dB, to.dB[d]);
  call.sum_over_heads(dC, to.dC[d]);
}

/// f.operator()<T, kComplex>().
template <class F>
void dispatch(const SsdValues& s, F f) {
  dispatch_float(s.v.x.dtype(), "ssd", [&]<class T>() {
    if (s.A_im.defined())
      f.template operator()<T, true>();
    else
      f.template operator()<T, false>();
  });
}

}  // namespace
}  // namespace ssd

void ssd_forward(const SsdValues& s, const Tensor& y, const Tensor& states, const Tensor& final_state) {
  ssd::dispatch(s, [&]<class T, bool kComplex>() { ssd::forward<T, kComplex>(s, y, states, final_state); });
}

void ssd_backward(const SsdValues& s, const Tensor& dy, const Tensor& dfinal, const Tensor& states,
                  const QuasiseparableGradients& to, const SsdRates& rates) {
  ssd::dispatch(s, [&]<class T, bool kComplex>() { ssd::backward<T, kComplex>(s, dy, dfinal, states, to, rates); });
}

}  // namespace matmix::cuda
