#pragma once

#include "ops/quasiseparable/quasiseparable_tile_cpu.h"

namespace matmix::cpu::quasi {

/// By token of one chunk, head and direction: what dt receives directly, and what the log decay A dt receives.
template <class A>
struct StepGradients {
  Vector<A> direct, log_decay;

  explicit StepGradients(int64_t length) : direct(Vector<A>::Zero(length)), log_decay(Vector<A>::Zero(length)) {}

  /// From K_ij = dW_ij G_ij decay_ij inside the chunk:  direct_j = sum_i K_ij;  the log decay of k receives K_ij dt_j
  /// of all j before k and all rows i that read k or later. Rows are added from the far end, so each such rectangle is
  /// a sum of its own terms and never a difference.
  void add_intra(const Matrix<A>& K, int direction, const VectorMap<A>& dt, int64_t shift) {
    const Walk walk{direction, K.rows()};
    for (int64_t k = walk.length - 1; k >= 0; --k) {
      direct.segment(walk.begin(k), k) += K.row(walk.at(k)).segment(walk.begin(k), k).transpose();
      const int64_t read = k - shift, begin = walk.begin(read);
      if (read > 0) log_decay[walk.at(read)] = direct.segment(begin, read).dot(dt.segment(begin, read));
    }
  }

  /// From the states:  u_i = d / d log(enter_i),  v_j = d / d(dt_j),  total = d / d log(total).
  void add_inter(const Vector<A>& u, const Vector<A>& v, A total, int direction, const VectorMap<A>& dt,
                 int64_t shift) {
    const Walk walk{direction, u.size()};
    direct += v;
    A later = total;  // of the rows that read k or later, and of the chunk as a whole
    for (int64_t k = walk.length - 1; k >= 0; --k) {
      if (k + shift < walk.length) later += u[walk.at(k + shift)];
      log_decay[walk.at(k)] += later;
    }
    A before = 0;  // of the tokens whose way out of the chunk leads through k
    for (int64_t k = 0; k < walk.length; ++k) {
      const int64_t j = walk.at(k);
      log_decay[j] += before;
      before += dt[j] * v[j];
    }
  }
};

/// The gradients of one tile: start, add_head for each head of the group, finish.
template <class A>
class GradientTile {
 public:
  GradientTile(const Problem<A>& p, const Chunk& c, int64_t g, const QuasiseparableGradients& to)
      : p_(p), c_(c), g_(g), to_(to), s_(Scratch<A>::of_thread()) {
    s_.tile.load(p, c, g);
    s_.tile.multiply_products(p);
    s_.decays.resize(c.length);
    s_.dB.setZero(c.length, p.width());
    s_.dC.setZero(c.length, p.width());
    s_.dG.setZero(c.length, c.length);
    for (auto& diagonal : s_.dG_diagonal) diagonal.setZero(c.length);
  }

  void add_head(int64_t h, const Tensor& dy, const Tensor& states, const Tensor& adjoint_states) {
    load(p_, p_.v.x, c_, h, s_.x);
    load(p_, dy, c_, h, s_.dy);
    StepGradients<A> steps[2] = {StepGradients<A>(c_.length), StepGradients<A>(c_.length)};
    intra(h, steps);
    if (states.defined()) inter(h, p_.state(states, c_, h), p_.state(adjoint_states, c_, h), steps);
    store(s_.dx, c_, h, to_.dx);
    store_steps(h, steps);
  }

  void finish() {
    for (const int direction : p_.directions()) {
      Matrix<A> dG;
      if (direction == 0)
        dG = s_.dG.template triangularView<Eigen::StrictlyLower>();
      else
        dG = s_.dG.template triangularView<Eigen::StrictlyUpper>();
      dG.diagonal() = s_.dG_diagonal[direction];
      multiply_matrices(dG, p_.columns(s_.tile.B, direction), p_.columns(s_.dC, direction), 1);
      multiply_matrices(dG.transpose(), p_.columns(s_.tile.C, direction), p_.columns(s_.dB, direction), 1);
      store_group(direction);
    }
  }

 private:
  void intra(int64_t h, StepGradients<A>* steps) {
    fill_matrix(p_, c_, h, s_);
    s_.dW.resize(c_.length, c_.length);
    s_.dx.resize(c_.length, p_.P);
    multiply_matrices(s_.dy, s_.x.transpose(), s_.dW);
    multiply_matrices(s_.W.transpose(), s_.dy, s_.dx);
    s_.dG += s_.dW.cwiseProduct(s_.decays.scaled);
    s_.K = s_.dW.cwiseProduct(s_.tile.G).cwiseProduct(s_.decays.plain);
    for (const int direction : p_.directions()) {
      const Steps<A> own = p_.steps_of(c_, h, direction);
      steps[direction].add_intra(s_.K, direction, own.dt, p_.v.shift);
      if (p_.v.shift) continue;
      s_.dG_diagonal[direction] += s_.dW.diagonal().cwiseProduct(own.dt);
      steps[direction].direct += s_.dW.diagonal().cwiseProduct(s_.tile.diagonal[direction]);
    }
    if (!to_.ddelta.defined()) return;
    for (int64_t i = 0; i < c_.length; ++i) *View<A>(to_.ddelta).at(c_.row, c_.start + i, h) = s_.dW(i, i);
  }

  void inter(int64_t h, MatrixMap<A> state, MatrixMap<A> adjoint, StepGradients<A>* steps) {
    const Steps<A> own[2] = {p_.steps_of(c_, h, 0), p_.steps_of(c_, h, 1)};
    s_.scaled.resize(c_.length, p_.width());
    multiply_matrices(s_.dy, state.transpose(), s_.scaled);
    scale_rows(
        p_, s_.scaled, [&](int direction) { return own[direction].enter; }, s_.U);
    multiply_matrices(s_.x, adjoint.transpose(), s_.scaled);
    scale_rows(
        p_, s_.scaled, [&](int direction) { return own[direction].leave; }, s_.V);
    s_.dC += s_.U;
    for (const int direction : p_.directions())
      p_.columns(s_.dB, direction) += own[direction].dt.asDiagonal() * p_.columns(s_.V, direction);
    const auto weight = [&](int direction) { return own[direction].leave.cwiseProduct(own[direction].dt); };
    scale_rows(p_, s_.tile.B, weight, s_.scaled);
    multiply_matrices(s_.scaled, adjoint, s_.dx, 1);

    for (const int direction : p_.directions()) {
      const Vector<A> u = p_.columns(s_.U, direction).cwiseProduct(p_.columns(s_.tile.C, direction)).rowwise().sum();
      const Vector<A> v = p_.columns(s_.V, direction).cwiseProduct(p_.columns(s_.tile.B, direction)).rowwise().sum();
      const A total = own[direction].total * p_.rows(state, direction).cwiseProduct(p_.rows(adjoint, direction)).sum();
      steps[direction].add_inter(u, v, total, direction, own[direction].dt, p_.v.shift);
    }
  }

  void store_steps(int64_t h, const StepGradients<A>* steps) {
    const A rate = p_.rate(h);
    A drate = 0;
    for (const int direction : p_.directions()) {
      const Steps<A> own = p_.steps_of(c_, h, direction);
      const View<A> ddt(to_.ddt[direction]);
      const Vector<A> total = steps[direction].direct + rate * steps[direction].log_decay;
      // softplus'(raw) = sigmoid(raw) = 1 - e^-dt
      for (int64_t j = 0; j < c_.length; ++j)
        *ddt.at(c_.row, c_.start + j, h) = -math::expm1_of_negative(-own.dt[j]) * total[j];
      drate += steps[direction].log_decay.dot(own.dt);
    }
    if (to_.dA_log.defined()) to_.dA_log.template data<A>()[c_.index * p_.H + h] = rate * drate;
  }

  void store_group(int direction) {
    const TokenRows<A> dB(to_.dB[direction]), dC(to_.dC[direction]);
    const auto from_B = p_.columns(s_.dB, direction), from_C = p_.columns(s_.dC, direction);
    for (int64_t i = 0; i < c_.length; ++i) {
      dB.write(c_.row, c_.start + i, g_, &from_B(i, 0));
      const int64_t read = c_.token_read(direction, i, p_.v.shift);
      if (read >= 0) dC.write(c_.row, read, g_, &from_C(i, 0));
    }
    const int64_t unread = p_.v.shift ? c_.last_token(direction) : -1;
    if (unread >= 0) dC.write(c_.row, unread, g_, Vector<A>::Zero(p_.N).eval().data());
  }

  const Problem<A>& p_;
  const Chunk c_;
  const int64_t g_;
  const QuasiseparableGradients& to_;
  Scratch<A>& s_;
};

}  // namespace matmix::cpu::quasi
