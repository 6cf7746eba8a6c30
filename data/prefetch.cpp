#include "data/prefetch.h"

namespace matmix::data {

void Prefetch::start(int64_t step) {
  next_ = {};  // waits for a batch that nobody asked for
  next_step_ = step;
  next_ = std::async(std::launch::async, [this, step] { return make_(step); });
}

Batch Prefetch::get(int64_t step) {
  if (!next_.valid() || next_step_ != step) start(step);
  Batch batch = next_.get();
  start(step + 1);
  return batch;
}

}  // namespace matmix::data
