// The program matmix: reads the command line, runs one command of commands/.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <csignal>
#include <limits>
#include <new>

#include "experiments/commands/commands.h"
#include "experiments/output/print.h"
#include "experiments/output/provenance.h"
#include "tensor/nearest.h"
#include "tensor/parallel.h"

namespace matmix::experiments {
namespace {

constexpr int kBadInput = 2;

/// A whole number, ends included.
CLI::Range whole(int64_t least, int64_t most = std::numeric_limits<int64_t>::max()) { return CLI::Range(least, most); }

/// A number above 0 and below 1.
CLI::Validator share() {
  return CLI::Validator(
      [](const std::string& given) {
        double x = 0;
        const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), x);
        const bool ok = error == std::errc() && end == given.data() + given.size() && x > 0 && x < 1;
        return ok ? std::string() : text("Value ", given, " not in range (0, 1)");
      },
      "FLOAT in (0, 1)");
}

/// Of a word that stands where a command of `app` should; words: those that mean nothing.
void refuse_unknown_command(const CLI::App& app, const std::vector<std::string>& words) {
  const auto word = std::ranges::find_if(words, [](const std::string& w) { return !w.starts_with('-'); });
  if (word == words.end()) return;
  std::vector<std::string> known;
  std::string list;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    known.push_back(command->get_name());
    list += (list.empty() ? "" : ", ") + known.back();
  }
  fail(text("'", *word, "'"), "is no command of ", app.get_name(), "; the nearest are ", nearest_names(*word, known),
       ", of ", list, "; see matmix --help");
}

/// The words of one command line and what they make of it.
class Program {
 public:
  Program() : app_("Sequence models that are y = M x for a structured matrix M: train, verify, measure.", "matmix") {
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.set_version_flag("--version", version_text() + "\nbuilt with " MATMIX_BUILD_OPTIONS);
    app_.footer("Exit status: 0 done, 1 a check failed, 2 bad usage, config or input.");
    add_global();
    add_train();
    add_evaluate();
    add_predict();
    add_compare();
    add_debug();
    add_verify();
    add_replay();
    add_gradcheck();
    add_bench();
    add_show();
    add_analyze();
    add_tokenizer();
    add_list();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app_.exit(error);
      for (CLI::App* app : {&app_, app_.get_subcommand("tokenizer")})
        if (app->parsed() && app->get_subcommands().empty()) refuse_unknown_command(*app, app_.remaining(true));
      throw Error(text(error.what(), "; see matmix --help"));
    }
    warn_of_crowded_threads();
    return run_();
  }

 private:
  static void warn_of_crowded_threads() {
    constexpr int kCrowded = 4;
    if (thread_count() > kCrowded * processor_count())
      print_aside("matmix: {} threads on {} processors take turns; as many as processors are faster\n", thread_count(),
                  processor_count());
  }

  void add_global() {
    app_.add_option_function<std::string>(
        "--device",
        [this](const std::string& name) {
          parse_device(name);
          global_.device = name;
        },
        "cpu, cuda or cuda:N");
    app_.add_option_function<std::string>(
        "--dtype",
        [this](const std::string& name) {
          parse_math_mode(name);
          global_.dtype = name;
        },
        "f64, f32, tf32 or bf16");
    app_.add_option("--seed", global_.seed, "of every random number")->check(whole(0));
    app_.add_option_function<int>("--threads", set_thread_count, "of the CPU (never changes a result)")
        ->check(CLI::Range(1, kMostThreads));
    app_.add_flag("--json", global_.json, "one JSON object a line");
  }

  /// A subcommand that calls `function` with `options`, which the caller's option definitions fill.
  template <class Options>
  CLI::App& add(const char* name, const char* what, int (*function)(const Options&),
                const std::shared_ptr<Options>& options) {
    return add_to(app_, name, what, function, options);
  }

  template <class Options>
  CLI::App& add_to(CLI::App& parent, const char* name, const char* what, int (*function)(const Options&),
                   const std::shared_ptr<Options>& options) {
    CLI::App* command = parent.add_subcommand(name, what);
    command->final_callback([this, function, options] {
      run_ = [this, function, options] {
        options->global = global_;
        return function(*options);
      };
    });
    return *command;
  }

  void add_train() {
    const auto o = std::make_shared<TrainOptions>();
    CLI::App& c = add("train", "Train the model of a config", run_train, o);
    c.add_option("config", o->config, "JSON config")->required();
    c.add_option("--set", o->set, "path=value over the config, repeatable")->allow_extra_args(false);
    c.add_option("--out", o->out, "folder of the run");
    c.add_flag("--resume", o->resume, "go on from the last checkpoint in the folder");
  }

  void add_evaluate() {
    const auto o = std::make_shared<EvaluateOptions>();
    CLI::App& c = add("evaluate", "Held-out figures of a run's last checkpoint", run_evaluate, o);
    c.add_option("run", o->run, "folder of the run")->required();
  }

  void add_predict() {
    const auto o = std::make_shared<PredictOptions>();
    CLI::App& c = add("predict", "The likeliest pieces for each [MASK] of a text", run_predict, o);
    c.add_option("run", o->run, "folder of the run")->required();
    c.add_option("--text", o->texts, "\"a [MASK] sentence\", repeatable")->allow_extra_args(false)->required();
    c.add_option("--top", o->top, "how many of them")->check(CLI::Range(1, 1000))->capture_default_str();
  }

  void add_compare() {
    const auto o = std::make_shared<CompareOptions>();
    CLI::App& c = add("compare", "Runs beside each other: losses, speed, sizes", run_compare, o);
    c.add_option("run", o->runs, "folders of runs")->required();
    c.add_flag("--anyway", o->anyway, "though they learned from other data or another number of tokens");
    c.add_option("--html", o->html, "also write curves and tables as one page to this file");
    c.add_option("--text", o->texts, "the page shows each run's guesses and matrices, repeatable")
        ->allow_extra_args(false);
    c.add_flag("--verify", o->verify, "the page shows the laws of the runs' mixers, measured now");
  }

  void add_debug() {
    const auto o = std::make_shared<DebugOptions>();
    CLI::App& c = add("debug", "One step of a run again, every value watched, float64 beside", run_debug, o);
    c.add_option("run", o->run, "folder of the run")->required();
    c.add_option("--step", o->step, "which, from 1 (that of crash/)")->check(whole(1));
  }

  void add_verify() {
    const auto o = std::make_shared<VerifyOptions>();
    CLI::App& c = add("verify", "Every law of every mixer: explicit against fast, padding, ranks, ...", run_verify, o);
    c.add_option("--mixer", o->mixers, "only this one, repeatable")->allow_extra_args(false);
    c.add_flag("--exhaustive", o->exhaustive, "all lengths, all layouts (minutes)");
    c.add_option("--html", o->html, "also write the results as one page to this file");
  }

  void add_replay() {
    const auto o = std::make_shared<ReplayOptions>();
    CLI::App& c = add("replay", "Figures of the reference implementation against ours", run_replay, o);
    c.add_option("file", o->files, "safetensors files")->required();
  }

  void add_gradcheck() {
    const auto o = std::make_shared<GradcheckCommandOptions>();
    CLI::App& c = add("gradcheck", "Gradients of every op against differences", run_gradcheck, o);
    c.add_option("--op", o->ops, "only this one, repeatable")->allow_extra_args(false);
  }

  void add_bench() {
    const auto o = std::make_shared<BenchOptions>();
    CLI::App& c = add("bench", "Times and shares of the machine's limits", run_bench, o);
    c.add_option("what", o->what, "ops, mixers, block or train")
        ->required()
        ->check(CLI::IsMember({"ops", "mixers", "block", "train"}));
    c.add_option("--lengths", o->lengths, "sequence lengths, 128,512,...")->delimiter(',')->check(whole(1, 1 << 20));
    c.add_option("--mixer", o->mixers, "only this one, repeatable")->allow_extra_args(false);
    c.add_option("--config", o->config, "of train");
    c.add_option("--repeats", o->repeats, "samples a figure is the median of")->check(whole(1, 1'000'000));
    c.add_option("--html", o->html, "of mixers: also plot time and memory on one page, this file");
  }

  void add_show() {
    const auto o = std::make_shared<ShowOptions>();
    CLI::App& c =
        add("show", "Pictures of a mixer's matrix, or of a run's: entries, ranks, explicit against fast", run_show, o);
    CLI::Option* mixer = c.add_option("--mixer", o->mixer, "its name");
    CLI::Option* run = c.add_option("--run", o->run, "folder of a trained model: its layers and heads at --text");
    run->excludes(mixer);
    CLI::Option* all = c.add_flag("--all", o->all, "every mixer on one page, as in figure 1 of the paper");
    all->excludes(mixer)->excludes(run);
    c.add_option("--figure", o->figure, "2: blocks of semiseparable and quasiseparable matrices, as in the paper's")
        ->check(CLI::IsMember({2}))
        ->excludes(mixer)
        ->excludes(run)
        ->excludes(all);
    c.add_option("--text", o->text, "the sentence of --run")->needs(run);
    c.add_option("--html", o->html, "of --run: one page that shows entries and tokens under the pointer")->needs(run);
    c.add_option("--length", o->length, "L, tokens")->check(CLI::Range(1, 512))->capture_default_str();
    c.add_option("--state", o->state, "N, and the width of q and k")->check(CLI::Range(1, 512))->capture_default_str();
    c.add_option("--heads", o->heads, "H")->check(CLI::Range(1, 64))->capture_default_str();
    c.add_flag("--print", o->print, "draw in the terminal (done anyway without --out)");
    c.add_flag("--values", o->values, "of --mixer: its streams, parameters and M in numbers, not drawn")->needs(mixer);
    c.add_option("--out", o->out, "new folder for pictures and .npy; of --run also a file .html, .png, .svg, .npz");
  }

  void add_analyze() {
    const auto o = std::make_shared<AnalyzeOptions>();
    CLI::App& c = add("analyze", "Structure of a square matrix: ranks of its blocks, displacement", run_analyze, o);
    c.add_option("file", o->file, ".npy, [L, L]")->required();
    c.add_option("--tolerance", o->tolerance, "share of a singular value that counts (1e-11; 1e-4 for F32)")
        ->check(share());
    c.add_option("--scale", o->scale, "what is negligible: beside neighbouring 'entries' or in the whole 'matrix'")
        ->check(CLI::IsMember({"entries", "matrix"}))
        ->capture_default_str();
    c.add_flag("--print", o->print, "draw the matrix and its rank map in the terminal");
    c.add_option("--out", o->out, "new folder for matrix.png and ranks.png");
  }

  void add_tokenizer() {
    CLI::App& group = *app_.add_subcommand("tokenizer", "WordPiece: train a vocabulary, encode and decode text");
    group.require_subcommand(1);
    const auto t = std::make_shared<TokenizerTrainOptions>();
    CLI::App& c = add_to(group, "train", "Make a vocabulary", run_tokenizer_train, t);
    c.add_option("source", t->sources, "glosses, or plain text files")->required();
    c.add_option("--vocab-size", t->vocab_size, "pieces")->check(whole(1))->capture_default_str();
    c.add_option("--out", t->out, "file to write, vocab.txt")->required();
    c.add_flag("--cased", t->cased, "keep capitals and accents");
    const auto e = std::make_shared<TokenizerTextOptions>(), d = std::make_shared<TokenizerTextOptions>();
    add_tokenizer_text(add_to(group, "encode", "Text to ids, line for line", run_tokenizer_encode, e), *e)
        .add_flag("--summary", e->summary, "only how much, and how fast");
    add_tokenizer_text(add_to(group, "decode", "Ids to text, line for line", run_tokenizer_decode, d), *d);
  }

  static CLI::App& add_tokenizer_text(CLI::App& c, TokenizerTextOptions& options) {
    c.add_option("--vocab", options.vocab, "vocab.txt")->required();
    c.add_option("file", options.file, "stdin if there is none, or -");
    c.add_flag("--pieces", options.pieces, "pieces instead of ids");
    return c;
  }

  void add_list() {
    add("list", "Mixers and their facts, ops, models, data sets, devices", run_list, std::make_shared<ListOptions>());
  }

  CLI::App app_;
  Global global_;
  std::function<int()> run_;
};

/// What this processor lacks of what the program was built for; "" if nothing.
std::string missing_processor_features() {
#ifdef MATMIX_NEEDS_X86_64_V3
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("x86-64-v3"))
    return "this program was built for processors of level x86-64-v3 (AVX2 and FMA), which this one is not; build with "
           "-Dcpu=baseline";
#endif
  return "";
}

/// Names and bytes of files stand in messages: no control character of theirs reaches a terminal or breaks the line.
int refuse(std::string message) {
  std::ranges::replace_if(
      message, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  print_aside("matmix: {}\n", message);
  return kBadInput;
}

/// The status of a program whose output may not have reached anybody.
int checked(int status) {
  if (!stdout_failed()) return status;
  const int refused = refuse("stdout: cannot be written");
  return status == 0 ? refused : status;
}

int guarded_main(int argc, char** argv) {
  try {
    return checked(Program().run(argc, argv));
  } catch (const std::bad_alloc&) {
    return refuse("there is not enough memory");
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}

}  // namespace
}  // namespace matmix::experiments

int main(int argc, char** argv) {
  matmix::experiments::hold_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of write() like any other
  const std::string missing = matmix::experiments::missing_processor_features();
  if (missing.empty()) return matmix::experiments::guarded_main(argc, argv);
  return matmix::experiments::refuse(missing);
}
