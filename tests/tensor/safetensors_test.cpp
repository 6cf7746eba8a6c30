#include "tensor/safetensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + rest;
}

/// A file of this header and so many bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, '\1'));
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// What reading these bytes is refused with, less the path; "" if they are read.
std::string refusal(const std::string& bytes) {
  static const TempDir dir;
  const auto path = dir.write("x.safetensors", bytes);
  try {
    read_safetensors(path);
    return "";
  } catch (const Error& error) {
    std::string what = error.what();
    const size_t at = what.find(path.string());
    return at == std::string::npos ? what : what.erase(at, path.string().size());
  }
}

}  // namespace

TEST_CASE("every dtype and shape comes back in every bit, from every device") {
  const TempDir dir;
  for (const Device device : test_devices()) {
    TensorFile file;
    file.metadata = {{"format", "pt"}, {"note", "quotes \" and \xc3\xa9"}};
    for (const DType dtype : {DType::F64, DType::F32, DType::BF16})
      file.tensors.put("layer." + std::string(to_string(dtype)), to(random_tensor({3, 5}, 1, dtype), device));
    for (const DType dtype : {DType::I64, DType::I32, DType::U8, DType::Bool})
      file.tensors.put(std::string(to_string(dtype)), to(cast(arange(2, DType::I64), dtype), device));
    file.tensors.put("scalar", full({}, NAN, DType::F32, device));
    file.tensors.put("none", zeros({3, 0}, DType::F64, device));
    file.tensors.put("view", to(random_tensor({4, 6}, 2), device).transpose(0, 1));
    write_safetensors(dir / "x", file);
    const TensorFile back = read_safetensors(dir / "x");
    CHECK(back.metadata == file.metadata);
    REQUIRE(back.tensors.size() == file.tensors.size());
    for (const auto& [name, x] : file.tensors) {
      CAPTURE(name);
      REQUIRE(back.tensors.contains(name));
      CHECK(same_bits(back.at(name), x));
    }
  }
}

TEST_CASE("tensors come in the order of their offsets, the data starts at a multiple of 8") {
  const TempDir dir;
  TensorFile file;
  for (const char* name : {"zebra", "ant", "mule"}) file.tensors.put(name, full({1}, 1, DType::U8));
  write_safetensors(dir / "x", file);
  const TensorFile back = read_safetensors(dir / "x");
  CHECK(back.tensors[0].first == "zebra");
  CHECK(back.tensors[2].first == "mule");
  CHECK(std::filesystem::file_size(dir / "x") % 8 == 3);
  CHECK(read_safetensors(dir / "x").metadata.empty());
}

TEST_CASE("a file without tensors is a file") {
  const TempDir dir;
  write_safetensors(dir / "x", {});
  CHECK(read_safetensors(dir / "x").tensors.empty());
  CHECK(refusal(file_of("{}", 0)).empty());
  CHECK(refusal(file_of("{}   ", 0)).empty());
}

TEST_CASE("at names what is missing and what is near") {
  const TensorFile file{{{"weight", zeros({1}, DType::F32)}, {"bias", zeros({1}, DType::F32)}}, {}};
  CHECK(file.at("bias").numel() == 1);
  CHECK_THROWS_WITH_AS(file.at("wait"), "tensors: there is no 'wait'; the nearest names are 'weight' or 'bias'", Error);
}

TEST_CASE("files of hostile bytes are refused in one sentence") {
  const std::string one = tensor("a", "F32", "[2]", "[0,8]");
  CHECK(refusal(file_of("{" + one + "}", 8)).empty());
  const struct {
    const char* what;
    std::string bytes, message;
  } cases[] = {
      {"empty", "", "safetensors: '' is too short for a header: 0 bytes"},
      {"short", "1234567", "safetensors: '' is too short for a header: 7 bytes"},
      {"header past the end", with_length(100, "{}"), "safetensors: '' has a header of 100 bytes, but only 2 follow"},
      {"huge header", with_length(UINT64_MAX, "{}"),
       "safetensors: '' has a header of 18446744073709551615 bytes; at most 100000000 are read"},
      {"zero byte", file_of({"{}\0x", 4}, 0), "safetensors: '' has a zero byte in its header"},
      {"list", file_of("[]", 0), "safetensors: '' has a header that is no JSON object"},
      {"number", file_of("1", 0), "safetensors: '' has a header that is no JSON object"},
      {"data cut off", file_of("{" + one + "}", 7),
       "safetensors: '' has data_offsets [0, 8] for tensor 'a'; the data has 7 bytes"},
      {"data left over", file_of("{" + one + "}", 9), "safetensors: '' has 1 bytes after the last tensor"},
      {"overlap", file_of("{" + one + "," + tensor("b", "F32", "[1]", "[4,8]") + "}", 8),
       "safetensors: '' has tensor 'b' overlapping the one before it"},
      {"the same bytes twice", file_of("{" + one + "," + tensor("b", "F32", "[2]", "[0,8]") + "}", 8),
       "safetensors: '' has tensor 'b' overlapping the one before it"},
      {"hole", file_of("{" + one + "," + tensor("b", "F32", "[1]", "[12,16]") + "}", 16),
       "safetensors: '' has a hole of 4 bytes before tensor 'b'"},
      {"hole in front", file_of("{" + tensor("a", "F32", "[1]", "[4,8]") + "}", 8),
       "safetensors: '' has a hole of 4 bytes before tensor 'a'"},
      {"unknown dtype", file_of("{" + tensor("a", "F16", "[4]", "[0,8]") + "}", 8),
       "safetensors: '' has dtype F16 for tensor 'a'; F64, F32, BF16, I64, I32, U8 and BOOL are read"},
      {"other dtype's bytes", file_of("{" + tensor("a", "F64", "[2]", "[0,8]") + "}", 8),
       "safetensors: '' has 8 bytes for tensor 'a', which is F64 [2]"},
      {"elements overflow", file_of("{" + tensor("a", "U8", "[4294967296,4294967296]", "[0,0]") + "}", 0),
       "shape: the number of elements of [4294967296, 4294967296] does not fit in 63 bits"},
      {"bytes overflow", file_of("{" + tensor("a", "F64", "[2305843009213693952]", "[0,0]") + "}", 0),
       "safetensors: '' has 0 bytes for tensor 'a', which is F64 [2305843009213693952]"},
      {"size over 63 bits", file_of("{" + tensor("a", "U8", "[18446744073709551615]", "[0,8]") + "}", 8),
       "safetensors: '' must have whole numbers in 'shape' of tensor 'a', got 18446744073709551615"},
      {"negative size", file_of("{" + tensor("a", "F32", "[-2]", "[0,8]") + "}", 8),
       "safetensors: '' must have whole numbers in 'shape' of tensor 'a', got -2"},
      {"fractional size", file_of("{" + tensor("a", "F32", "[2.0]", "[0,8]") + "}", 8),
       "safetensors: '' must have whole numbers in 'shape' of tensor 'a', got 2.0"},
      {"nine axes", file_of("{" + tensor("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") + "}", 1),
       "safetensors: '' has 9 axes for tensor 'a'; at most 8 are read"},
      {"backward offsets", file_of("{" + tensor("a", "F32", "[2]", "[8,0]") + "}", 8),
       "safetensors: '' has data_offsets [8, 0] for tensor 'a'; the data has 8 bytes"},
      {"one offset", file_of("{" + tensor("a", "F32", "[2]", "[8]") + "}", 8),
       "safetensors: '' must have two data_offsets for tensor 'a', got 1"},
      {"no shape", file_of(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8),
       "safetensors: '' has no list 'shape' for tensor 'a'"},
      {"no dtype", file_of(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8),
       "safetensors: '' has no dtype for tensor 'a'"},
      {"a number for a tensor", file_of(R"({"a":1})", 0), "safetensors: '' has no object for tensor 'a'"},
      {"a name twice", file_of("{" + one + "," + one + "}", 8), "safetensors: '' names \"a\" twice"},
      {"a field twice", file_of(R"({"a":{"dtype":"U8","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
       "safetensors: '' names \"dtype\" twice"},
      {"nested metadata", file_of(R"({"__metadata__":{"x":{"y":"z"}}})", 0),
       "safetensors: '' has __metadata__ 'x' that is no string"},
      {"metadata that is no object", file_of(R"({"__metadata__":"x"})", 0),
       "safetensors: '' has __metadata__ that is no object"},
      {"bytes that are no truth", file_of("{" + tensor("a", "BOOL", "[1]", "[0,1]") + "}", 0) + "\2",
       "safetensors: '' has bytes other than 0 and 1 in BOOL tensor 'a'"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    CHECK(refusal(c.bytes) == c.message);
  }
}

TEST_CASE("a header that is no JSON is refused: NaN, half a header, bytes that are no UTF-8") {
  for (const std::string& header : {std::string(R"({"a":NaN})"), std::string(R"({"__metadata__":{"x":"y")"),
                                    std::string("{\"\xff\":1}"), std::string("{} {}"), std::string()}) {
    const std::string message = refusal(file_of(header, 0));
    CAPTURE(message);
    CHECK(message.starts_with("safetensors: '' has a header that is no JSON: "));
  }
}

TEST_CASE("deep nesting is refused before it can end anybody's stack, closed or not") {
  const std::string open(100'000, '['), close(100'000, ']');
  for (const std::string& header : {open, R"({"a":)" + open, R"({"a":)" + open + close + "}"})
    CHECK(refusal(file_of(header, 0)) == "safetensors: '' has a header of more than 8 levels");
}

TEST_CASE("a file cut off anywhere is refused") {
  const std::string whole = file_of("{" + tensor("a", "F32", "[2]", "[0,8]") + "}", 8);
  for (size_t length = 0; length < whole.size(); ++length) CHECK_FALSE(refusal(whole.substr(0, length)).empty());
}

TEST_CASE("one flipped byte anywhere never does worse than a refusal or other values") {
  const std::string whole = file_of("{" + tensor("a", "F32", "[2]", "[0,8]") + "}", 8);
  for (size_t i = 0; i < whole.size(); ++i)
    for (const char flip : {'\1', '\x10', '\x80'}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      CHECK_NOTHROW(refusal(bytes));
    }
}

TEST_CASE("what cannot be read or written is refused") {
  const TempDir dir;
  const Tensor x = zeros({1}, DType::F32);
  CHECK_THROWS_WITH_AS(write_safetensors(dir / "x", {{{"__metadata__", x}}, {}}),
                       "safetensors: a tensor cannot be named '__metadata__'", Error);
  CHECK_THROWS_AS(write_safetensors(dir / "x", {{{"\xff", x}}, {}}), Error);
  CHECK_THROWS_AS(write_safetensors(dir / "no/x", {}), Error);
  CHECK_FALSE(std::filesystem::exists(dir / "x"));
  const std::string missing = (dir / "missing").string();
  CHECK_THROWS_WITH_AS(read_safetensors(missing),
                       ("safetensors: '" + missing + "' cannot be read: No such file or directory").c_str(), Error);
}
