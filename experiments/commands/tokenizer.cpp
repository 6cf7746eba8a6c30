#include <fmt/core.h>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "data/corpus.h"
#include "data/text.h"
#include "data/wordpiece.h"
#include "data/wordpiece_training.h"
#include "experiments/commands/commands.h"
#include "experiments/config/config.h"
#include "experiments/output/json_line.h"
#include "experiments/output/print.h"
#include "tensor/file.h"

namespace matmix::experiments {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<std::string> texts_of(const std::vector<std::string>& sources) {
  std::vector<std::string> texts;
  for (const std::string& source : sources) {
    if (source == "glosses") {
      for (const data::Synset& synset : data::read_wordnet(DataConfig().path))
        texts.push_back(data::gloss_line(synset));
      continue;
    }
    std::vector<std::string> paragraphs = data::read_text(source);
    std::ranges::move(paragraphs, std::back_inserter(texts));
  }
  return texts;
}

/// The lines of a file, or of stdin if its name is empty or "-".
class Lines {
 public:
  explicit Lines(const std::string& file)
      : bytes_(is_stdin(file) ? data::checked_utf8(read_stdin(), "tokenizer", "standard input")
                              : data::read_utf8(file, "tokenizer")) {}

  template <class Sink>
  void for_each(Sink&& sink) const {
    for (const std::string_view line : data::lines_of(bytes_)) sink(line);
  }
  size_t bytes() const { return bytes_.size(); }

 private:
  static bool is_stdin(const std::string& file) { return file.empty() || file == "-"; }

  std::string bytes_;
};

/// Lines for stdout, written many at a time.
class Output {
 public:
  void line(std::string_view text) {
    (waiting_ += text) += '\n';
    if (waiting_.size() >= kEnough) flush();
  }
  void flush() {
    print_visible(waiting_);
    require(!stdout_failed(), "stdout", "cannot be written");
    waiting_.clear();
  }

 private:
  static constexpr size_t kEnough = 1 << 16;
  std::string waiting_;
};

std::string joined(const data::WordPiece& tokenizer, const std::vector<int32_t>& ids, bool pieces) {
  std::string line;
  for (const int32_t id : ids) {
    if (!line.empty()) line += ' ';
    line += pieces ? tokenizer.piece(id) : std::to_string(id);
  }
  return line;
}

std::string as_json(const data::WordPiece& tokenizer, std::string_view text, const data::Tokens& tokens) {
  std::vector<int64_t> begins, ends;
  for (const data::Span& span : tokens.spans) {
    begins.push_back(span.begin);
    ends.push_back(span.end);
  }
  return JsonLine()
      .put("text", text)
      .put("ids", tokens.ids)
      .put("pieces", joined(tokenizer, tokens.ids, true))
      .put("words", tokens.words)
      .put("begins", begins)
      .put("ends", ends)
      .text();
}

/// Encodes everything and prints how much that was, and how fast it went by the processor's clock.
void summarize(const data::WordPiece& tokenizer, const Lines& lines, bool json) {
  int64_t tokens = 0, unknown = 0;
  const std::clock_t start = std::clock();
  lines.for_each([&](std::string_view line) {
    const std::vector<int32_t> ids = tokenizer.encode(line).ids;
    tokens += static_cast<int64_t>(ids.size());
    unknown += std::ranges::count(ids, tokenizer.vocabulary().unk);
  });
  const double seconds = std::max(1e-9, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC),
               bytes = static_cast<double>(lines.bytes());
  if (json)
    JsonLine()
        .put("bytes", lines.bytes())
        .put("tokens", tokens)
        .put("unknown", unknown)
        .put("seconds", seconds)
        .put("bytes_per_second", bytes / seconds)
        .print();
  else
    print_out("{} bytes, {} tokens ({:.2f} bytes a token), {} of them unknown; {:.1f} MB/s on one core\n",
              lines.bytes(), tokens, bytes / static_cast<double>(std::max<int64_t>(tokens, 1)), unknown,
              bytes / seconds / 1e6);
}

int32_t token_of(const data::WordPiece& tokenizer, std::string_view word, bool pieces) {
  if (pieces) {
    const std::optional<int32_t> found = tokenizer.find(word);
    require(found.has_value(), "tokenizer decode", "'", word, "' is not in the vocabulary");
    return *found;
  }
  int32_t id = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
  require(error == std::errc() && end == word.data() + word.size(), "tokenizer decode",
          "ids must be whole numbers, got '", word, "'; --pieces reads pieces");
  return id;
}

std::vector<int32_t> tokens_of(const data::WordPiece& tokenizer, std::string_view line, bool pieces) {
  constexpr std::string_view kBlank = " \t\r";
  std::vector<int32_t> ids;
  for (size_t at = line.find_first_not_of(kBlank); at != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kBlank, at), line.size());
    ids.push_back(token_of(tokenizer, line.substr(at, end - at), pieces));
    at = line.find_first_not_of(kBlank, end);
  }
  return ids;
}

}  // namespace

int run_tokenizer_train(const TokenizerTrainOptions& options) {
  const double start = seconds_now();
  const std::vector<std::string> texts = texts_of(options.sources);
  const auto casing = options.cased ? data::Casing::kCased : data::Casing::kUncased;
  const std::vector<std::string> pieces = data::train_vocabulary(texts, {.size = options.vocab_size, .casing = casing});
  data::write_vocabulary(options.out, pieces);
  const double seconds = seconds_now() - start;
  if (options.global.json)
    JsonLine()
        .put("out", options.out)
        .put("pieces", pieces.size())
        .put("texts", texts.size())
        .put("seconds", seconds)
        .print();
  else
    print_out("{}: {} pieces from {} texts in {:.1f} s\n", options.out, pieces.size(), texts.size(), seconds);
  return 0;
}

int run_tokenizer_encode(const TokenizerTextOptions& options) {
  const data::WordPiece tokenizer = data::read_wordpiece(options.vocab);
  const Lines lines(options.file);
  if (options.summary) {
    summarize(tokenizer, lines, options.global.json);
    return 0;
  }
  Output output;
  lines.for_each([&](std::string_view line) {
    const data::Tokens tokens = tokenizer.encode(line);
    output.line(options.global.json ? as_json(tokenizer, line, tokens) : joined(tokenizer, tokens.ids, options.pieces));
  });
  output.flush();
  return 0;
}

int run_tokenizer_decode(const TokenizerTextOptions& options) {
  const data::WordPiece tokenizer = data::read_wordpiece(options.vocab);
  Output output;
  Lines(options.file).for_each([&](std::string_view line) {
    const std::string text = tokenizer.decode(tokens_of(tokenizer, line, options.pieces));
    output.line(options.global.json ? JsonLine().put("text", text).text() : text);
  });
  output.flush();
  return 0;
}

}  // namespace matmix::experiments
