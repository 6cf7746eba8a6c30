#include "tensor/safetensors.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  matmix::fuzz::read_or_refuse([&] {
    const matmix::fuzz::InputFile file(matmix::fuzz::text_of(bytes, size));
    size_t total = 0;
    for (const auto& [name, x] : matmix::read_safetensors(file.path()).tensors) total += x.bytes();
    matmix::fuzz::promise(total < size, "tensors are made of the file's bytes");
  });
  return 0;
}
