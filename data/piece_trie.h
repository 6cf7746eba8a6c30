#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace matmix::data {

/// Pieces of words, found by the longest one a text begins with: one step a byte, whatever the number of pieces.
class PieceTrie {
 public:
  /// `total_bytes`: of all pieces that will be added.
  explicit PieceTrie(size_t total_bytes);

  /// A piece that begins words, or one that goes on with them; not empty.
  void add(std::string_view piece, bool goes_on, int32_t id);

  struct Match {
    int32_t id = -1;  ///< none: -1
    size_t bytes = 0;
  };
  Match longest(std::string_view text, bool goes_on) const;

 private:
  struct Edge {
    int32_t from = -1;
    int32_t to = -1;
    unsigned char byte = 0;
  };

  /// The slot of an edge in the open-addressed table, or the free one where it would be.
  size_t slot(int32_t from, unsigned char byte) const;

  std::vector<Edge> edges_;
  std::vector<int32_t> ids_{-1, -1};  ///< of nodes; node 0 begins words, node 1 goes on
};

}  // namespace matmix::data
