#include "ops/matmul/gemm_eigen.h"

namespace matmix::cpu {

template void multiply_tile(int64_t, int64_t, int64_t, TileOperand<float>, TileOperand<float>, float*, int64_t, float,
                            float);

}  // namespace matmix::cpu
