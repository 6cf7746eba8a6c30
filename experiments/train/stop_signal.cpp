#include "experiments/train/stop_signal.h"

#include <array>
#include <csignal>

namespace matmix::experiments {
namespace {

constexpr std::array<int, 2> kSignals{SIGTERM, SIGINT};

volatile std::sig_atomic_t came = 0;
std::array<struct sigaction, kSignals.size()> before;

void keep(int signal) { came = signal; }

}  // namespace

StopSignal::StopSignal() {
  came = 0;
  struct sigaction once {};
  once.sa_handler = keep;
  once.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &before[i]);
    if (before[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &once, nullptr);
  }
}

StopSignal::~StopSignal() {
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before[i], nullptr);
}

int StopSignal::received() const { return came; }

}  // namespace matmix::experiments
