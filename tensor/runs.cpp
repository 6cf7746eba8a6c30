#include "tensor/runs.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "tensor/create.h"
#include "tensor/transfer.h"

namespace matmix {

struct Runs::State {
  int64_t B, L;
  std::vector<Run> runs;

  using Key = std::tuple<std::string, int64_t, Device::Kind, int>;  // table, Q, device
  std::mutex mutex;
  std::map<Key, Tensor> kept;

  /// The table made by `make` on the host, copied to `device`, once.
  template <class F>
  Tensor keep(const char* table, int64_t Q, Device device, F&& make) {
    const std::lock_guard lock(mutex);
    Tensor& found = kept[{table, Q, device.kind, device.index}];
    if (!found.defined()) found = to(make(), device);
    return found;
  }

  /// [B, L] I32: value(r, i) at token i of run r, at_padding elsewhere.
  template <class F>
  Tensor by_token(int32_t at_padding, F&& value) const {
    const Tensor out = matmix::full({B, L}, at_padding, DType::I32);
    for (size_t r = 0; r < runs.size(); ++r)
      for (int64_t i = 0; i < runs[r].length; ++i)
        out.data<int32_t>()[runs[r].row * L + runs[r].start + i] = static_cast<int32_t>(value(r, i));
    return out;
  }
};

namespace {

void check_size(int64_t B, int64_t L) {
  require(B >= 0 && L >= 0, "runs", "B and L must not be negative, got ", B, " and ", L);
  require(L == 0 || B <= INT32_MAX / L, "runs", "B x L must fit in 31 bits, got ", B, " x ", L);
}

}  // namespace

std::string to_string(const Run& run) { return text("(", run.row, ", ", run.start, ", ", run.length, ")"); }

Runs::Runs(std::shared_ptr<State> state) : state_(std::move(state)) {}

Runs Runs::full(int64_t B, int64_t L) {
  check_size(B, L);
  return of_lengths(L, std::vector<int64_t>(static_cast<size_t>(B), L));
}

Runs Runs::of_lengths(int64_t L, const std::vector<int64_t>& lengths) {
  std::vector<Run> runs;
  for (size_t b = 0; b < lengths.size(); ++b)
    if (lengths[b] != 0) runs.push_back({static_cast<int64_t>(b), 0, lengths[b]});
  return of(static_cast<int64_t>(lengths.size()), L, std::move(runs));
}

Runs Runs::of(int64_t B, int64_t L, std::vector<Run> runs) {
  check_size(B, L);
  std::ranges::sort(runs, {}, [](const Run& run) { return std::pair(run.row, run.start); });
  for (size_t r = 0; r < runs.size(); ++r) {
    const Run& run = runs[r];
    require(run.length > 0, "runs", "a run must not be empty, got ", run);
    require(run.row >= 0 && run.row < B && run.start >= 0 && run.start <= L && run.length <= L - run.start, "runs",
            "a run (row, start, length) must lie in [", B, ", ", L, "], got ", run);
    require(r == 0 || runs[r - 1].row < run.row || runs[r - 1].start + runs[r - 1].length <= run.start, "runs",
            "runs must not overlap, got ", runs[r - (r > 0)], " and ", run);
  }
  auto state = std::make_shared<State>();
  state->B = B;
  state->L = L;
  state->runs = std::move(runs);
  return Runs(std::move(state));
}

int64_t Runs::B() const { return state_->B; }
int64_t Runs::L() const { return state_->L; }
const std::vector<Run>& Runs::all() const { return state_->runs; }

bool Runs::is_full() const {
  const auto whole_row = [this](const Run& run) { return run.length == L(); };
  return L() == 0 || (static_cast<int64_t>(all().size()) == B() && std::ranges::all_of(all(), whole_row));
}

int64_t Runs::tokens() const {
  int64_t count = 0;
  for (const Run& run : all()) count += run.length;
  return count;
}

Tensor Runs::id(Device device) const {
  return state_->keep("id", 0, device, [this] { return state_->by_token(-1, [](size_t r, int64_t) { return r; }); });
}

Tensor Runs::position(Device device) const {
  return state_->keep("position", 0, device,
                      [this] { return state_->by_token(0, [](size_t, int64_t i) { return i; }); });
}

Tensor Runs::mask(Device device) const {
  return state_->keep("mask", 0, device,
                      [this] { return cast(state_->by_token(0, [](size_t, int64_t) { return 1; }), DType::Bool); });
}

Tensor Runs::chunks(int64_t Q, Device device) const {
  require(Q > 0, "runs", "Q must be positive, got ", Q);
  return state_->keep("chunks", Q, device, [&] {
    std::vector<int64_t> rows;
    for (const Run& run : all()) {
      const int64_t first = static_cast<int64_t>(rows.size()) / 5, last = first + (run.length + Q - 1) / Q;
      for (int64_t start = 0; start < run.length; start += Q)
        rows.insert(rows.end(), {run.row, run.start + start, std::min(Q, run.length - start), first, last});
    }
    return from_vector(rows, {static_cast<int64_t>(rows.size()) / 5, 5});
  });
}

}  // namespace matmix
