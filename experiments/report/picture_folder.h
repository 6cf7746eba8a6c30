#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/report/heat_map.h"

namespace matmix::experiments {

/// The bytes of a PNG file: row by row, each row about 256 pixels high.
std::string png_of_rows(const std::vector<std::vector<HeatMap>>& rows);

/// A new folder for pictures and what they show. Nothing is ever written over.
class PictureFolder {
 public:
  /// Makes the folder; Error if there is one with anything in it.
  explicit PictureFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  /// name.png: the maps side by side, about 512 pixels high.
  void write(const std::string& name, const std::vector<HeatMap>& maps) const;
  /// name.png: png_of_rows.
  void write(const std::string& name, const std::vector<std::vector<HeatMap>>& rows) const;

 private:
  std::filesystem::path path_;
};

}  // namespace matmix::experiments
