#include "data/piece_trie.h"

#include <bit>

#include "tensor/random.h"

namespace matmix::data {

PieceTrie::PieceTrie(size_t total_bytes) : edges_(std::bit_ceil(2 * total_bytes + 2)) {}

size_t PieceTrie::slot(int32_t from, unsigned char byte) const {
  const size_t mask = edges_.size() - 1;
  size_t at = mix64(static_cast<uint64_t>(from) << 8 | byte) & mask;
  while (edges_[at].from >= 0 && (edges_[at].from != from || edges_[at].byte != byte)) at = (at + 1) & mask;
  return at;
}

void PieceTrie::add(std::string_view piece, bool goes_on, int32_t id) {
  int32_t node = goes_on ? 1 : 0;
  for (const char c : piece) {
    const unsigned char byte = static_cast<unsigned char>(c);
    Edge& edge = edges_[slot(node, byte)];
    if (edge.from < 0) {
      edge = {node, static_cast<int32_t>(ids_.size()), byte};
      ids_.push_back(-1);
    }
    node = edge.to;
  }
  ids_[static_cast<size_t>(node)] = id;
}

PieceTrie::Match PieceTrie::longest(std::string_view text, bool goes_on) const {
  Match best;
  int32_t node = goes_on ? 1 : 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const Edge& edge = edges_[slot(node, static_cast<unsigned char>(text[i]))];
    if (edge.from < 0) break;
    node = edge.to;
    if (ids_[static_cast<size_t>(node)] >= 0) best = {ids_[static_cast<size_t>(node)], i + 1};
  }
  return best;
}

}  // namespace matmix::data
