#pragma once

#include <memory>
#include <string>

#include "mixers/laws/fixture.h"

namespace matmix::mixers::laws {

/// The block around a mixer, with the coefficients' source and parameters of its own.
class BlockSubject {
 public:
  /// max_len: of tables and classes of fixed size.
  BlockSubject(const Setting& setting, int64_t max_len);

  const MixerBlock& block() const { return *block_; }
  MixerBlock& block() { return *block_; }
  const nn::ParameterStore& store() const { return *store_; }
  /// A batch [2, L, d_model], a leaf.
  Var input(int64_t L, const std::string& use) const;
  /// M and the block's result there, F64 on the CPU.
  Tensor matrix(int64_t L, const std::string& use) const;
  Tensor forward(int64_t L, const std::string& use) const;

 private:
  Setting setting_;
  std::unique_ptr<MixerBlock> block_;
  std::unique_ptr<nn::ParameterStore> store_;
};

}  // namespace matmix::mixers::laws
