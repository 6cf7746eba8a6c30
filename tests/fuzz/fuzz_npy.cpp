#include "tensor/npy.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  matmix::fuzz::read_or_refuse([&] {
    const matmix::fuzz::InputFile file(matmix::fuzz::text_of(bytes, size));
    matmix::fuzz::promise(matmix::read_npy(file.path()).bytes() < size, "a tensor is made of the file's bytes");
  });
  return 0;
}
