#include "experiments/report/picture_folder.h"

#include <algorithm>

#include "experiments/report/png.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace matmix::experiments {

namespace fs = std::filesystem;

PictureFolder::PictureFolder(fs::path path) : path_(std::move(path)) {
  require(!fs::exists(path_) || fs::is_directory(path_), path_.string(), "is no folder");
  std::error_code error;
  fs::create_directories(path_, error);
  require(!error, path_.string(), "cannot be made: ", error.message());
  require(fs::is_empty(path_), path_.string(), "holds files already; pass another --out");
}

void PictureFolder::write(const std::string& name, const std::vector<HeatMap>& maps) const {
  constexpr int64_t kHeight = 512;
  const int64_t cell = std::max<int64_t>(kHeight / std::max<int64_t>(maps.front().rows(), 1), 1);
  write_file_atomically(path_ / (name + ".png"), encode_png(side_by_side(maps, cell)));
}

}  // namespace matmix::experiments
