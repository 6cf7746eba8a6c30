#pragma once

namespace matmix::experiments {

/// While it lives the first SIGTERM or SIGINT is kept for who asks, and a second one ends the program at once. One at a
/// time. A signal that was ignored stays so (nohup, jobs in the background).
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that came; 0: none.
  int received() const;
};

}  // namespace matmix::experiments
