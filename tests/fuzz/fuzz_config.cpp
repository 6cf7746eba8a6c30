#include "experiments/config/config.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace matmix::experiments;
  matmix::fuzz::read_or_refuse([&] {
    const std::string json = to_json(parse_config(std::string(matmix::fuzz::text_of(bytes, size)), "input"));
    matmix::fuzz::promise(to_json(parse_config(json, "again")) == json, "a config reads back as it was written");
  });
  return 0;
}
