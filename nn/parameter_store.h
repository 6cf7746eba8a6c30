#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/module.h"
#include "tensor/math_mode.h"
#include "tensor/safetensors.h"

namespace matmix::nn {

/// All parameters of one model in flat buffers, in visit() order, each aligned to 256 bytes: master values and
/// gradients (F32; F64 in f64 mode), the BF16 shadow that GEMMs read in bf16 mode, and Adam's m and v. Optimiser,
/// clipping, all-reduce and saving are loops over ranges. Alignment gaps hold zeros and stay zero. A parameter visited
/// under two paths is one entry. The model must outlive the store or not be used after it.
class ParameterStore {
 public:
  struct Entry {
    std::string path;
    std::vector<std::string> aliases;  ///< further paths of a tied parameter
    Shape shape;
    int64_t offset = 0, size = 0;
    Decay decay = Decay::kYes;
    Init init;
  };
  /// Consecutive entries of one decay group, gaps included.
  struct Range {
    int64_t start = 0, length = 0;
    Decay decay = Decay::kYes;
  };

  /// Lays out, allocates and initialises every parameter, values drawn from (seed, path), and binds each Parameter.
  ParameterStore(Module& model, Device device, MathMode mode, uint64_t seed);

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  /// Learned numbers, each tied one once.
  int64_t count() const;
  MathMode mode() const { return mode_; }
  Device device() const { return master_.device(); }

  const Tensor& master() const { return master_; }
  const Tensor& grad() const { return grad_; }
  const Tensor& shadow() const { return shadow_; }  ///< undefined but in bf16 mode
  const Tensor& m() const { return m_; }
  const Tensor& v() const { return v_; }
  /// The part of a flat buffer that entry e owns, in its shape.
  static Tensor part(const Tensor& flat, const Entry& e);

  void zero_grad() const;
  /// shadow = round(master), after master changed other than through the optimiser.
  void refresh_shadow() const;

  /// Every entry as "<prefix><path>"; Adam's state as "<prefix><path>" under adam.m. and adam.v. if `with_optimizer`.
  void save(TensorFile& file, bool with_optimizer) const;
  /// The reverse. Error naming the tensor that is missing, misshapen or unknown; then nothing was changed.
  void load(const TensorFile& file, bool with_optimizer) const;

  /// A table: path, shape, initialiser, decay group.
  std::string describe() const;

 private:
  void lay_out(Module& model);
  void bind(Module& model);

  MathMode mode_;
  std::vector<Entry> entries_;
  std::vector<Range> ranges_;
  int64_t length_ = 0;
  Tensor master_, grad_, shadow_, m_, v_;
};

}  // namespace matmix::nn
