#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/bench/bench.h"
#include "experiments/output/options.h"

namespace matmix::experiments {

struct TrainOptions {
  std::string config;
  std::vector<std::string> set;  ///< "model.mixer.state=32"
  std::string out;
  bool resume = false;
  Global global;
};

struct EvaluateOptions {
  std::string run;
  Global global;
};

struct PredictOptions {
  std::string run;
  std::vector<std::string> texts;
  int64_t top = 5;
  Global global;
};

struct CompareOptions {
  std::vector<std::string> runs;
  bool anyway = false;             ///< though data or tokens differ
  std::string html;                ///< file for a page; "": none
  std::vector<std::string> texts;  ///< that the page shows the models' guesses and matrices of
  bool verify = false;             ///< the page shows the laws of the runs' mixers, measured now
  Global global;
};

struct DebugOptions {
  std::string run;
  int64_t step = 0;  ///< from 1; 0: the one that crashed
  Global global;
};

struct VerifyOptions {
  std::vector<std::string> mixers;  ///< none: all
  bool exhaustive = false;
  std::string html;  ///< file for a page of the results; "": none
  Global global;
};

struct ReplayOptions {
  std::vector<std::string> files;
  Global global;
};

struct GradcheckCommandOptions {
  std::vector<std::string> ops;  ///< none: all
  Global global;
};

/// Of a mixer, or of a run at a text.
struct ShowOptions {
  std::string run, text, html;
  std::string mixer;
  bool all = false;  ///< every mixer on one page
  int figure = 0;    ///< 2: the blocks of semiseparable and quasiseparable matrices
  int64_t length = 32, state = 8, heads = 1;
  bool print = false;   ///< in the terminal too; done anyway if `out` is empty
  bool values = false;  ///< numbers instead of pictures
  std::string out;      ///< folder for the pictures
  Global global;
};

struct AnalyzeOptions {
  std::string file;               ///< .npy
  double tolerance = 0;           ///< 0: that of the file's dtype
  std::string scale = "entries";  ///< entries or matrix: what is negligible
  bool print = false;             ///< pictures in the terminal
  std::string out;                ///< folder for the pictures
  Global global;
};

struct TokenizerTrainOptions {
  std::vector<std::string> sources;  ///< "glosses" or plain text files
  std::string out;
  int64_t vocab_size = 4096;
  bool cased = false;
  Global global;
};

/// Of encode and decode.
struct TokenizerTextOptions {
  std::string vocab;
  std::string file;      ///< "": stdin
  bool pieces = false;   ///< not ids
  bool summary = false;  ///< of encode: how many bytes, tokens and unknown ones, how fast
  Global global;
};

struct ListOptions {
  Global global;
};

// Each command prints to stdout and returns the exit status: 0 done, 1 a check failed. Bad input is an Error (status
// 2).
int run_train(const TrainOptions& options);
int run_evaluate(const EvaluateOptions& options);
int run_predict(const PredictOptions& options);
int run_compare(const CompareOptions& options);
int run_debug(const DebugOptions& options);
int run_verify(const VerifyOptions& options);
int run_replay(const ReplayOptions& options);
int run_gradcheck(const GradcheckCommandOptions& options);
int run_bench(const BenchOptions& options);
int run_show(const ShowOptions& options);
int run_show_run(const ShowOptions& options);
int run_analyze(const AnalyzeOptions& options);
int run_tokenizer_train(const TokenizerTrainOptions& options);
int run_tokenizer_encode(const TokenizerTextOptions& options);
int run_tokenizer_decode(const TokenizerTextOptions& options);
int run_list(const ListOptions& options);

}  // namespace matmix::experiments
