#include <algorithm>
#include <cmath>

#include "ops/quasiseparable/quasiseparable_tile_cpu.h"
#include "ops/ssd/ssd_kernels.h"

// The recurrence, token by token: a run and a head at a time, states [P, N] so that all loops run along N. Backward
// walks the chunks from the far end, each once more forward from the state that entered it.
namespace matmix::cpu {
namespace ssd {
namespace {

using quasi::Chunk;
using quasi::Matrix;
using quasi::TokenRows;
using quasi::Vector;
using quasi::View;
using quasi::Walk;

/// What one chunk and head reads, in the order of the walk; one a thread, kept from chunk to chunk.
template <class A>
struct Rows {
  Matrix<A> x, dy, B, C;
  Matrix<A> decay;  ///< [length, N]: exp(A dt); complex: real parts, then imaginary parts
  Vector<A> dt;
  Vector<A> rate;    ///< -exp(A_log), of the head
  Matrix<A> states;  ///< [length + 1, P N]: before the first token, and after each
};

template <class A>
struct Problem {
  const SsdValues& s;
  const QuasiseparableValues& v = s.v;
  int direction = s.direction();
  int64_t L = v.x.dim(1), H = v.x.dim(2), P = v.x.dim(3), G = v.B[direction].dim(2), N = v.B[direction].dim(3);
  int64_t numbers = s.A_log.dim(1);  // of A a head
  bool is_complex = s.A_im.defined();
  QuasiseparableChunkTable chunks = v.chunks();

  int64_t group(int64_t h) const { return h / (H / G); }
  int64_t token(const Chunk& c, int64_t k) const { return c.start + Walk{direction, c.length}.at(k); }
  A* chunk_part(const Tensor& t, const Chunk& c, int64_t h) const {
    return t.data<A>() + (c.index * H + h) * (t.numel() / (chunks.count * H));
  }

  /// f(run, h, the leftmost chunk of the run) for every run and head.
  template <class F>
  void for_runs(F f) const {
    parallel_for(chunks.count * H, v.x.numel() * N, [&](int64_t task) {
      const Chunk c = chunks.at(task / H);
      if (c.index != c.first) return;
      const int64_t run = v.run_id.defined() ? v.run_id.template data<int32_t>()[c.row * L + c.start] : c.row;
      f(run, task % H, c);
    });
  }
  Chunk walked(const Chunk& first, int64_t k) const {
    return chunks.at(direction == 0 ? first.first + k : first.past - 1 - k);
  }

  void load(const Chunk& c, int64_t h, const Tensor& dy, Rows<A>& to) const {
    const auto rows = [&](const Tensor& t, int64_t head, Matrix<A>& m) {
      const TokenRows<A> from(t);
      m.resize(c.length, t.dim(3));
      for (int64_t k = 0; k < c.length; ++k) from.read(c.row, token(c, k), head, &m(k, 0));
    };
    rows(v.x, h, to.x);
    rows(v.B[direction], group(h), to.B);
    rows(v.C[direction], group(h), to.C);
    if (dy.defined()) rows(dy, h, to.dy);
    const View<A> raw(v.dt[direction]);
    const A bias = v.dt_bias.defined() ? v.dt_bias.template data<A>()[h] : A(0);
    to.dt.resize(c.length);
    for (int64_t k = 0; k < c.length; ++k) to.dt[k] = math::softplus(*raw.at(c.row, token(c, k), h) + bias);
    load_decays(h, to);
  }

  const A* turns(int64_t h) const { return is_complex ? s.A_im.data<A>() + h * numbers : nullptr; }

 private:
  void load_decays(int64_t h, Rows<A>& to) const {
    const A *const A_log = s.A_log.data<A>() + h * numbers, *const turn = turns(h);
    to.rate.resize(numbers);
    for (int64_t n = 0; n < numbers; ++n) to.rate[n] = -math::exp(A_log[n]);
    to.decay.resize(to.dt.size(), N);
    for (int64_t k = 0; k < to.dt.size(); ++k) {
      A* const row = &to.decay(k, 0);
      for (int64_t n = 0; n < numbers; ++n) row[n] = quasi::decay(to.rate[n] * to.dt[k]);
      if (!is_complex) continue;
      for (int64_t n = 0; n < numbers; ++n) {
        const A angle = turn[n] * to.dt[k];
        row[numbers + n] = row[n] * std::sin(angle);
        row[n] *= std::cos(angle);
      }
    }
  }
};

/// next = decay o state + input x, a row [N] of a state; next may be state, and else nothing overlaps (hence ivdep).
template <class A>
void advance(bool is_complex, int64_t N, const A* decay, const A* input, A x, const A* state, A* next) {
  if (!is_complex) {
    for (int64_t n = 0; n < N; ++n) next[n] = decay[n] * state[n] + input[n] * x;
    return;
  }
  const int64_t half = N / 2;
  const A *turn = decay + half, *imaginary = state + half, *input_imaginary = input + half;
  A* const next_imaginary = next + half;
#pragma GCC ivdep
  for (int64_t n = 0; n < half; ++n) {
    const A re = state[n], im = imaginary[n];
    next[n] = (decay[n] * re - turn[n] * im) + input[n] * x;
    next_imaginary[n] = (turn[n] * re + decay[n] * im) + input_imaginary[n] * x;
  }
}

template <class A>
A dot(int64_t n, const A* a, const A* b) {
  return Eigen::Map<const Vector<A>>(a, n).dot(Eigen::Map<const Vector<A>>(b, n));
}

/// The state of a run's edge, or zeros.
template <class A>
Vector<A> edge(const Problem<A>& p, const Tensor& t, int64_t run, int64_t h) {
  if (!t.defined()) return Vector<A>::Zero(p.P * p.N);
  const A* const from = t.data<A>() + ((t.rank() == 4 ? run : 0) * p.H + h) * p.P * p.N;
  return Eigen::Map<const Vector<A>>(from, p.P * p.N);
}

template <class A>
void forward(const Problem<A>& p, const Tensor& y, const Tensor& states, const Tensor& final_state) {
  const TokenRows<A> to_y(y);
  p.for_runs([&](int64_t run, int64_t h, const Chunk& first) {
    thread_local Rows<A> rows;
    Vector<A> state = edge(p, p.v.initial[p.direction], run, h), input(p.N), out(p.P);
    for (int64_t k = 0; k < first.past - first.first; ++k) {
      const Chunk c = p.walked(first, k);
      p.load(c, h, {}, rows);
      std::copy_n(state.data(), p.P * p.N, p.chunk_part(states, c, h));
      for (int64_t i = 0; i < c.length; ++i) {
        const int64_t token = p.token(c, i);
        const A delta = p.v.delta.defined() ? *View<A>(p.v.delta).at(c.row, token, h) : A(0);
        input = rows.dt[i] * rows.B.row(i).transpose();
        for (int64_t q = 0; q < p.P; ++q) {
          A* const row = &state[q * p.N];
          advance(p.is_complex, p.N, &rows.decay(i, 0), input.data(), rows.x(i, q), row, row);
          out[q] = dot(p.N, row, &rows.C(i, 0)) + delta * rows.x(i, q);
        }
        to_y.write(c.row, token, h, out.data());
      }
    }
    std::copy_n(state.data(), p.P * p.N, final_state.data<A>() + (run * p.H + h) * p.P * p.N);
  });
}

/// The gradients of one run and head; those of B and C go to `dB` and `dC` [B, L, H, N], head by head.
template <class A>
class RunGradients {
 public:
  RunGradients(const Problem<A>& p, int64_t h, const QuasiseparableGradients& to, const SsdRates& rates,
               const Tensor& dB, const Tensor& dC)
      : p_(p), h_(h), to_(to), rates_(rates), dB_(dB), dC_(dC), rows_(rows_of_thread()), input_(p.N), dx_(p.P) {
    for (Vector<A>* x : {&dC_row_, &g_, &dlog_}) x->resize(p.N);
  }

  /// `adjoint`: the gradient of what leaves the chunk, then of what enters it.
  void add_chunk(const Chunk& c, const Tensor& dy, const Tensor& states, Vector<A>& adjoint) {
    p_.load(c, h_, dy, rows_);
    walk_again(c, p_.chunk_part(states, c, h_));
    drate_.setZero(p_.numbers);
    dturn_.setZero(p_.numbers);
    for (int64_t i = c.length - 1; i >= 0; --i) add_token(c, i, adjoint);
    A* const dA_log = p_.chunk_part(rates_.dA_log, c, h_);
    for (int64_t n = 0; n < p_.numbers; ++n) dA_log[n] = rows_.rate[n] * drate_[n];
    if (p_.is_complex) std::copy_n(dturn_.data(), p_.numbers, p_.chunk_part(rates_.dA_im, c, h_));
  }

 private:
  static Rows<A>& rows_of_thread() {
    thread_local Rows<A> rows;
    return rows;
  }

  void walk_again(const Chunk& c, const A* entering) {
    Rows<A>& r = rows_;
    r.states.resize(c.length + 1, p_.P * p_.N);
    std::copy_n(entering, p_.P * p_.N, &r.states(0, 0));
    for (int64_t i = 0; i < c.length; ++i) {
      input_ = r.dt[i] * r.B.row(i).transpose();
      for (int64_t q = 0; q < p_.P; ++q)
        advance(p_.is_complex, p_.N, &r.decay(i, 0), input_.data(), r.x(i, q), &r.states(i, q * p_.N),
                &r.states(i + 1, q * p_.N));
    }
  }

  void add_token(const Chunk& c, int64_t i, Vector<A>& adjoint) {
    const Rows<A>& r = rows_;
    const int64_t token = p_.token(c, i), N = p_.N;
    const A delta = p_.v.delta.defined() ? *View<A>(p_.v.delta).at(c.row, token, h_) : A(0);
    for (Vector<A>* x : {&dC_row_, &g_, &dlog_}) x->setZero();
    for (int64_t q = 0; q < p_.P; ++q) {
      A* const own = &adjoint[q * N];
      const A *const after = &r.states(i + 1, q * N), *const C = &r.C(i, 0), dy = r.dy(i, q), x = r.x(i, q);
      for (int64_t n = 0; n < N; ++n) own[n] += C[n] * dy;
      for (int64_t n = 0; n < N; ++n) dC_row_[n] += after[n] * dy;
      for (int64_t n = 0; n < N; ++n) g_[n] += own[n] * x;
      dx_[q] = r.dt[i] * dot(N, own, &r.B(i, 0)) + delta * dy;
      take_back(&r.decay(i, 0), &r.states(i, q * N), own);
    }
    TokenRows<A>(to_.dx).write(c.row, token, h_, dx_.data());
    store(c, i, token);
  }

  /// own becomes the gradient of the state before; dlog_ receives own . state, complex: and its derivative by the
  /// angle.
  void take_back(const A* decay, const A* state, A* own) {
    const int64_t N = p_.N, half = N / 2;
    if (!p_.is_complex) {
      for (int64_t n = 0; n < N; ++n) own[n] *= decay[n];
      for (int64_t n = 0; n < N; ++n) dlog_[n] += own[n] * state[n];
      return;
    }
    const A* const turn = decay + half;
    A *const dlog = dlog_.data(), *const dangle = dlog + half;
#pragma GCC ivdep
    for (int64_t n = 0; n < half; ++n) {
      const A re = decay[n] * own[n] + turn[n] * own[n + half], im = decay[n] * own[n + half] - turn[n] * own[n];
      own[n] = re;
      own[n + half] = im;
      dlog[n] += re * state[n] + im * state[n + half];
      dangle[n] += im * state[n] - re * state[n + half];
    }
  }

  void store(const Chunk& c, int64_t i, int64_t token) {
    const Rows<A>& r = rows_;
    A ddt = dot(p_.N, g_.data(), &r.B(i, 0)) + dot(p_.numbers, r.rate.data(), dlog_.data());
    drate_ += r.dt[i] * dlog_.head(p_.numbers);
    if (p_.is_complex) {
      ddt += dot(p_.numbers, p_.turns(h_), dlog_.data() + p_.numbers);
      dturn_ += r.dt[i] * dlog_.tail(p_.numbers);
    }
    // softplus'(raw) = sigmoid(raw) = 1 - e^-dt
    *View<A>(to_.ddt[p_.direction]).at(c.row, token, h_) = -math::expm1_of_negative(-r.dt[i]) * ddt;
    if (to_.ddelta.defined()) *View<A>(to_.ddelta).at(c.row, token, h_) = dot(p_.P, &r.dy(i, 0), &r.x(i, 0));
    g_ *= r.dt[i];
    std::copy_n(g_.data(), p_.N, View<A>(dB_).at(c.row, token, h_));
    std::copy_n(dC_row_.data(), p_.N, View<A>(dC_).at(c.row, token, h_));
  }

  const Problem<A>& p_;
  const int64_t h_;
  const QuasiseparableGradients& to_;
  const SsdRates& rates_;
  const Tensor &dB_, &dC_;
  Rows<A>& rows_;
  Vector<A> input_, dx_, dC_row_, g_, drate_, dturn_;
  Vector<A> dlog_;  ///< of the token's log decays; complex: of -exp(A_log) dt, then of A_im dt
};

/// to [B, L, G, N] = the sums over the heads of each group.
template <class A>
void sum_heads(const Problem<A>& p, const Tensor& heads, const Tensor& to) {
  const TokenRows<A> sums(to);
  parallel_for(p.chunks.count, heads.numel(), [&](int64_t index) {
    const Chunk c = p.chunks.at(index);
    Vector<A> sum(p.N);
    for (int64_t i = c.start; i < c.start + c.length; ++i)
      for (int64_t g = 0; g < p.G; ++g) {
        sum.setZero();
        for (int64_t h = g * (p.H / p.G); h < (g + 1) * (p.H / p.G); ++h)
          sum += Eigen::Map<const Vector<A>>(View<A>(heads).at(c.row, i, h), p.N);
        sums.write(c.row, i, g, sum.data());
      }
  });
}

template <class A>
void backward(const Problem<A>& p, const Tensor& dy, const Tensor& dfinal, const Tensor& states,
              const QuasiseparableGradients& to, const SsdRates& rates) {
  const Tensor dB = empty({p.v.x.dim(0), p.L, p.H, p.N}, dtype_of<A>()), dC = empty_like(dB);
  p.for_runs([&](int64_t run, int64_t h, const Chunk& first) {
    RunGradients<A> gradients(p, h, to, rates, dB, dC);
    Vector<A> adjoint = edge(p, dfinal, run, h);
    for (int64_t k = first.past - first.first - 1; k >= 0; --k)
      gradients.add_chunk(p.walked(first, k), dy, states, adjoint);
    const Tensor& dinitial = to.dinitial[p.direction];
    if (dinitial.defined()) std::copy_n(adjoint.data(), p.P * p.N, dinitial.data<A>() + (run * p.H + h) * p.P * p.N);
  });
  sum_heads(p, dB, to.dB[p.direction]);
  sum_heads(p, dC, to.dC[p.direction]);
}

}  // namespace
}  // namespace ssd

void ssd_forward(const SsdValues& s, const Tensor& y, const Tensor& states, const Tensor& final_state) {
  dispatch_wide(s.v.x.dtype(), "ssd", [&]<class A>() { ssd::forward(ssd::Problem<A>{s}, y, states, final_state); });
}

void ssd_backward(const SsdValues& s, const Tensor& dy, const Tensor& dfinal, const Tensor& states,
                  const QuasiseparableGradients& to, const SsdRates& rates) {
  dispatch_wide(s.v.x.dtype(), "ssd",
                [&]<class A>() { ssd::backward(ssd::Problem<A>{s}, dy, dfinal, states, to, rates); });
}

}  // namespace matmix::cpu
