// The promised ranks: of the blocks beside the diagonal, and of those of Monarch matrices.
#include "mixers/laws/law_report.h"
#include "mixers/laws/matrices.h"
#include "mixers/structure.h"

namespace matmix::mixers::laws {
namespace {

/// Of blocks of one kind, never more than promised: the next singular value is below the cut, as a share.
void check_rank(const std::string& law, const Order& found, int64_t promised, const std::string& where, LawBook& book) {
  const double next = found.rank == promised ? found.dropped : found.rank > promised ? found.kept : 0;
  book.add(law, next, RankRule().tolerance, where);
}

/// Both laws of one promise, over the matrices of all heads: never more, and that much for one.
void check_side(const std::vector<Order>& found, int64_t promised, const char* side, LawBook& book) {
  int64_t reached = 0;
  for (const Order& order : found) {
    check_rank("rank", order, promised, text("rank ", order.rank, " ", side, " the diagonal"), book);
    reached = std::max(reached, order.rank);
  }
  book.add("rank_tight", reached >= promised, text("rank ", reached, " ", side, " the diagonal, promised ", promised));
}

}  // namespace

void check_ranks(const Setting& setting, LawBook& book) {
  if (setting.dtype != DType::F64) return;
  const int64_t L = 20;
  const Subject subject = small_subject(setting, L);
  const Traits traits = subject.mixer().traits();
  const Tensor M = subject.matrix(subject.draw_tokens({L}), full_layout({L})).select(0, 0);
  std::vector<Order> below, above;
  for (int64_t h = 0; h < M.dim(0); ++h) {
    const Orders found = quasiseparable_orders(M.select(0, h));
    below.push_back(found.below);
    above.push_back(found.above);
    if (const auto b = traits.monarch_block)
      check_rank("monarch", monarch_order(M.select(0, h), *b), 1, text("of rows ", *b, " apart"), book);
  }
  if (traits.rank_below) check_side(below, *traits.rank_below, "below", book);
  if (traits.rank_above) check_side(above, *traits.rank_above, "above", book);
}

}  // namespace matmix::mixers::laws
