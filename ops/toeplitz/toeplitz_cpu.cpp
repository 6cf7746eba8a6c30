#include "ops/fft/fourier_cpu.h"
#include "ops/toeplitz/toeplitz_kernels.h"
#include "tensor/create.h"
#include "tensor/parallel.h"

// Taps are real and one filter serves a head, so two of its channels pass as one complex column, a + i b: the product
// with the filter's transform keeps them apart, and the real part of conj(a + i b) (c + i d) is what both correlations
// sum to. The order in which a transform leaves its frequencies is of no matter.
namespace matmix::cpu {
namespace {

constexpr int64_t kWorthOfRow = 400;

/// Which channels the lanes of a tile hold: lane by lane pairs (p, p + pairs) of one head, or of several narrow ones.
class HeadTiles {
 public:
  HeadTiles(int64_t H, int64_t P, int64_t lanes)
      : H_(H),
        pairs_((P + 1) / 2),
        lanes_(lanes),
        heads_(pairs_ < lanes ? lanes / pairs_ : 1),
        slots_(pairs_ < lanes ? 1 : (pairs_ + lanes - 1) / lanes) {}

  int64_t pairs() const { return pairs_; }
  /// Tiles that share a head.
  int64_t slots() const { return slots_; }
  int64_t slot(int64_t tile) const { return tile % slots_; }
  bool one_head() const { return heads_ == 1; }
  /// Of a row of the batch.
  int64_t tiles() const { return slots_ > 1 ? H_ * slots_ : (H_ + heads_ - 1) / heads_; }
  /// -1: the lane is empty.
  int64_t head(int64_t tile, int64_t lane) const {
    if (one_head()) return pair(tile, lane) < 0 ? -1 : tile / slots_;
    const int64_t h = tile * heads_ + lane / pairs_;
    return lane < heads_ * pairs_ && h < H_ ? h : -1;
  }
  int64_t first_head(int64_t tile) const { return one_head() ? tile / slots_ : tile * heads_; }
  int64_t pair(int64_t tile, int64_t lane) const {
    if (!one_head()) return lane % pairs_;
    const int64_t p = tile % slots_ * lanes_ + lane;
    return p < pairs_ ? p : -1;
  }

 private:
  int64_t H_, pairs_, lanes_, heads_, slots_;
};

/// A call: its sizes and the transforms of the taps.
template <class T>
class Problem {
 public:
  using A = Accumulator<T>;
  using Row = Lanes<A>;
  static constexpr int64_t kLanes = Row::kCount;

  Problem(const Tensor& taps, const Tensor& x, double scale)
      : B_(x.dim(0)),
        L_(x.dim(1)),
        H_(x.dim(2)),
        P_(x.dim(3)),
        scale_(scale),
        rows_of_taps_(taps.dim(0)),
        fourier_(toeplitz_size(L_)),
        tiles_(H_, P_, kLanes) {
    transform(taps);
  }

  void forward(const Tensor& x, const Tensor& y) const {
    for_tiles([&](int64_t b, int64_t tile) {
      const TileRows<A> z = tile_rows<A>(n());
      load(x, b, tile, z.get());
      fourier_.forward(z.get());
      multiply(b, tile, z.get(), false);
      fourier_.backward(z.get());
      store(y, b, tile, z.get());
    });
  }

  void backward(const Tensor& x, const Tensor& dy, const Tensor& dtaps, const Tensor& dx) const {
    const Tensor products = dtaps.defined() ? empty({B_, tiles_.slots(), n(), 2, H_}, dtype_of<A>()) : Tensor();
    for_tiles([&](int64_t b, int64_t tile) {
      const TileRows<A> w = tile_rows<A>(n());
      load(dy, b, tile, w.get());
      fourier_.forward(w.get());
      if (dtaps.defined()) {
        const TileRows<A> z = tile_rows<A>(n());
        load(x, b, tile, z.get());
        fourier_.forward(z.get());
        correlate(z.get(), w.get(), b, tile, products);
      }
      if (dx.defined()) {
        multiply(b, tile, w.get(), true);
        fourier_.backward(w.get());
        store(dx, b, tile, w.get());
      }
    });
    if (dtaps.defined()) gather_taps(products, dtaps);
  }

 private:
  int64_t n() const { return fourier_.size(); }
  /// Where lag t of the filter lies among n rows.
  int64_t place(int64_t t) const { return t < 0 ? t + n() : t; }

  template <class F>
  void for_tiles(F&& f) const {
    const int64_t tiles = tiles_.tiles();
    parallel_for(B_ * tiles, B_ * tiles * n() * kWorthOfRow, [&](int64_t i) { f(i / tiles, i % tiles); });
  }

  /// The channels of a tile that are real parts (part 0) or imaginary ones.
  LaneColumns<T> channels(const Tensor& x, int64_t b, int64_t tile, int part) const {
    return LaneColumns<T>(x.data<T>(), x.stride(1), [&](int64_t lane) {
      const int64_t h = tiles_.head(tile, lane), p = tiles_.pair(tile, lane) + part * tiles_.pairs();
      return h < 0 || p >= P_ ? -1 : b * x.stride(0) + h * x.stride(2) + p;
    });
  }
  void load(const Tensor& x, int64_t b, int64_t tile, Row* z) const {
    const LaneColumns<T> re = channels(x, b, tile, 0), im = channels(x, b, tile, 1);
    for (int64_t i = 0; i < L_; ++i) z[i] = {re.load(i), im.load(i)};
    for (int64_t i = L_; i < n(); ++i) z[i] = Row::zero();
  }
  void store(const Tensor& y, int64_t b, int64_t tile, const Row* z) const {
    const LaneColumns<T> re = channels(y, b, tile, 0), im = channels(y, b, tile, 1);
    for (int64_t i = 0; i < L_; ++i) {
      re.store(i, z[i].re);
      im.store(i, z[i].im);
    }
  }

  /// A column for every head of every row of taps, a lane each.
  LaneColumns<A> filters(const Tensor& x, int64_t index) const {
    return LaneColumns<A>(x.data<A>(), H_, [&](int64_t lane) {
      const int64_t column = index * kLanes + lane;
      return column < x.dim(0) * H_ ? column / H_ * x.stride(0) + column % H_ : -1;
    });
  }
  static int64_t filter_tiles(int64_t columns) { return (columns + kLanes - 1) / kLanes; }

  void transform(const Tensor& taps) {
    const int64_t tiles = filter_tiles(rows_of_taps_ * H_);
    spectra_.resize(static_cast<size_t>(tiles));
    const A scale = static_cast<A>(scale_ / static_cast<double>(n()));
    parallel_for(tiles, tiles * n() * kWorthOfRow, [&](int64_t index) {
      TileRows<A>& z = spectra_[static_cast<size_t>(index)];
      z = tile_rows<A>(n());
      for (int64_t k = 0; k < n(); ++k) z[k] = Row::zero();
      const LaneColumns<A> column = filters(taps, index);
      for (int64_t t = 1 - L_; t < L_; ++t) z[place(t)].re = scale * column.load(L_ - 1 + t);
      fourier_.forward(z.get());
    });
  }
  Turn<A> spectrum(int64_t b, int64_t h, int64_t k) const {
    const int64_t column = (rows_of_taps_ == 1 ? 0 : b) * H_ + h;
    const Row& row = spectra_[static_cast<size_t>(column / kLanes)][k];
    return {row.re[column % kLanes], row.im[column % kLanes]};
  }

  /// Row k times the transform of each lane's taps, or times its conjugate.
  void multiply(int64_t b, int64_t tile, Row* z, bool conjugate) const {
    const A sign = conjugate ? -1 : 1;
    for (int64_t k = 0; k < n(); ++k) {
      if (tiles_.one_head()) {
        const Turn<A> w = spectrum(b, tiles_.first_head(tile), k);
        z[k] = Turn<A>{w.re, sign * w.im} * z[k];
        continue;
      }
      Row w = Row::zero();
      for (int64_t lane = 0; lane < kLanes; ++lane)
        if (const int64_t h = tiles_.head(tile, lane); h >= 0) {
          const Turn<A> one = spectrum(b, h, k);
          w.re[lane] = one.re;
          w.im[lane] = sign * one.im;
        }
      z[k] = {w.re * z[k].re - w.im * z[k].im, w.re * z[k].im + w.im * z[k].re};
    }
  }

  /// products[b, slot, k, :, h] = sum over the lanes of head h of conj(z_k) w_k.
  void correlate(const Row* z, const Row* w, int64_t b, int64_t tile, const Tensor& products) const {
    A* to = products.data<A>() + (b * tiles_.slots() + tiles_.slot(tile)) * n() * 2 * H_;
    for (int64_t k = 0; k < n(); ++k, to += 2 * H_) {
      const Row c{z[k].re * w[k].re + z[k].im * w[k].im, z[k].re * w[k].im - z[k].im * w[k].re};
      if (tiles_.one_head()) {
        to[tiles_.first_head(tile)] = c.re.sum();
        to[H_ + tiles_.first_head(tile)] = c.im.sum();
        continue;
      }
      for (int64_t lane = 0; lane < kLanes; ++lane)
        if (const int64_t h = tiles_.head(tile, lane); h >= 0) {
          const bool first = tiles_.pair(tile, lane) == 0;
          to[h] = (first ? A(0) : to[h]) + c.re[lane];
          to[H_ + h] = (first ? A(0) : to[H_ + h]) + c.im[lane];
        }
    }
  }

  /// dtaps [B, 2L - 1, H] from the products of all tiles.
  void gather_taps(const Tensor& products, const Tensor& dtaps) const {
    const int64_t tiles = filter_tiles(B_ * H_);
    const A scale = static_cast<A>(scale_ / static_cast<double>(n()));
    parallel_for(tiles, tiles * n() * kWorthOfRow, [&](int64_t index) {
      const TileRows<A> z = tile_rows<A>(n());
      for (int64_t slot = 0; slot < tiles_.slots(); ++slot) {
        const LaneColumns<A> column = filters(products.select(1, slot), index);
        for (int64_t k = 0; k < n(); ++k) {
          const Row part{column.load(2 * k), column.load(2 * k + 1)};
          z[k] = slot == 0 ? part : z[k] + part;
        }
      }
      fourier_.backward(z.get());
      const LaneColumns<A> column = filters(dtaps, index);
      for (int64_t t = 1 - L_; t < L_; ++t) column.store(L_ - 1 + t, scale * z[place(t)].re);
    });
  }

  int64_t B_, L_, H_, P_;
  double scale_;
  int64_t rows_of_taps_;
  PowerOfTwo<A> fourier_;
  HeadTiles tiles_;
  std::vector<TileRows<A>> spectra_;  ///< of scale / n times the filters
};

}  // namespace

void toeplitz_forward(const Tensor& taps, const Tensor& x, double scale, const Tensor& y) {
  dispatch_float(x.dtype(), "toeplitz", [&]<class T>() { Problem<T>(taps, x, scale).forward(x, y); });
}

void toeplitz_backward(const Tensor& taps, const Tensor& x, const Tensor& dy, double scale, const Tensor& dtaps,
                       const Tensor& dx) {
  dispatch_float(x.dtype(), "toeplitz", [&]<class T>() { Problem<T>(taps, x, scale).backward(x, dy, dtaps, dx); });
}

}  // namespace matmix::cpu
