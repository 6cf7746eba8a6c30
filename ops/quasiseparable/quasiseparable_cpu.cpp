#include "ops/quasiseparable/quasiseparable_gradients_cpu.h"
#include "ops/quasiseparable/quasiseparable_tile_cpu.h"

// Forward: chunk_sums, local_states, pass_states, outputs. Backward: chunk_sums again, local_states and pass_states of
// the adjoint, gradients.
namespace matmix::cpu {
namespace quasi {
namespace {

/// 1. Step sizes and decays of every chunk. Their sums run in double.
template <class A>
void sum_steps(const Problem<A>& p, const Chunk& c, int64_t h, int direction) {
  Steps<A> s = p.steps_of(c, h, direction);
  const View<A> raw(p.v.dt[direction]);
  const A bias = p.v.dt_bias.defined() ? p.v.dt_bias.template data<A>()[h] : A(0);
  for (int64_t j = 0; j < c.length; ++j) s.dt[j] = *raw.at(c.row, c.start + j, h) + bias;
  for (int64_t j = 0; j < c.length; ++j) s.dt[j] = math::softplus(s.dt[j]);
  s.log_decay = p.rate(h) * s.dt;

  const Walk walk{direction, c.length};
  double sum = 0;
  for (int64_t k = 0; k < c.length; ++k) {
    const double before = sum;
    sum += s.log_decay[walk.at(k)];
    s.enter[walk.at(k)] = static_cast<A>(p.v.shift ? before : sum);
  }
  s.total = decay(static_cast<A>(sum));
  sum = 0;
  for (int64_t k = c.length - 1; k >= 0; --k) {
    s.leave[walk.at(k)] = static_cast<A>(sum);
    sum += s.log_decay[walk.at(k)];
  }
  for (int64_t j = 0; j < c.length; ++j) s.enter[j] = decay(s.enter[j]);
  for (int64_t j = 0; j < c.length; ++j) s.leave[j] = decay(s.leave[j]);
}

template <class A>
void chunk_sums(const Problem<A>& p) {
  parallel_for(p.chunks.count * p.H, p.chunks.count * p.H * p.v.Q * 64, [&](int64_t i) {
    for (const int direction : p.directions()) sum_steps(p, p.chunks.at(i / p.H), i % p.H, direction);
  });
}

/// 2. What each chunk adds to the states that leave it: sum_j leave_j dt_j B_j x_j'. Adjoint: what its rows add to the
/// gradient of the states that entered it: sum_i enter_i C_i dy_i'.
template <class A>
void local_states(const Problem<A>& p, const Tensor& x, bool adjoint, const Tensor& states) {
  p.for_tiles([&](const Chunk& c, int64_t g) {
    Scratch<A>& s = Scratch<A>::of_thread();
    s.tile.load(p, c, g);
    for (int64_t h = g * p.heads; h < (g + 1) * p.heads; ++h) {
      const auto factors = [&](int direction) -> Vector<A> {
        const Steps<A> steps = p.steps_of(c, h, direction);
        if (adjoint) return steps.enter;
        return steps.leave.cwiseProduct(steps.dt);
      };
      scale_rows(p, adjoint ? s.tile.C : s.tile.B, factors, s.scaled);
      load(p, x, c, h, s.x);
      multiply_matrices(s.scaled.transpose(), s.x, p.state(states, c, h));
    }
  });
}

/// 3. Each chunk's own part becomes what enters it from the chunks walked before; the first of a run gets `entering`,
/// and what leaves the run goes to `leaving`. Adjoint: the gradient of what leaves a chunk, walked the other way.
template <class A>
void pass_states(const Problem<A>& p, const Tensor& states, bool adjoint, const std::array<Tensor, 2>& entering,
                 const std::array<Tensor, 2>& leaving) {
  const int64_t N = p.N, P = p.P, directions = p.v.directions();
  parallel_for(p.chunks.count * p.H * directions, p.chunks.count * p.H * p.width() * P, [&](int64_t task) {
    const Chunk c = p.chunks.at(task / (directions * p.H));
    if (c.index != c.first) return;
    const int64_t h = task / directions % p.H;
    const int64_t run = p.v.run_id.defined() ? p.v.run_id.template data<int32_t>()[c.row * p.L + c.start] : c.row;
    const int direction = p.v.first_direction + static_cast<int>(task % directions);
    const auto edge = [&](const Tensor& t) {
      return MatrixMap<A>(t.data<A>() + ((t.rank() == 4 ? run : 0) * p.H + h) * P * N, P, N);
    };
    Matrix<A> carried = Matrix<A>::Zero(N, P), own(N, P);
    if (entering[direction].defined()) carried = edge(entering[direction]).transpose();
    for (int64_t k = 0; k < c.past - c.first; ++k) {
      const Chunk here = p.chunks.at((direction == 0) != adjoint ? c.first + k : c.past - 1 - k);
      auto state = p.rows(p.state(states, here, h), direction);
      own = state;
      state = carried;
      carried = p.steps_of(here, h, direction).total * carried + own;
    }
    if (leaving[direction].defined()) edge(leaving[direction]) = carried.transpose();
  });
}

/// 4. y = W x + [enter o C] states.
template <class A>
void outputs(const Problem<A>& p, const Tensor& states, const Tensor& y) {
  p.for_tiles([&](const Chunk& c, int64_t g) {
    Scratch<A>& s = Scratch<A>::of_thread();
    s.tile.load(p, c, g);
    s.tile.multiply_products(p);
    s.decays.resize(c.length);
    s.y.resize(c.length, p.P);
    for (int64_t h = g * p.heads; h < (g + 1) * p.heads; ++h) {
      load(p, p.v.x, c, h, s.x);
      fill_matrix(p, c, h, s);
      multiply_matrices(s.W, s.x, s.y);
      if (states.defined()) {
        scale_rows(
            p, s.tile.C, [&](int direction) { return p.steps_of(c, h, direction).enter; }, s.scaled);
        multiply_matrices(s.scaled, p.state(states, c, h), s.y, 1);
      }
      store(s.y, c, h, y);
    }
  });
}

/// 5. Everything that x, dy, the states and their adjoints determine inside one chunk.
template <class A>
void gradients(const Problem<A>& p, const Tensor& dy, const Tensor& states, const Tensor& adjoint_states,
               const QuasiseparableGradients& to) {
  p.for_tiles([&](const Chunk& c, int64_t g) {
    GradientTile<A> tile(p, c, g, to);
    for (int64_t h = g * p.heads; h < (g + 1) * p.heads; ++h) tile.add_head(h, dy, states, adjoint_states);
    tile.finish();
  });
}

}  // namespace
}  // namespace quasi

void quasiseparable_forward(const QuasiseparableValues& v, const Tensor& y, const Tensor& states,
                            const std::array<Tensor, 2>& final_states) {
  dispatch_wide(v.x.dtype(), "quasiseparable", [&]<class A>() {
    using namespace quasi;
    const Problem<A> p{v};
    chunk_sums(p);
    if (states.defined()) {
      local_states(p, v.x, false, states);
      pass_states(p, states, false, v.initial, final_states);
    }
    outputs(p, states, y);
  });
}

void quasiseparable_backward(const QuasiseparableValues& v, const Tensor& dy, const std::array<Tensor, 2>& dfinal,
                             const Tensor& states, const QuasiseparableGradients& to) {
  dispatch_wide(v.x.dtype(), "quasiseparable", [&]<class A>() {
    using namespace quasi;
    const Problem<A> p{v};
    chunk_sums(p);
    Tensor adjoint_states;
    if (states.defined()) {
      adjoint_states = empty_like(states);
      local_states(p, dy, true, adjoint_states);
      pass_states(p, adjoint_states, true, dfinal, to.dinitial);
    }
    gradients(p, dy, states, adjoint_states, to);
  });
}

}  // namespace matmix::cpu
