#include "experiments/report/picture_folder.h"

#include <algorithm>

#include "experiments/report/png.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace matmix::experiments {

namespace fs = std::filesystem;

namespace {

/// Pixels an entry, for a matrix of about `height` pixels.
int64_t cell_for(int64_t height, const HeatMap& map) {
  return std::max<int64_t>(height / std::max<int64_t>(map.rows(), 1), 1);
}

}  // namespace

std::string png_of_rows(const std::vector<std::vector<HeatMap>>& rows) {
  const int64_t cell = cell_for(256, rows.front().front());
  std::vector<Picture> pictures;
  for (const auto& row : rows) pictures.push_back(side_by_side(row, cell));
  return encode_png(stacked(pictures, std::max<int64_t>(cell / 2, 1)));
}

PictureFolder::PictureFolder(fs::path path) : path_(std::move(path)) {
  require(!fs::exists(path_) || fs::is_directory(path_), path_.string(), "is no folder");
  std::error_code error;
  fs::create_directories(path_, error);
  require(!error, path_.string(), "cannot be made: ", error.message());
  require(fs::is_empty(path_), path_.string(), "holds files already; pass another --out");
}

void PictureFolder::write(const std::string& name, const std::vector<HeatMap>& maps) const {
  write_file_atomically(path_ / (name + ".png"), encode_png(side_by_side(maps, cell_for(512, maps.front()))));
}

void PictureFolder::write(const std::string& name, const std::vector<std::vector<HeatMap>>& rows) const {
  write_file_atomically(path_ / (name + ".png"), png_of_rows(rows));
}

}  // namespace matmix::experiments
