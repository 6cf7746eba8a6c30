#include "tensor/npy.h"

#include <doctest/doctest.h>

#include "tensor/compare.h"
#include "tensor/create.h"
#include "tensor/file.h"
#include "tensor/transfer.h"
#include "tests/support/devices.h"
#include "tests/support/random.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

/// A file of any version with this header and data.
std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(header.size() >> 8 * i & 255);
  return bytes + header + data;
}

std::string header(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

Tensor read(const std::string& bytes) {
  const TempDir dir;
  return read_npy(dir.write("x.npy", bytes));
}

/// What reading is refused with, less the path; "" if the bytes are read.
std::string refusal(const std::string& bytes) {
  static const TempDir dir;
  const auto path = dir.write("x.npy", bytes);
  try {
    read_npy(path);
    return "";
  } catch (const Error& error) {
    std::string what = error.what();
    const size_t at = what.find(path.string());
    return at == std::string::npos ? what : what.erase(at, path.string().size());
  }
}

}  // namespace

TEST_CASE("what is written is read, for every dtype, shape and device") {
  const TempDir dir;
  for (const Device device : test_devices())
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0}, Shape{2, 3, 4}})
      for (const DType dtype : {DType::F64, DType::F32, DType::I64, DType::I32, DType::U8, DType::Bool}) {
        const Tensor x = to(cast(random_tensor(shape, 1), dtype), device);
        write_npy(dir / "x.npy", x);
        CHECK(same_bits(read_npy(dir / "x.npy"), x));
      }
  const Tensor x = random_tensor({2, 3}, 2);
  write_npy(dir / "t.npy", x.transpose(0, 1));
  CHECK(same_bits(read_npy(dir / "t.npy"), x.transpose(0, 1)));
}

TEST_CASE("BF16 is written as F32") {
  const TempDir dir;
  const Tensor x = random_tensor({5}, 3, DType::BF16);
  write_npy(dir / "x.npy", x);
  CHECK(same_bits(read_npy(dir / "x.npy"), cast(x, DType::F32)));
}

TEST_CASE("the bytes are those that NumPy writes") {
  const TempDir dir;
  write_npy(dir / "x.npy", from_vector(std::vector<int32_t>{1, 2}));
  const std::string dict = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
  CHECK(read_file(dir / "x.npy") ==
        npy(dict + std::string(118 - dict.size() - 1, ' ') + "\n", {"\1\0\0\0\2\0\0\0", 8}));
}

TEST_CASE("versions 1 to 3, either quote, any order of keys, Fortran order") {
  const std::string data{"\1\2\3\4\5\6", 6};
  for (const char version : {'\1', '\2', '\3'})
    CHECK(to_vector<int64_t>(read(npy(header("|u1", "(2, 3)"), data, version))) ==
          std::vector<int64_t>{1, 2, 3, 4, 5, 6});
  CHECK(to_vector<int64_t>(read(npy(header("|u1", "(2, 3)", "True"), data))) == std::vector<int64_t>{1, 3, 5, 2, 4, 6});
  CHECK(read(npy(header("|u1", "(1, 2, 3)", "True"), data)).is_contiguous());
  CHECK(read(npy("{\"shape\":(6,),\"descr\":\"<u1\",\"fortran_order\":False}", data)).shape() == Shape{6});
  CHECK(read(npy(header("|u1", "()"), "\7")).shape() == Shape{});
}

TEST_CASE("the bytes alone are those of the file") {
  const TempDir folder;
  const Tensor x = from_vector<double>({1, 2, 3, 4}, {2, 2});
  for (const Tensor& written : {x, cast(x, DType::BF16), x.permute({1, 0})}) {
    write_npy(folder / "x.npy", written);
    CHECK(encode_npy(written) == read_file(folder / "x.npy"));
  }
}

TEST_CASE("sizes that Python 2 wrote as longs") {
  const std::string data(6, '\1');
  CHECK(read(npy(header("|u1", "(2L, 3L)"), data)).shape() == Shape{2, 3});
  CHECK(read(npy(header("|u1", "(6L,)"), data, 2)).shape() == Shape{6});
  CHECK(refusal(npy(header("|u1", "(6LL,)"), data)).find("must have ')'") != std::string::npos);
  CHECK(refusal(npy(header("|u1", "(L,)"), data)).find("whole numbers") != std::string::npos);
}

TEST_CASE("files of hostile bytes are refused in one sentence") {
  const struct {
    const char* what;
    std::string bytes, message;
  } cases[] = {
      {"empty", "", "npy: '' is no .npy file"},
      {"other magic", "\x93NUMPX\1\0", "npy: '' is no .npy file"},
      {"version", npy("", "", 4), "npy: '' has version 4; 1, 2 and 3 are read"},
      {"no length", std::string("\x93NUMPY\1\0\7", 9), "npy: '' ends before its header"},
      {"header past the end", std::string("\x93NUMPY\2\0\377\377\377\377{}", 14),
       "npy: '' has a header of 4294967295 bytes, but only 2 follow"},
      {"half precision", npy(header("<f2", "(1,)"), "12"),
       "npy: '' has dtype '<f2'; <f8, <f4, <i8, <i4, |u1 and |b1 are read"},
      {"big-endian", npy(header(">f8", "(1,)"), "12345678"),
       "npy: '' has dtype '>f8'; <f8, <f4, <i8, <i4, |u1 and |b1 are read"},
      {"objects", npy(header("|O", "(1,)"), "12345678"),
       "npy: '' has dtype '|O'; <f8, <f4, <i8, <i4, |u1 and |b1 are read"},
      {"records", npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", "12345678"),
       "npy: the header of '' must have a name in quotes at '[('a', '<f8')], '"},
      {"data cut off", npy(header("<f8", "(2,)"), "12345678"), "npy: '' has 8 bytes of data, but is F64 [2]"},
      {"data left over", npy(header("<f8", "()"), "123456789"), "npy: '' has 9 bytes of data, but is F64 []"},
      {"elements overflow", npy(header("|u1", "(4294967296, 4294967296)"), ""),
       "shape: the number of elements of [4294967296, 4294967296] does not fit in 63 bits"},
      {"bytes overflow", npy(header("<f8", "(2305843009213693952,)"), ""),
       "npy: '' has 0 bytes of data, but is F64 [2305843009213693952]"},
      {"size over 63 bits", npy(header("<f8", "(9223372036854775808,)"), ""),
       "npy: the header of '' must have whole numbers in shape, got '9223372036854775'"},
      {"negative size", npy(header("<f8", "(-1,)"), ""),
       "npy: the header of '' must have whole numbers in shape, got '-1,), }\n'"},
      {"nine axes", npy(header("|u1", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "1"),
       "npy: the header of '' has 9 axes; at most 8 are read"},
      {"key twice", npy("{'shape': (), 'shape': ()}", ""), "npy: the header of '' names 'shape' twice"},
      {"unknown key", npy("{'size': 3}", ""), "npy: the header of '' has the unknown key 'size'"},
      {"key missing", npy("{'descr': '<f8', 'shape': ()}", "12345678"),
       "npy: the header of '' must have descr, fortran_order and shape"},
      {"code", npy("{'descr': '<f8', 'fortran_order': exit(), 'shape': ()}", ""),
       "npy: the header of '' must have True or False at 'exit(), 'shape':'"},
      {"more than a dictionary", npy(header("<f8", "()") + "x", "12345678"),
       "npy: the header of '' goes on after its closing brace"},
      {"bytes that are no truth", npy(header("|b1", "(1,)"), "\2"),
       "npy: '' has bytes other than 0 and 1 in a |b1 array"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    CHECK(refusal(c.bytes) == c.message);
  }
}

TEST_CASE("a file cut off anywhere is refused, a flipped byte never does worse") {
  const std::string whole = npy(header("<f8", "(1, 2)"), std::string(16, '\1'));
  for (size_t length = 0; length < whole.size(); ++length) CHECK_FALSE(refusal(whole.substr(0, length)).empty());
  for (size_t i = 0; i < whole.size(); ++i)
    for (const char flip : {'\1', '\x10', '\x80'}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      CHECK_NOTHROW(refusal(bytes));
    }
}
