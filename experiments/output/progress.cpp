#include "experiments/output/progress.h"
#include "experiments/output/print.h"

#include <fmt/format.h>
#include <unistd.h>

namespace matmix::experiments {
namespace {

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds);
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return s >= 60 ? fmt::format("{}m{:02}s", s / 60, s % 60) : fmt::format("{}s", s);
}

}  // namespace

Progress::Progress(int64_t steps)
    : steps_(steps), terminal_(isatty(STDERR_FILENO) != 0), start_(Clock::now()), last_(start_) {}

Progress::~Progress() {
  if (terminal_ && first_step_ >= 0) print_aside_raw("\n");
}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
double Progress::rate(int64_t tokens) const { return static_cast<double>(tokens) / std::max(seconds(), 1e-9); }

void Progress::report(int64_t step, int64_t tokens, const std::string& note) {
  if (first_step_ < 0) first_step_ = step;
  const bool last_step = step == steps_;
  const double since = std::chrono::duration<double>(Clock::now() - last_).count();
  if (!last_step && since < (terminal_ ? 0.1 : 10)) return;
  last_ = Clock::now();
  const double done = static_cast<double>(std::max<int64_t>(step - first_step_, 1));
  const double left = seconds() / done * static_cast<double>(steps_ - step);
  if (terminal_) print_aside_raw("\r\033[K");
  print_aside("step {}/{}  {}  {:.0f} tokens/s  {} left", step, steps_, note, rate(tokens), duration(left));
  if (!terminal_) print_aside_raw("\n");
}

}  // namespace matmix::experiments
