#include "data/masked_text.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <set>

#include "tensor/error.h"
#include "tensor/transfer.h"
#include "tests/data/same_batch.h"

using namespace matmix;
using namespace matmix::data;
using matmix::testing::is_made_of_rows;
using matmix::testing::same_batch;

namespace {

constexpr Layout kAll[] = {Layout::kPadded, Layout::kPacked, Layout::kFull};

SplitCorpus some_text(int64_t max_len = 40) {
  std::vector<std::string> paragraphs;
  for (int i = 0; i < 120; ++i) {
    std::string line = "no " + std::to_string(i);
    for (int j = 0; j < i % 7; ++j) line += " word" + std::to_string(j * i);
    paragraphs.push_back(line);
  }
  return text_corpus(paragraphs, ByteTokenizer(), {.max_len = max_len, .heldout = 0.2, .seed = 1});
}

MaskedText dataset(Layout layout, uint64_t seed = 11, int64_t L = 64) {
  return MaskedText(some_text(), ByteTokenizer().vocabulary(), {.L = L, .layout = layout, .seed = seed});
}

/// What is shown of each sequence of a batch, masks on, by what it is without them.
using Shown = std::map<std::string, std::vector<int64_t>>;
Shown shown_of(const Batch& batch);

/// How many sequences of both are shown alike.
int64_t shown_alike(const Shown& a, const Shown& b) {
  int64_t alike = 0;
  for (const auto& [text, ids] : a) {
    const auto other = b.find(text);
    REQUIRE(other != b.end());
    alike += ids == other->second;
  }
  return alike;
}

/// The sequences of a batch with their masks taken off.
std::vector<std::string> sequences(const Batch& batch) {
  std::vector<int64_t> ids = to_vector<int64_t>(batch.ids);
  const std::vector<int64_t> positions = to_vector<int64_t>(batch.positions), labels = to_vector<int64_t>(batch.labels);
  for (size_t k = 0; k < labels.size(); ++k)
    if (labels[k] != kIgnore) ids[static_cast<size_t>(positions[k])] = labels[k];
  std::vector<std::string> texts;
  for (const Run& run : batch.runs.all()) {
    const auto begin = ids.begin() + run.row * batch.runs.L() + run.start;
    texts.push_back(ByteTokenizer().decode(std::vector<int32_t>(begin, begin + run.length)));
  }
  return texts;
}

Shown shown_of(const Batch& batch) {
  const std::vector<int64_t> ids = to_vector<int64_t>(batch.ids);
  const std::vector<std::string> texts = sequences(batch);
  Shown shown;
  for (size_t k = 0; k < texts.size(); ++k) {
    const Run& run = batch.runs.all()[k];
    const auto begin = ids.begin() + run.row * batch.runs.L() + run.start;
    shown[texts[k]] = {begin, begin + run.length};
  }
  return shown;
}

}  // namespace

TEST_CASE("batches are made of rows, whoever asks for how many") {
  for (const Layout layout : kAll) {
    const MaskedText text = dataset(layout);
    for (const int64_t first : {0, 5, 1000}) CHECK(is_made_of_rows(text, first, 8));
    CHECK(same_batch(text.train(3, 4), dataset(layout).train(3, 4)));
    CHECK(!same_batch(text.train(3, 4), dataset(layout, 12).train(3, 4)));
  }
}

TEST_CASE("an epoch shows every example once, the next one in another order with other masks") {
  const SplitCorpus corpus = some_text();
  for (const Layout layout : {Layout::kPadded, Layout::kPacked}) {
    const MaskedText text = dataset(layout);
    std::multiset<std::string> want, got;
    for (int64_t i = 0; i < corpus.train.size(); ++i) want.insert(ByteTokenizer().decode(corpus.train[i].ids));
    int64_t used = 0;
    while (got.size() < want.size()) {
      for (const std::string& sequence : sequences(text.train(used, 1))) got.insert(sequence);
      ++used;
    }
    CHECK(got == want);
    CHECK((layout == Layout::kPacked || used == corpus.train.size()));
    const std::vector<std::string> first = sequences(text.train(0, used)), second = sequences(text.train(used, used));
    CHECK(first != second);
    CHECK(std::multiset<std::string>(second.begin(), second.end()) == want);
  }
}

TEST_CASE("masks of an example are others in the next epoch, for another seed and where it is held out") {
  const Corpus corpus = some_text().train;
  const auto rows = [&](uint64_t seed) {
    return MaskedText({corpus, corpus}, ByteTokenizer().vocabulary(),
                      {.L = 64, .layout = Layout::kPadded, .masking = {.rate = 0.4}, .seed = seed});
  };
  const int64_t n = corpus.size();
  const MaskedText text = rows(11);
  const Shown first = shown_of(text.train(0, n)), second = shown_of(text.train(n, n)),
              held_out = shown_of(text.heldout(0, n)), elsewhere = shown_of(rows(12).train(0, n)),
              held_elsewhere = shown_of(rows(12).heldout(0, n));
  const auto most = static_cast<int64_t>(first.size()) / 2;  // short ones may be masked alike by chance
  REQUIRE(most > 40);
  CHECK(shown_alike(first, first) == static_cast<int64_t>(first.size()));
  CHECK(shown_alike(first, second) < most);
  CHECK(shown_alike(first, held_out) < most);
  CHECK(shown_alike(second, held_out) < most);
  CHECK(shown_alike(first, elsewhere) < most);
  CHECK(shown_alike(held_out, held_elsewhere) < most);
}

TEST_CASE("padded rows hold one run, packed rows several, full rows no padding") {
  const SplitCorpus corpus = some_text();
  const Batch padded = dataset(Layout::kPadded).train(0, 10), packed = dataset(Layout::kPacked).train(0, 10),
              full = dataset(Layout::kFull).train(0, 10);
  CHECK(padded.runs.all().size() == 10);
  CHECK(packed.runs.all().size() > 15);
  CHECK(packed.tokens > padded.tokens);
  CHECK(full.runs.is_full());
  CHECK(full.tokens == 640);
  CHECK(dataset(Layout::kFull).heldout_rows() == (corpus.heldout.tokens() + corpus.heldout.size() - 1) / 64);
  for (const Batch* batch : {&padded, &packed, &full}) {
    CHECK(batch->ids.shape() == Shape{10, 64});
    CHECK(batch->labels.shape() == Shape{10 * targets_per_row(64, {})});
    CHECK(batch->positions.shape() == batch->labels.shape());
  }
}

TEST_CASE("an example's masks are those of its epoch, padded or packed") {
  const int64_t examples = some_text().train.size();
  const auto shown = [&](const MaskedText& text) {
    std::multiset<std::vector<int64_t>> sequences;
    for (int64_t row = 0; static_cast<int64_t>(sequences.size()) < examples; ++row) {
      const Batch batch = text.train(row, 1);
      const std::vector<int64_t> ids = to_vector<int64_t>(batch.ids);
      for (const Run& run : batch.runs.all())
        sequences.insert({ids.begin() + run.start, ids.begin() + run.start + run.length});
    }
    return sequences;
  };
  // A high rate leaves room enough that no target is dropped.
  const auto dataset = [](Layout layout) {
    return MaskedText(some_text(), ByteTokenizer().vocabulary(),
                      {.L = 160, .layout = layout, .masking = {.rate = 0.5}});
  };
  CHECK(shown(dataset(Layout::kPadded)) == shown(dataset(Layout::kPacked)));
}

TEST_CASE("held-out rows are the same at every call and padding beyond the end") {
  for (const Layout layout : kAll) {
    const MaskedText text = dataset(layout);
    const int64_t rows = text.heldout_rows();
    CHECK(same_batch(text.heldout(0, rows), text.heldout(0, rows)));
    const Batch beyond = text.heldout(rows - 1, 4);
    CHECK(beyond.ids.dim(0) == 4);
    CHECK(beyond.targets == text.heldout(rows - 1, 1).targets);
    CHECK(beyond.tokens == text.heldout(rows - 1, 1).tokens);
  }
}

TEST_CASE("training and held-out sequences have none in common") {
  const MaskedText text = dataset(Layout::kPadded);
  const std::vector<std::string> train = sequences(text.train(0, 200)),
                                 heldout = sequences(text.heldout(0, text.heldout_rows()));
  const std::set<std::string> learned(train.begin(), train.end());
  for (const std::string& sequence : heldout) CHECK(!learned.contains(sequence));
}

TEST_CASE("the context-free loss of a text whose letters are equally frequent is the log of their number") {
  std::string letters;
  for (int i = 0; i < 1000; ++i) letters += "abcd ";
  const Corpus corpus = text_corpus({letters}, ByteTokenizer(), {.max_len = 50, .heldout = 0}).train;
  const MaskedText text({corpus, corpus}, ByteTokenizer().vocabulary(), {.L = 50});
  // Add-one smoothing over 261 ids: each letter has 1001 of 4261.
  CHECK(text.context_free_loss() == doctest::Approx(std::log(4261.0 / 1001)).epsilon(1e-12));
}

TEST_CASE("the context-free loss counts the targets it is compared with") {
  const MaskedText text = dataset(Layout::kPacked);
  const SplitCorpus corpus = some_text();
  std::map<int64_t, double> counts;
  double total = 261;
  for (int64_t i = 0; i < corpus.train.size(); ++i) {
    for (size_t t = 0; t < corpus.train[i].ids.size(); ++t) {
      if (corpus.train[i].words[t] == kNoWord) continue;
      ++counts[corpus.train[i].ids[t]];
      ++total;
    }
  }
  const Batch batch = text.heldout(0, text.heldout_rows());
  double sum = 0;
  for (const int64_t label : to_vector<int64_t>(batch.labels))
    if (label != kIgnore) sum += std::log(total / (counts[label] + 1));
  CHECK(text.context_free_loss() == doctest::Approx(sum / static_cast<double>(batch.targets)).epsilon(1e-12));
}

TEST_CASE("the digest follows text and options") {
  CHECK(dataset(Layout::kPadded).digest() == dataset(Layout::kPadded).digest());
  CHECK(dataset(Layout::kPadded).digest() != dataset(Layout::kPadded, 12).digest());
  CHECK(dataset(Layout::kPadded).digest() != dataset(Layout::kPacked).digest());
  std::set<uint64_t> seen{dataset(Layout::kPadded).digest()};
  const auto with = [&](const MaskedTextOptions& options, Vocabulary vocabulary = ByteTokenizer().vocabulary()) {
    return MaskedText(some_text(), vocabulary, options).digest();
  };
  const MaskedTextOptions plain{.L = 64, .seed = 11};
  CHECK(seen.contains(with(plain)));
  MaskedTextOptions rate = plain, words = plain, longer = plain;
  rate.masking.rate = 0.2;
  words.masking.whole_word = false;
  longer.L = 65;
  for (const MaskedTextOptions& options : {rate, words, longer}) CHECK(seen.insert(with(options)).second);
  Vocabulary larger = ByteTokenizer().vocabulary(), other_mask = larger;
  ++larger.size;
  --other_mask.mask;
  CHECK(seen.insert(with(plain, larger)).second);
  CHECK(seen.insert(with(plain, other_mask)).second);
  MaskedText moved({some_text().heldout, some_text().train}, ByteTokenizer().vocabulary(), plain);
  CHECK(seen.insert(moved.digest()).second);
  const MaskedText shorter(some_text(20), ByteTokenizer().vocabulary(), {.L = 64, .seed = 11});
  CHECK(dataset(Layout::kPadded).digest() != shorter.digest());
}

TEST_CASE("layouts are known by name") {
  for (const Layout layout : kAll) CHECK(parse_layout(to_string(layout)) == layout);
  CHECK_THROWS_WITH_AS(parse_layout("dense"), "parse_layout: layout must be padded, packed or full, got dense", Error);
}

TEST_CASE("what cannot be laid out is refused") {
  const Vocabulary vocabulary = ByteTokenizer().vocabulary();
  const auto make = [&](const SplitCorpus& corpus, Layout layout) {
    MaskedText(corpus, vocabulary, {.L = 8, .layout = layout});
  };
  const Corpus corpus = some_text().train;
  CHECK_THROWS_WITH_AS(make({{}, corpus}, Layout::kFull),
                       "MaskedText: the training part must fill at least one row, got none; L is 8", Error);
  CHECK_THROWS_WITH_AS(make({corpus, {}}, Layout::kFull),
                       "MaskedText: the held-out part must fill at least one row, got none; L is 8", Error);
  const Corpus nine = text_corpus({"ninebytes"}, ByteTokenizer(), {.heldout = 0}).train;
  CHECK_THROWS_WITH_AS(make({nine, nine}, Layout::kPacked),
                       "MaskedText: examples must have at most L = 8 tokens, got 9", Error);
  const std::vector<int32_t> ids = {261}, words = {0};
  Corpus alien;
  alien.add({ids, words});
  CHECK_THROWS_WITH_AS(make({alien, alien}, Layout::kPadded), "MaskedText: ids must be in [0, 261), got 261", Error);
  CHECK_THROWS_WITH_AS(dataset(Layout::kPadded).train(-1, 1), "train: first must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS(dataset(Layout::kPadded).heldout(0, 0), "heldout: count must be positive, got 0", Error);
}
