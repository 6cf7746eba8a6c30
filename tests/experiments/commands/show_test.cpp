// The commands that look at one matrix: show and analyze, through the program.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "mixers/registry.h"
#include "tensor/create.h"
#include "tensor/file.h"
#include "tensor/npy.h"
#include "tensor/transfer.h"
#include "tests/support/program.h"
#include "tests/support/random.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// c_i b_j 0.9^(i-j) on and below the diagonal: semiseparable of order 1.
Tensor decaying(int64_t L) {
  std::vector<double> values;
  for (int64_t i = 0; i < L; ++i)
    for (int64_t j = 0; j < L; ++j)
      values.push_back(i >= j ? (1.0 + i % 3) * (2.0 - j % 2) * std::pow(0.9, static_cast<double>(i - j)) : 0);
  return from_vector(values, {L, L});
}

}  // namespace

TEST_CASE("analyze finds the order of a matrix of known structure") {
  const TempDir dir;
  const std::string file = (dir / "m.npy").string();
  write_npy(file, decaying(16));
  const Outcome table = run_program("analyze " + file);
  CHECK(table.status == 0);
  CHECK(contains(table.output, "order below the diagonal  1     shares kept from "));
  CHECK(contains(table.output, "order above the diagonal  0\n"));
  CHECK(contains(table.output, "  with the diagonal       1 below, 1 above\n"));
  CHECK(contains(table.output, "1 states a direction give it back to "));
  CHECK(contains(table.output, "rank                      16 of 16\n"));

  const Outcome json = run_program("analyze --json " + file);
  CHECK(json.output.starts_with("{\"file\":\"" + file +
                                "\",\"dtype\":\"F64\",\"tolerance\":1e-11,\"scale\":\"entries\""));
  CHECK(contains(json.output, "\"length\":16,"));
  CHECK(contains(json.output, "\"order_below\":1,"));
  CHECK(contains(json.output, "\"order_above\":0,"));
  CHECK(contains(json.output, "\"singular_values\":["));

  write_npy(dir / "f32.npy", cast(decaying(16), DType::F32));
  const Outcome f32 = run_program("analyze --json " + (dir / "f32.npy").string());
  CHECK(contains(f32.output, "\"tolerance\":0.0001,"));
  CHECK(contains(f32.output, "\"order_below\":1,"));
}

TEST_CASE("analyze: Toeplitz is told by its displacement, noise by the scale") {
  const TempDir dir;
  const Tensor taps = random_tensor({19}, 3), M = empty({10, 10}, DType::F64);
  for (int64_t i = 0; i < 10; ++i)
    for (int64_t j = 0; j < 10; ++j) copy(M.select(0, i).narrow(0, j, 1), taps.narrow(0, i - j + 9, 1));
  write_npy(dir / "toeplitz.npy", M);
  CHECK(contains(run_program("analyze " + (dir / "toeplitz.npy").string()).output, "2 Toeplitz, 10 Hankel"));

  const Tensor noisy = decaying(16);
  fill(noisy.narrow(0, 2, 1).narrow(1, 9, 1), 1e-15);
  const std::string file = (dir / "noisy.npy").string();
  write_npy(file, noisy);
  CHECK(contains(run_program("analyze --json " + file).output, "\"order_above\":1,"));
  CHECK(contains(run_program("analyze --scale matrix --json " + file).output, "\"order_above\":0,"));
  CHECK(contains(run_program("analyze --tolerance 0.9 --json " + file).output, "\"tolerance\":0.9,"));
}

TEST_CASE("analyze draws the matrix and its rank map") {
  const TempDir dir;
  const std::string file = (dir / "m.npy").string(), out = (dir / "out").string();
  write_npy(file, from_vector<double>({1, 1, 1, 1, 2, 3, 1, 4, 9}, {3, 3}));
  const Outcome drawn = run_program("analyze --print " + file + " --out " + out);
  CHECK(drawn.status == 0);
  CHECK(contains(drawn.output, "\nmatrix  ranks\n***     111\n**#     121\n*##     111\n"));
  CHECK(contains(drawn.output, "pictures in " + out));
  for (const char* name : {"matrix.png", "ranks.png"}) CHECK(std::filesystem::exists(dir / "out" / name));
  check_refused("analyze " + file + " --out " + out, out + ": holds files already; pass another --out");
}

TEST_CASE("analyze refuses what is no square matrix of numbers") {
  const TempDir dir;
  const std::string file = (dir / "m.npy").string();
  write_npy(file, zeros({3, 4}, DType::F64));
  check_refused("analyze " + file, file + ": must hold a square matrix, got F64 [3, 4] on CPU");
  write_npy(file, zeros({0, 0}, DType::F64));
  check_refused("analyze " + file, file + ": must hold a square matrix, got F64 [0, 0] on CPU");
  write_npy(file, from_vector<double>({1, 2, NAN, 3}, {2, 2}));
  check_refused("analyze " + file, file + ": must be finite everywhere, got nan at [1, 0]");
  write_npy(file, zeros({1025, 1025}, DType::U8));
  check_refused("analyze " + file, file + ": must hold a matrix of at most 1024 rows, got U8 [1025, 1025] on CPU");
  check_refused("analyze /nowhere.npy", "file: cannot read '/nowhere.npy': No such file or directory");
  check_refused("analyze", "file is required; see matmix --help");
}

TEST_CASE("show draws every mixer: entries, ranks, and how far the fast form is from the explicit one") {
  for (const mixers::MixerRow& row : mixers::registry()) {
    CAPTURE(row.name);
    const Outcome drawn = run_program("show --length 8 --state 2 --mixer " + row.name);
    CHECK(drawn.status == 0);
    CHECK(drawn.output.starts_with(row.name + " (" + row.stands_for +
                                   "), L = 8, N = 2, seed 0; fast form in f64 on CPU\n"));
    CHECK(contains(drawn.output, "|fast - explicit|"));
    CHECK_FALSE(contains(drawn.output, "\x1b"));
  }
}

TEST_CASE("show writes pictures and matrices that analyze reads; the same for the same seed") {
  const TempDir dir;
  const std::string out = (dir / "hydra").string(),
                    show = "show --mixer quasiseparable --length 12 --state 2 --heads 2 ";
  const Outcome written = run_program(show + "--json --out " + out);
  CHECK(written.status == 0);
  CHECK(written.output.starts_with("{\"mixer\":\"quasiseparable\",\"head\":0,\"state\":2,\"error\":"));
  CHECK(contains(written.output, "\n{\"mixer\":\"quasiseparable\",\"head\":1,"));
  for (const char* name : {"matrix.png", "ranks.png", "difference.png", "matrix_0.npy", "matrix_1.npy"})
    CHECK(std::filesystem::exists(dir / "hydra" / name));
  CHECK(read_file(dir / "hydra" / "matrix.png").starts_with("\x89PNG"));
  const Outcome analyzed = run_program("analyze --json " + out + "/matrix_1.npy");
  CHECK(contains(analyzed.output, "\"order_below\":2,"));
  CHECK(contains(analyzed.output, "\"order_above\":2,"));
  CHECK(run_program(show + "--json").output == written.output);
  CHECK(run_program(show + "--json --seed 1").output != written.output);
  CHECK(run_program(show + "--json --dtype bf16").output != written.output);
  check_refused(show + "--out " + out, out + ": holds files already; pass another --out");
  CHECK(run_program("show --mixer identity --length 0").status == 2);
}

TEST_CASE("show --values: what M is made of, and M, in numbers") {
  const Outcome dft = run_program("show --mixer dft --length 4 --values");
  CHECK(dft.output ==
        "dft (FNet), L = 4, N = 8, seed 0; fast form in f64 on CPU\n\nM of head 0 [4, 4]\n"
        "[[ 0.5,  0.5,  0.5,  0.5],\n [ 0.5,  0.0, -0.5,  0.0],\n [ 0.5, -0.5,  0.5, -0.5],\n"
        " [ 0.5,  0.0, -0.5,  0.0]]\n");
  const Outcome cauchy = run_program("show --mixer cauchy --length 3 --state 2 --heads 2 --values");
  for (const char* part : {"\nq [3, 2, 2]\n", "\nk [3, 2, 2]\n", "\nbias []\n0.5\n", "\nM of head 1 [3, 3]\n"})
    CHECK(contains(cauchy.output, part));
  CHECK_FALSE(contains(cauchy.output, "ranks"));
  CHECK(contains(run_program("show --mixer dense --length 2 --values --json").output, ",\"M\":["));
  CHECK(run_program("show --all --values").status == 2);
}

TEST_CASE("show --run: where the matrices cannot go is said before anything is read") {
  const TempDir dir;
  const std::string show = "show --run /nowhere --text cat --out ";
  check_refused(show + "page.pdf", "show: --out must be a folder or a file .html, .png, .svg or .npz, got 'page.pdf'");
  check_refused(show + "/nowhere/page.html", "file: cannot write '/nowhere/page.html': No such file or directory");
  dir.write("x", "x");
  check_refused(show + dir.path().string(), dir.path().string() + ": holds files already; pass another --out");
  check_refused(show + (dir / "new").string(), "file: cannot read '/nowhere/config.json': No such file or directory");
}

TEST_CASE("show --all: every mixer on one page") {
  const TempDir dir;
  const Outcome drawn = run_program("show --all --length 8 --state 2");
  CHECK(drawn.status == 0);
  CHECK(drawn.output.starts_with("M of every mixer, L = 8, N = 2, seed 0\n"));
  for (const mixers::MixerRow& row : mixers::registry()) CHECK(contains(drawn.output, row.name));
  const std::string out = (dir / "all").string();
  CHECK(contains(run_program("show --all --length 8 --state 2 --out " + out).output,
                 "classes.png, row by row:\n  identity, dense, attention, low_rank, linformer;\n  toeplitz"));
  CHECK(read_file(dir / "all" / "classes.png").starts_with("\x89PNG"));
  CHECK(contains(run_program("show --all --length 8 --state 2 --json").output, "\n{\"mixer\":\"concat\",\"head\":1,"));
}

TEST_CASE("show --figure 2: blocks of bounded rank, with and without the diagonal") {
  const TempDir dir;
  const std::string out = (dir / "two").string();
  const Outcome drawn = run_program("show --figure 2 --length 16 --state 3 --print --out " + out);
  CHECK(drawn.status == 0);
  CHECK(contains(drawn.output, "  semiseparable: ranks below, above 3, 0; of blocks with the diagonal 3, 1\n"));
  CHECK(contains(drawn.output, "  quasiseparable: ranks below, above 3, 3; of blocks with the diagonal 4, 4\n"));
  CHECK(std::filesystem::exists(dir / "two" / "figure_2.png"));
  check_refused("show --figure 1", "--figure: 1 not in {2}; see matmix --help");
  CHECK(run_program("show --all --mixer dense").status == 2);
}
