#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace matmix::experiments {

/// One line on stderr about long work: step, loss, tokens/s, time left. On a terminal it is rewritten in place, at most
/// ten times a second; elsewhere a line is printed every ten seconds. What cannot be written is left out.
class Progress {
 public:
  explicit Progress(int64_t steps);
  ~Progress();
  /// `note` is what the caller knows ("loss 2.31"); `tokens` counts from the beginning of this Progress.
  void report(int64_t step, int64_t tokens, const std::string& note);
  /// Tokens a second since the beginning.
  double rate(int64_t tokens) const;
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  int64_t steps_, first_step_ = -1;
  bool terminal_;
  Clock::time_point start_, last_;
};

}  // namespace matmix::experiments
