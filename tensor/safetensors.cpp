#include "tensor/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tensor/create.h"
#include "tensor/file.h"
#include "tensor/transfer.h"

namespace matmix {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file's bytes are read as they are");

constexpr std::string_view kMetadata = "__metadata__";
constexpr uint64_t kMaxHeader = 100'000'000;
constexpr int kMaxDepth = 8;  // of the header: 3 where all is well

struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  int64_t begin, end;
};

/// One file being read: every refusal names it.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path) {
    if (reads_once(path)) {  // its end tells its size
      const std::string bytes = read_file(path);
      size_ = bytes.size();
      in_ = std::make_unique<std::istringstream>(bytes);
      return;
    }
    in_ = std::make_unique<std::ifstream>(path, std::ios::binary);
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    check(!error && in_->good(), "cannot be read: ", error ? error.message() : "no permission");
    size_ = static_cast<uint64_t>(size);
  }

  TensorFile read() {
    const Json header = read_header();
    TensorFile file;
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadata)
        file.metadata = metadata_of(value);
      else
        entries.push_back(entry_of(name, value));
    }
    std::ranges::stable_sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
    check_layout(entries);
    for (const Entry& entry : entries) file.tensors.put(entry.name, read_tensor(entry));
    return file;
  }

 private:
  template <class... Parts>
  void check(bool ok, const Parts&... parts) const {
    if (!ok) fail("safetensors", "'", path_.string(), "' ", parts...);
  }

  void read_bytes(void* to, int64_t count) {
    in_->read(static_cast<char*>(to), count);
    check(in_->gcount() == count, "ended while it was read");
  }

  Json read_header() {
    uint64_t length = 0;
    check(size_ >= sizeof length, "is too short for a header: ", size_, " bytes");
    read_bytes(&length, sizeof length);
    check(length <= kMaxHeader, "has a header of ", length, " bytes; at most ", kMaxHeader, " are read");
    check(length <= size_ - sizeof length, "has a header of ", length, " bytes, but only ", size_ - sizeof length,
          " follow");
    std::string text(length, '\0');
    read_bytes(text.data(), static_cast<int64_t>(length));
    data_bytes_ = static_cast<int64_t>(size_ - sizeof length - length);
    return parse(text);
  }

  Json parse(const std::string& text) const {
    check(text.find('\0') == std::string::npos, "has a zero byte in its header");  // the end to the JSON parser
    std::vector<std::set<std::string>> keys;                                       // of the objects that are open
    const auto no_name_twice = [&](int depth, Json::parse_event_t event, Json& value) {
      check(depth <= kMaxDepth, "has a header of more than ", kMaxDepth, " levels");
      if (event == Json::parse_event_t::object_start) keys.emplace_back();
      if (event == Json::parse_event_t::object_end) keys.pop_back();
      if (event == Json::parse_event_t::key)
        check(keys.back().insert(value.get<std::string>()).second, "names ", value.dump(), " twice");
      return true;
    };
    try {
      Json header = Json::parse(text, no_name_twice);
      check(header.is_object(), "has a header that is no JSON object");
      return header;
    } catch (const Json::exception& error) {
      fail("safetensors", "'", path_.string(), "' has a header that is no JSON: ", error.what());
    }
  }

  std::map<std::string, std::string> metadata_of(const Json& value) const {
    check(value.is_object(), "has __metadata__ that is no object");
    std::map<std::string, std::string> metadata;
    for (const auto& [key, text] : value.items()) {
      check(text.is_string(), "has __metadata__ '", key, "' that is no string");
      metadata[key] = text.get<std::string>();
    }
    return metadata;
  }

  /// A list of whole numbers from 0 to 2^63 - 1 under `key`.
  std::vector<int64_t> numbers(const std::string& name, const Json& value, const char* key) const {
    const auto list = value.find(key);
    check(list != value.end() && list->is_array(), "has no list '", key, "' for tensor '", name, "'");
    std::vector<int64_t> out;
    for (const Json& number : *list) {
      check(number.is_number_unsigned() && number.get<uint64_t>() <= INT64_MAX, "must have whole numbers in '", key,
            "' of tensor '", name, "', got ", number.dump());
      out.push_back(number.get<int64_t>());
    }
    return out;
  }

  Entry entry_of(const std::string& name, const Json& value) const {
    check(value.is_object(), "has no object for tensor '", name, "'");
    const auto dtype = value.find("dtype");
    check(dtype != value.end() && dtype->is_string(), "has no dtype for tensor '", name, "'");
    const std::string dtype_name = dtype->get<std::string>();
    constexpr std::array<std::string_view, 7> kKnown{"F64", "F32", "BF16", "I64", "I32", "U8", "BOOL"};
    const auto known = std::ranges::find(kKnown, dtype_name);
    check(known != kKnown.end(), "has dtype ", dtype_name, " for tensor '", name,
          "'; F64, F32, BF16, I64, I32, U8 and BOOL are read");

    const auto sizes = numbers(name, value, "shape"), offsets = numbers(name, value, "data_offsets");
    check(sizes.size() <= Shape::kMaxRank, "has ", sizes.size(), " axes for tensor '", name, "'; at most ",
          Shape::kMaxRank, " are read");
    check(offsets.size() == 2, "must have two data_offsets for tensor '", name, "', got ", offsets.size());
    check(offsets[0] <= offsets[1] && offsets[1] <= data_bytes_, "has data_offsets ", Shape(offsets), " for tensor '",
          name, "'; the data has ", data_bytes_, " bytes");
    Entry entry{name, static_cast<DType>(known - kKnown.begin()), Shape(sizes), offsets[0], offsets[1]};
    int64_t bytes = 0;
    const bool overflow =
        __builtin_mul_overflow(entry.shape.numel(), static_cast<int64_t>(size_of(entry.dtype)), &bytes);
    check(!overflow && bytes == entry.end - entry.begin, "has ", entry.end - entry.begin, " bytes for tensor '", name,
          "', which is ", dtype_name, " ", entry.shape);
    return entry;
  }

  void check_layout(const std::vector<Entry>& entries) const {
    int64_t end = 0;
    for (const Entry& entry : entries) {
      check(entry.begin >= end, "has tensor '", entry.name, "' overlapping the one before it");
      check(entry.begin == end, "has a hole of ", entry.begin - end, " bytes before tensor '", entry.name, "'");
      end = entry.end;
    }
    check(end == data_bytes_, "has ", data_bytes_ - end, " bytes after the last tensor");
  }

  Tensor read_tensor(const Entry& entry) {
    const Tensor x = empty(entry.shape, entry.dtype);
    auto* bytes = static_cast<unsigned char*>(x.raw());
    read_bytes(bytes, entry.end - entry.begin);
    if (entry.dtype == DType::Bool)
      check(std::all_of(bytes, bytes + x.numel(), [](unsigned char b) { return b <= 1; }),
            "has bytes other than 0 and 1 ", "in BOOL tensor '", entry.name, "'");
    return x;
  }

  std::filesystem::path path_;
  std::unique_ptr<std::istream> in_;
  uint64_t size_ = 0;
  int64_t data_bytes_ = 0;
};

std::string header_of(const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  int64_t offset = 0;
  for (const auto& [name, x] : file.tensors) {
    require(name != kMetadata, "safetensors", "a tensor cannot be named '", name, "'");
    const int64_t end = offset + static_cast<int64_t>(x.bytes());
    const std::string dtype = x.dtype() == DType::Bool ? "BOOL" : std::string(to_string(x.dtype()));
    header[name] = {{"dtype", dtype},
                    {"shape", std::vector<int64_t>(x.shape().begin(), x.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    fail("safetensors", "names and metadata must be UTF-8: ", error.what());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path) { return Reader(path).read(); }

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  const std::string header = header_of(file);
  const uint64_t length = header.size();
  AtomicFile out(path);
  out.write(&length, sizeof length);
  out.write(header.data(), header.size());
  for (const auto& [name, x] : file.tensors) {
    const Tensor host = contiguous(to(x, kCpu));
    out.write(host.raw(), host.bytes());
  }
  out.commit();
}

}  // namespace matmix
