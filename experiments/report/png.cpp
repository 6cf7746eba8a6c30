#include "experiments/report/png.h"

#include <png.h>

#include "tensor/error.h"

namespace matmix::experiments {

std::string encode_png(const Picture& picture) {
  require(picture.width > 0 && picture.height > 0, "png", "a picture must have pixels, got ", picture.width, " x ",
          picture.height);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  static_assert(sizeof(Colour) == 3);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  const int done = png_image_write_to_memory(&image, bytes.data(), &size, 0, picture.pixels.data(), 0, nullptr);
  require(done != 0, "png", static_cast<const char*>(image.message));
  bytes.resize(size);
  return bytes;
}

}  // namespace matmix::experiments
