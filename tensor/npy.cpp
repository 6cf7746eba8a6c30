#include "tensor/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <set>
#include <string>

#include "tensor/create.h"
#include "tensor/file.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Format {
  std::string_view descr;
  DType dtype;
};
constexpr std::array<Format, 6> kFormats{{{"<f8", DType::F64},
                                          {"<f4", DType::F32},
                                          {"<i8", DType::I64},
                                          {"<i4", DType::I32},
                                          {"|u1", DType::U8},
                                          {"|b1", DType::Bool}}};

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

/// Reads the header, a Python literal such as {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  Header parse() {
    Header header;
    std::set<std::string> seen;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      check(seen.insert(key).second, "names '" + key + "' twice");
      expect(':');
      if (key == "descr")
        header.descr = quoted();
      else if (key == "fortran_order")
        header.fortran_order = boolean();
      else if (key == "shape")
        header.shape = sizes();
      else
        check(false, "has the unknown key '" + key + "'");
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    check(rest_.empty(), "goes on after its closing brace");
    check(seen.size() == 3, "must have descr, fortran_order and shape");
    return header;
  }

 private:
  void check(bool ok, const std::string& what) const { require(ok, "npy", "the header of '", path_, "' ", what); }

  void skip_space() {
    const size_t space = rest_.find_first_not_of(" \t\n");
    rest_.remove_prefix(std::min(space, rest_.size()));
  }
  bool accept(char c) {
    skip_space();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) { check(accept(c), std::string("must have '") + c + "' before '" + text_ahead() + "'"); }
  std::string text_ahead() const { return std::string(rest_.substr(0, 16)); }

  std::string quoted() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_[0];
    const size_t end = rest_.find(quote, 1);
    check((quote == '\'' || quote == '"') && end != std::string_view::npos && end > 1,
          "must have a name in quotes at '" + text_ahead() + "'");
    std::string word(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return word;
  }
  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    check(false, "must have True or False at '" + text_ahead() + "'");
    return false;
  }
  std::vector<int64_t> sizes() {
    std::vector<int64_t> out;
    expect('(');
    while (!accept(')')) {
      skip_space();
      int64_t size = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      check(error == std::errc() && size >= 0, "must have whole numbers in shape, got '" + text_ahead() + "'");
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // a long of Python 2
      out.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    check(out.size() <= Shape::kMaxRank, "has " + std::to_string(out.size()) + " axes; at most 8 are read");
    return out;
  }

  std::string_view rest_;
  const std::string& path_;
};

DType dtype_of_descr(std::string_view descr, const std::string& path) {
  for (const Format& format : kFormats)
    if (format.descr == descr || (size_of(format.dtype) == 1 && format.descr.substr(1) == descr.substr(1)))
      return format.dtype;
  fail("npy", "'", path, "' has dtype '", descr, "'; <f8, <f4, <i8, <i4, |u1 and |b1 are read");
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

Shape reversed(const Shape& shape) {
  Shape out;
  for (int i = shape.rank() - 1; i >= 0; --i) out.push_back(shape[i]);
  return out;
}

Tensor as_stored(const Tensor& x) { return contiguous(to(x.dtype() == DType::BF16 ? cast(x, DType::F32) : x, kCpu)); }

/// All that comes before the data.
std::string header_of(const Tensor& stored) {
  const auto format = std::ranges::find(kFormats, stored.dtype(), &Format::dtype);
  std::string sizes;
  for (const int64_t size : stored.shape()) sizes += text(size, ",");
  std::string dictionary = text("{'descr': '", format->descr, "', 'fortran_order': False, 'shape': (", sizes, "), }");
  constexpr size_t kPrefix = 10, kAlignment = 64;
  dictionary.resize((kPrefix + dictionary.size() + kAlignment) / kAlignment * kAlignment - kPrefix - 1, ' ');
  dictionary += '\n';
  const char version_and_length[4] = {1, 0, static_cast<char>(dictionary.size() % 256),
                                      static_cast<char>(dictionary.size() / 256)};
  return std::string(kMagic).append(version_and_length, sizeof version_and_length) + dictionary;
}

}  // namespace

Tensor read_npy(const std::filesystem::path& file) {
  const std::string path = file.string(), bytes = read_file(file);
  std::string_view rest = bytes;
  require(rest.starts_with(kMagic) && rest.size() >= 8, "npy", "'", path, "' is no .npy file");
  const int version = rest[6];
  require(version >= 1 && version <= 3, "npy", "'", path, "' has version ", version, "; 1, 2 and 3 are read");
  rest.remove_prefix(8);
  const size_t width = version == 1 ? 2 : 4;
  require(rest.size() >= width, "npy", "'", path, "' ends before its header");
  const uint64_t length = little_endian(rest.substr(0, width));
  rest.remove_prefix(width);
  require(length <= rest.size(), "npy", "'", path, "' has a header of ", length, " bytes, but only ", rest.size(),
          " follow");
  const Header header = HeaderParser(rest.substr(0, length), path).parse();
  rest.remove_prefix(length);

  const DType dtype = dtype_of_descr(header.descr, path);
  const Shape shape(header.shape);
  int64_t expected = 0;
  const bool overflow = __builtin_mul_overflow(shape.numel(), static_cast<int64_t>(size_of(dtype)), &expected);
  require(!overflow && static_cast<uint64_t>(expected) == rest.size(), "npy", "'", path, "' has ", rest.size(),
          " bytes of data, but is ", dtype, " ", shape);
  if (dtype == DType::Bool)
    require(std::ranges::all_of(rest, [](char c) { return c == 0 || c == 1; }), "npy", "'", path,
            "' has bytes other than 0 and 1 in a |b1 array");

  const Tensor stored = empty(header.fortran_order ? reversed(shape) : shape, dtype);
  if (!rest.empty()) std::memcpy(stored.raw(), rest.data(), rest.size());
  if (!header.fortran_order) return stored;
  std::vector<int> order;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) order.push_back(axis);
  return contiguous(stored.permute(order));
}

void write_npy(const std::filesystem::path& path, const Tensor& x) {
  const Tensor host = as_stored(x);
  const std::string header = header_of(host);
  AtomicFile out(path);
  out.write(header.data(), header.size());
  out.write(host.raw(), host.bytes());
  out.commit();
}

std::string encode_npy(const Tensor& x) {
  const Tensor host = as_stored(x);
  return header_of(host).append(static_cast<const char*>(host.raw()), host.bytes());
}

}  // namespace matmix
