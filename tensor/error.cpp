#include "tensor/error.h"

#include <cstdio>

namespace matmix::detail {

std::string text_of(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", x);
  return buffer;
}

}  // namespace matmix::detail
