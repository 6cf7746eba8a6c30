#include "tensor/dtype.h"

#include <array>

namespace matmix {
namespace {

struct Row {
  std::string_view name;
  size_t bytes;
};
constexpr std::array<Row, 7> kRows{
    {{"F64", 8}, {"F32", 4}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"U8", 1}, {"Bool", 1}}};

}  // namespace

size_t size_of(DType dtype) { return kRows[static_cast<size_t>(dtype)].bytes; }
std::string_view to_string(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

DType parse_dtype(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i)
    if (kRows[i].name == name) return static_cast<DType>(i);
  fail("dtype", "must be F64, F32, BF16, I64, I32, U8 or Bool, got '", name, "'");
}

}  // namespace matmix
