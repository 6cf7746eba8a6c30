#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/module.h"
#include "tensor/math_mode.h"
#include "tensor/safetensors.h"

namespace matmix::nn {

/// How the optimiser treats a parameter.
struct Group {
  double lr_scale = 1;  ///< its learning rate is this times the step's
  bool decay = true;    ///< whether it is shrunk
  bool frozen = false;  ///< read as a constant: no gradient, no update
  friend bool operator==(const Group&, const Group&) = default;
};

/// What a file is taken to hold besides, and may lack.
struct LoadOptions {
  std::string prefix = {};                 ///< of the names that are meant
  std::vector<std::string> may_miss = {};  ///< paths that begin so keep their values where the file has none
  std::vector<std::string> also = {};      ///< names that begin so are somebody else's
  bool strict = true;                      ///< false: so are all names that no parameter has
};

/// All parameters of one model in flat buffers, in visit() order, each aligned to 256 bytes: master values and
/// gradients (F32; F64 in f64 mode), and the BF16 shadow that GEMMs read in bf16 mode. Optimiser, clipping, all-reduce
/// and saving are loops over ranges. Alignment gaps hold zeros and stay zero. A parameter visited
/// under two paths is one entry. The model must outlive the store or not be used after it.
class ParameterStore {
 public:
  struct Entry {
    std::string path;
    std::vector<std::string> aliases;  ///< further paths of a tied parameter
    Shape shape;
    int64_t offset = 0, size = 0;
    Group group;
    Init init;
  };
  /// Consecutive entries of one group, gaps included.
  struct Range {
    int64_t start = 0, length = 0;
    Group group;
  };
  /// The group of an entry; the one it comes with is its module's: rate 1, decay as declared, not frozen.
  using Grouping = std::function<Group(const Entry&)>;

  /// Lays out, allocates and initialises every parameter, values drawn from (seed, path), and binds each Parameter.
  /// Without a grouping each entry keeps its module's group.
  ParameterStore(Module& model, Device device, MathMode mode, uint64_t seed, const Grouping& grouping = {});

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  /// Learned numbers, each tied one once.
  int64_t count() const;
  MathMode mode() const { return mode_; }
  Device device() const { return master_.device(); }

  const Tensor& master() const { return master_; }
  const Tensor& grad() const { return grad_; }
  const Tensor& shadow() const { return shadow_; }  ///< undefined but in bf16 mode
  /// The part of a flat buffer that entry e owns, in its shape.
  static Tensor part(const Tensor& flat, const Entry& e);

  void zero_grad() const;
  /// shadow = round(master), after master changed other than through the optimiser.
  void refresh_shadow() const;

  /// Every entry of a flat buffer of this layout (master(), averages, moments) as "<prefix><path>".
  void save(TensorFile& file, const Tensor& flat, const std::string& prefix = {}) const;
  void save(TensorFile& file) const { save(file, master_); }
  /// The reverse; of a tied parameter any of its paths will do. Error naming the tensor that is missing, misshapen or
  /// unknown; then nothing was changed.
  void load(const TensorFile& file, const Tensor& flat, const LoadOptions& options) const;
  /// Masters, and the shadow from them.
  void load(const TensorFile& file, const LoadOptions& options = {}) const;

  /// A table: path, shape, initialiser, group.
  std::string describe() const;

 private:
  void lay_out(Module& model, const Grouping& grouping);
  void bind(Module& model);

  MathMode mode_;
  std::vector<Entry> entries_;
  std::vector<Range> ranges_;
  int64_t length_ = 0;
  Tensor master_, grad_, shadow_;
};

}  // namespace matmix::nn
