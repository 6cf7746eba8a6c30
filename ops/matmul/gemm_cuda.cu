#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "ops/matmul/gemm.h"
#include "ops/matmul/gemm_kernels.h"
#include "tensor/create.h"
#include "tensor/cuda/launch.cuh"
#include "tensor/math_mode.h"
#include "tensor/transfer.h"

// cuBLASLt. It knows dense columns only, so that c by rows is asked for as c^T = b^T a^T, and a transposed operand
// costs nothing. Repeatable: an algorithm is chosen once for each kind of problem (sizes, strides, alignments), from
// those that do not split K or add the parts up in the accumulator's type in a second pass. Nothing waits for the
// device, so a captured step may contain it.
namespace matmix::cuda {
namespace {

void lt_check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) [[unlikely]]
    throw CudaError(text("gemm: cuBLASLt failed: ", cublasLtGetStatusString(status)));
}

cudaDataType_t cuda_type(DType dtype) {
  return dtype == DType::F64 ? CUDA_R_64F : dtype == DType::F32 ? CUDA_R_32F : CUDA_R_16BF;
}

/// What an algorithm is chosen by. Pointers count by their alignment only.
struct PlanKey {
  int64_t M, N, K, lda, ldb, ldc;
  int64_t matrices, a_step, b_step, c_step;
  int64_t a_alignment, b_alignment, c_alignment;
  DType operands, result;
  bool a_by_columns, b_by_columns, tf32;

  auto operator<=>(const PlanKey&) const = default;
};

struct Plan {
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t a, b, c;
  cublasLtMatmulAlgo_t algorithm;
  bool found = false;
};

/// The handle of one device, its workspace, and the plans made so far. The workspace has a pool of its own: a captured
/// step and eager work share it, in stream order.
struct Library {
  static constexpr size_t kWorkspace = size_t{32} << 20;
  cublasLtHandle_t handle = nullptr;
  Tensor workspace;
  std::mutex mutex;
  std::map<PlanKey, Plan> plans;

  explicit Library(Device device) {
    lt_check(cublasLtCreate(&handle));
    const PoolScope own(std::make_shared<MemoryPool>(device));
    workspace = empty({static_cast<int64_t>(kWorkspace)}, DType::U8, device);
  }
};

Library& library(Device device) {
  static auto& libraries = *new std::map<int, Library>;  // lives as long as the driver
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  return libraries.try_emplace(device.index, device).first->second;
}

template <class T>
void set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute, T value) {
  lt_check(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof(value)));
}
template <class T>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, T value) {
  lt_check(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)));
}
template <class T>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute, T value) {
  lt_check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)));
}

cublasLtMatrixLayoutOpaque_t layout(DType dtype, int64_t rows, int64_t columns, int64_t ld, int64_t matrices,
                                    int64_t step) {
  cublasLtMatrixLayoutOpaque_t made;
  lt_check(cublasLtMatrixLayoutInit(&made, cuda_type(dtype), static_cast<uint64_t>(rows),
                                    static_cast<uint64_t>(columns), ld));
  set(&made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<int32_t>(matrices));
  set(&made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, step);
  return made;
}

cublasOperation_t operation(bool by_columns) { return by_columns ? CUBLAS_OP_T : CUBLAS_OP_N; }

Plan make_plan(const PlanKey& k, cublasLtHandle_t handle) {
  Plan plan;
  const bool wide = k.operands == DType::F64;
  const cublasComputeType_t compute = wide     ? CUBLAS_COMPUTE_64F
                                      : k.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                               : CUBLAS_COMPUTE_32F;
  lt_check(cublasLtMatmulDescInit(&plan.operation, compute, wide ? CUDA_R_64F : CUDA_R_32F));
  set(&plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, operation(k.b_by_columns));
  set(&plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, operation(k.a_by_columns));
  const auto operand = [&](bool by_columns, int64_t rows, int64_t columns, int64_t ld, int64_t step) {
    if (!by_columns) std::swap(rows, columns);
    return layout(k.operands, rows, columns, ld, k.matrices, step);
  };
  plan.a = operand(k.a_by_columns, k.M, k.K, k.lda, k.a_step);
  plan.b = operand(k.b_by_columns, k.K, k.N, k.ldb, k.b_step);
  plan.c = layout(k.result, k.N, k.M, k.ldc, k.matrices, k.c_step);

  cublasLtMatmulPreferenceOpaque_t preference;
  lt_check(cublasLtMatmulPreferenceInit(&preference));
  set(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, Library::kWorkspace);
  set(&preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(k.b_alignment));
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(k.a_alignment));
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(k.c_alignment));
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(k.c_alignment));
  cublasLtMatmulHeuristicResult_t best;
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, &plan.operation, &plan.b, &plan.a, &plan.c,
                                                               &plan.c, &preference, 1, &best, &count);
  plan.found = status == CUBLAS_STATUS_SUCCESS && count > 0 && best.state == CUBLAS_STATUS_SUCCESS;
  if (plan.found)
    plan.algorithm = best.algo;
  else if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED)
    lt_check(status);
  return plan;
}

Plan& plan_for(const PlanKey& key, Library& lt) {
  const std::lock_guard lock(lt.mutex);
  const auto [found, is_new] = lt.plans.try_emplace(key);
  if (is_new) found->second = make_plan(key, lt.handle);
  return found->second;
}

/// The largest power of two, up to 256, that divides both the address and the step between matrices.
int64_t alignment(const void* data, int64_t step_bytes) {
  const uintptr_t bits = reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(step_bytes) | 256;
  return static_cast<int64_t>(bits & (~bits + 1));
}

const std::byte* at(const Tensor& x, int64_t offset) {
  return static_cast<const std::byte*>(x.raw()) + offset * static_cast<int64_t>(size_of(x.dtype()));
}

/// A problem whose only batch axis, if any, is one of equal steps; false if there is no algorithm for it.
bool multiply(const GemmProblem& p, const MatrixOffsets& offset, int64_t matrices, const MatrixOffsets& step) {
  const auto operand_bytes = static_cast<int64_t>(size_of(p.a.dtype()));
  const auto result_bytes = static_cast<int64_t>(size_of(p.c.dtype()));
  const void *const a = at(p.a, offset.a), *const b = at(p.b, offset.b);
  void* const c = const_cast<std::byte*>(at(p.c, offset.c));
  Library& lt = library(p.c.device());
  Plan& plan = plan_for({.M = p.M,
                         .N = p.N,
                         .K = p.K,
                         .lda = p.a_layout.ld,
                         .ldb = p.b_layout.ld,
                         .ldc = p.ldc,
                         .matrices = matrices,
                         .a_step = step.a,
                         .b_step = step.b,
                         .c_step = step.c,
                         .a_alignment = alignment(a, step.a * operand_bytes),
                         .b_alignment = alignment(b, step.b * operand_bytes),
                         .c_alignment = alignment(c, step.c * result_bytes),
                         .operands = p.a.dtype(),
                         .result = p.c.dtype(),
                         .a_by_columns = p.a_layout.by_columns,
                         .b_by_columns = p.b_layout.by_columns,
                         .tf32 = p.a.dtype() == DType::F32 && tf32_allowed()},
                        lt);
  if (!plan.found) return false;
  const float scales[] = {static_cast<float>(p.alpha), static_cast<float>(p.beta)};
  const bool wide = p.a.dtype() == DType::F64;
  const void* const alpha = wide ? static_cast<const void*>(&p.alpha) : &scales[0];
  const void* const beta = wide ? static_cast<const void*>(&p.beta) : &scales[1];
  lt_check(cublasLtMatmul(lt.handle, &plan.operation, alpha, b, &plan.b, a, &plan.a, beta, c, &plan.c, c, &plan.c,
                          &plan.algorithm, lt.workspace.raw(), Library::kWorkspace, stream()));
  return true;
}

/// The longest batch axis goes to cuBLASLt whole (a grid holds kMost matrices), the others are walked here.
bool multiply_batch(const GemmProblem& p) {
  constexpr int64_t kMost = 65535;
  const int64_t* const longest = std::max_element(p.batch.begin(), p.batch.end());
  const auto axis = static_cast<int>(longest - p.batch.begin());
  const bool batched = axis < p.batch.rank();
  const int64_t matrices = batched ? p.batch[axis] : 1;
  MatrixOffsets step;
  GemmProblem others = p;
  if (batched) {
    step = {p.a_step[axis], p.b_step[axis], p.c_step[axis]};
    others.batch[axis] = 1;
  }
  for (int64_t i = 0; i < others.batch.numel(); ++i) {
    const MatrixOffsets from = matrix_offsets(others, i);
    for (int64_t first = 0; first < matrices; first += kMost) {
      const MatrixOffsets here{from.a + first * step.a, from.b + first * step.b, from.c + first * step.c};
      if (!multiply(p, here, std::min(kMost, matrices - first), step)) return false;
    }
  }
  return true;
}

/// Room for x whose rows start at multiples of 16 bytes.
Tensor aligned_like(const Tensor& x) {
  const auto width = static_cast<int64_t>(16 / size_of(x.dtype()));
  Shape shape = x.shape();
  shape[x.rank() - 1] = (x.dim(-1) + width - 1) / width * width;
  return empty(shape, x.dtype(), x.device()).narrow(-1, 0, x.dim(-1));
}
Tensor aligned_copy(const Tensor& x) {
  const Tensor once = one_of_each(x), copied = aligned_like(once);
  copy(copied, once);
  return copied.expand(x.shape());
}

void multiply_copies(const GemmProblem& p) {
  const Tensor c = p.beta != 0 ? aligned_copy(p.c) : aligned_like(p.c);
  matmix::gemm(aligned_copy(p.a), aligned_copy(p.b), c, p.alpha, p.beta);
  copy(p.c, c);
}

/// Whether multiply_copies would give cuBLASLt anything better.
bool is_aligned(const Tensor& x, const MatrixLayout& layout, const Shape& steps) {
  const auto bytes = static_cast<int64_t>(size_of(x.dtype()));
  bool aligned = alignment(x.raw(), layout.ld * bytes) >= 16;
  for (const int64_t step : steps) aligned &= step * bytes % 16 == 0;
  return aligned;
}

bool overlaps(const MatrixLayout& layout, int64_t rows, int64_t columns) {
  return layout.ld < (layout.by_columns ? rows : columns);
}

}  // namespace

void gemm(const GemmProblem& p) {
  const bool fits = !overlaps(p.a_layout, p.M, p.K) && !overlaps(p.b_layout, p.K, p.N);
  if (fits && multiply_batch(p)) return;
  require(!fits || !is_aligned(p.a, p.a_layout, p.a_step) || !is_aligned(p.b, p.b_layout, p.b_step) ||
              !is_aligned(p.c, {p.ldc, false}, p.c_step),
          "gemm", "cuBLASLt has no algorithm for ", p.a, " times ", p.b, " into ", p.c);
  multiply_copies(p);
}

}  // namespace matmix::cuda
