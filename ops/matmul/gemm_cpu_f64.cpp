#include "ops/matmul/gemm_eigen.h"

namespace matmix::cpu {

template void multiply_tile(int64_t, int64_t, int64_t, TileOperand<double>, TileOperand<double>, double*, int64_t,
                            double, double);

}  // namespace matmix::cpu
