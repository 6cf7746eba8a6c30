#include "autograd/trace.h"

#include <doctest/doctest.h>

#include "autograd/no_grad.h"
#include "tests/autograd/tiny_ops.h"

namespace matmix::testing {
namespace {

Var small_graph() {
  const Var x = leaf(tensor({1, 2}), "x");
  const PathScope path("net");
  const auto p = powers(x);
  return total(mul(p[1], tensor({3, 4})));
}

TEST_CASE("a graph as text") {
  CHECK(graph_text(small_graph()) ==
        "%1 powers [2] [2] <- 'x'  (in net, saves 16 B)\n"
        "%2 mul [2] <- %1.1, constant  (in net, saves 32 B)\n"
        "%3 total [] <- %2  (in net)\n");
  CHECK(graph_text(tensor({1})) == "");
}

TEST_CASE("a node used twice is printed once") {
  const Var x = leaf(tensor({1}), "x");
  const Var y = same(x);
  CHECK(graph_text(add(y, y)) == "%1 same [1] <- 'x'\n%2 add [1] <- %1, %1\n");
}

TEST_CASE("a graph for Graphviz") {
  CHECK(graph_dot(small_graph()) ==
        "digraph {\n"
        "  n1 [label=\"powers\\n[2]\\n[2]\"];\n"
        "  w1 [shape=box, label=\"x\\n[2]\"];\n"
        "  w1 -> n1;\n"
        "  n2 [label=\"mul\\n[2]\"];\n"
        "  n1 -> n2;\n"
        "  n3 [label=\"total\\n[]\"];\n"
        "  n2 -> n3;\n"
        "}\n");
  CHECK(graph_dot(same(leaf(tensor({1}), "a \"b\""))).find("label=\"a \\\"b\\\"\\n[1]\"") != std::string::npos);
}

TEST_CASE("saved bytes are counted by op until reset") {
  reset_saved_bytes();
  const Var x = leaf(tensor({1, 2}));
  mul(mul(x, x), x);
  same(x);
  {
    const NoGrad off;
    mul(x, x);
  }
  CHECK(saved_bytes().at("mul").calls == 2);
  CHECK(saved_bytes().at("mul").bytes == 64);
  CHECK(saved_bytes().at("same").bytes == 0);
  reset_saved_bytes();
  CHECK(saved_bytes().empty());
}

}  // namespace
}  // namespace matmix::testing
