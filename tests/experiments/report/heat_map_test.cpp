#include "experiments/report/heat_map.h"

#include <doctest/doctest.h>
#include <png.h>

#include "experiments/report/picture_folder.h"
#include "experiments/report/png.h"
#include "tensor/create.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::experiments;
using matmix::testing::TempDir;

namespace {

constexpr Colour kWhite{255, 255, 255};

Picture decode_png(const std::string& bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) != 0);
  REQUIRE(image.format == PNG_FORMAT_RGB);
  Picture picture{image.width, image.height, std::vector<Colour>(size_t{image.width} * image.height)};
  REQUIRE(png_image_finish_read(&image, nullptr, picture.pixels.data(), 0, nullptr) != 0);
  return picture;
}

Colour pixel(const Picture& p, int64_t x, int64_t y) { return p.pixels[static_cast<size_t>(y * p.width + x)]; }

HeatMap map_of(const std::vector<double>& values, MapKind kind, double largest = 0) {
  return HeatMap(from_vector(values, {1, static_cast<int64_t>(values.size())}), kind, largest);
}

}  // namespace

TEST_CASE("signed: white at 0, red above, blue below, stronger with size, as strong either way") {
  const HeatMap map = map_of({0, 1e-9, 0.01, 0.1, 1, -0.01, -0.1, -1}, MapKind::kSigned);
  CHECK(map.colour(0, 0) == kWhite);
  CHECK(map.colour(0, 1) == kWhite);
  const auto red = [&](int64_t j) { return map.colour(0, j).r - map.colour(0, j).b; };
  CHECK((red(2) > 0 && red(3) > 0 && red(4) > 0 && red(5) < 0 && red(6) < 0 && red(7) < 0));
  for (const int64_t j : {2, 5}) {
    CHECK(map.colour(0, j).g > map.colour(0, j + 1).g);
    CHECK(map.colour(0, j + 1).g > map.colour(0, j + 2).g);
  }
  CHECK(map.colour(0, 4) == Colour{103, 0, 31});
  CHECK(map.colour(0, 7) == Colour{5, 48, 97});
  std::string letters;
  for (int64_t j = 0; j < 8; ++j) letters += map.letter(0, j);
  CHECK(letters == " .:*#;x%");
}

TEST_CASE("ranks: dark to light, in digits and letters") {
  const HeatMap map = map_of({0, 1, 9, 10, 35, 36, 100}, MapKind::kRanks);
  CHECK(map.colour(0, 0) == Colour{68, 1, 84});
  CHECK(map.colour(0, 6) == Colour{253, 231, 37});
  CHECK(map.letter(0, 0) == '0');
  CHECK(map.letter(0, 2) == '9');
  CHECK(map.letter(0, 3) == 'a');
  CHECK(map.letter(0, 4) == 'z');
  CHECK(map.letter(0, 5) == '+');
  CHECK(map.letter(0, 6) == '+');
}

TEST_CASE("errors: twenty decades below what they are errors of; 0 is darkest") {
  const HeatMap map = map_of({0, 1e-25, 1e-16, -1e-8, 4}, MapKind::kErrors, 1);
  CHECK(map.colour(0, 0) == Colour{68, 1, 84});
  CHECK(map.colour(0, 1) == map.colour(0, 0));
  CHECK(map.colour(0, 2).g > map.colour(0, 1).g);
  CHECK(map.colour(0, 3).g > map.colour(0, 2).g);
  CHECK(map.colour(0, 4) == Colour{253, 231, 37});
  CHECK(map.letter(0, 0) == ' ');
  CHECK(map.letter(0, 4) == '@');
}

TEST_CASE("a matrix of zeros has a picture too") {
  CHECK(map_of({0, 0}, MapKind::kSigned).colour(0, 1) == kWhite);
  CHECK(map_of({0, 0}, MapKind::kErrors).letter(0, 1) == ' ');
  CHECK(map_of({0, 0}, MapKind::kRanks).letter(0, 1) == '0');
}

TEST_CASE("a PNG file holds every entry at its place, heads side by side") {
  const HeatMap first(from_vector<double>({1, 0, -1, 0.5}, {2, 2}), MapKind::kSigned);
  const HeatMap second(from_vector<double>({0, 1, 2, 3}, {2, 2}), MapKind::kRanks);
  const int64_t cell = 5;
  const Picture p = decode_png(encode_png(side_by_side({first, second}, cell)));
  CHECK(p.width == 2 * cell + 2 + 2 * cell);
  CHECK(p.height == 2 * cell);
  for (int64_t y = 0; y < p.height; ++y)
    for (int64_t x = 0; x < p.width; ++x) {
      const int64_t right = x - 2 * cell - 2;
      const Colour want = x < 2 * cell ? first.colour(y / cell, x / cell)
                          : right >= 0 ? second.colour(y / cell, right / cell)
                                       : Colour{160, 160, 160};
      CHECK(pixel(p, x, y) == want);
    }
}

TEST_CASE("pictures one below the other, grey between and beside them") {
  const Picture wide = side_by_side({map_of({1, -1}, MapKind::kSigned)}, 3);
  const Picture narrow = side_by_side({map_of({1, -1}, MapKind::kSigned)}, 2);
  const Picture all = stacked({wide, narrow}, 4);
  CHECK(all.width == wide.width);
  CHECK(all.height == wide.height + 4 + narrow.height);
  CHECK(static_cast<int64_t>(all.pixels.size()) == all.width * all.height);
  for (int64_t y = 0; y < all.height; ++y)
    for (int64_t x = 0; x < all.width; ++x) {
      const int64_t below = y - wide.height - 4;
      const Colour want = y < wide.height                  ? pixel(wide, x, y)
                          : below >= 0 && x < narrow.width ? pixel(narrow, x, below)
                                                           : Colour{160, 160, 160};
      CHECK(pixel(all, x, y) == want);
    }
}

TEST_CASE("a folder of pictures is new, and nothing in it is written over") {
  const TempDir dir;
  const HeatMap map = map_of({1, -1}, MapKind::kSigned);
  PictureFolder(dir / "a/b").write("x", {map});
  const Picture p = decode_png(read_file(dir / "a/b/x.png"));
  CHECK(p.height == 512);
  CHECK(pixel(p, 0, 0) == map.colour(0, 0));
  CHECK(pixel(p, p.width - 1, 0) == map.colour(0, 1));
  const std::string path = (dir / "a/b").string();
  CHECK_THROWS_WITH_AS(PictureFolder{path}, (path + ": holds files already; pass another --out").c_str(), Error);
  const std::string file = dir.write("file", "x").string();
  CHECK_THROWS_WITH_AS(PictureFolder{file}, (file + ": is no folder").c_str(), Error);
  CHECK_THROWS_WITH_AS(encode_png({0, 0, {}}), "png: a picture must have pixels, got 0 x 0", Error);
}
