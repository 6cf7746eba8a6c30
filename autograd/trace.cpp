#include "autograd/trace.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "autograd/node.h"

namespace matmix {
namespace {

/// All nodes behind root, oldest first.
std::vector<const Node*> nodes_behind(const Var& root) {
  std::vector<const Node*> found;
  std::unordered_set<const Node*> seen;
  const auto visit = [&](const Node* node) {
    if (node && seen.insert(node).second) found.push_back(node);
  };
  visit(root.node().get());
  for (size_t next = 0; next < found.size(); ++next)
    for (const Edge& e : found[next]->inputs()) visit(e.node.get());
  std::ranges::sort(found, {}, &Node::id);
  return found;
}

std::string op_and_shapes(const Node& node, const char* separator) {
  std::string s = node.op();
  for (int slot = 0; slot < node.outputs(); ++slot) s += text(separator, node.output_shape(slot));
  return s;
}

class Numbers {
 public:
  explicit Numbers(const std::vector<const Node*>& nodes) {
    for (const Node* node : nodes) number_.emplace(node, number_.size() + 1);
  }
  size_t operator[](const Node* node) const { return number_.at(node); }

  std::string input(const Edge& e) const {
    if (e.leaf) return "'" + e.leaf->name + "'";
    if (!e.node) return "constant";
    return text("%", (*this)[e.node.get()], e.node->outputs() > 1 ? text(".", e.slot) : "");
  }

 private:
  std::unordered_map<const Node*, size_t> number_;
};

std::string remarks(const Node& node) {
  std::string s;
  if (!node.path().empty()) s += "in " + node.path();
  if (node.saved_bytes() > 0) s += text(s.empty() ? "" : ", ", "saves ", node.saved_bytes(), " B");
  return s.empty() ? s : "  (" + s + ")";
}

std::string quoted(const std::string& label) {
  std::string s = "\"";
  for (const char c : label) {
    if (c == '"') s += '\\';
    s += c;
  }
  return s + "\"";
}

}  // namespace

std::string graph_text(const Var& root) {
  const auto nodes = nodes_behind(root);
  const Numbers number(nodes);
  std::string s;
  for (const Node* node : nodes) {
    s += text("%", number[node], " ", op_and_shapes(*node, " "), " <- ");
    for (const char* comma = ""; const Edge& e : node->inputs()) s += std::exchange(comma, ", ") + number.input(e);
    s += remarks(*node) + "\n";
  }
  return s;
}

std::string graph_dot(const Var& root) {
  const auto nodes = nodes_behind(root);
  const Numbers number(nodes);
  std::unordered_map<const Leaf*, size_t> leaves;
  std::string s = "digraph {\n";
  for (const Node* node : nodes) {
    s += text("  n", number[node], " [label=", quoted(op_and_shapes(*node, "\\n")), "];\n");
    for (const Edge& e : node->inputs()) {
      if (e.leaf && leaves.emplace(e.leaf.get(), leaves.size() + 1).second)
        s += text("  w", leaves.size(), " [shape=box, label=", quoted(e.leaf->name + "\\n" + to_string(e.shape)),
                  "];\n");
      if (e.leaf) s += text("  w", leaves.at(e.leaf.get()), " -> n", number[node], ";\n");
      if (e.node) s += text("  n", number[e.node.get()], " -> n", number[node], ";\n");
    }
  }
  return s + "}\n";
}

}  // namespace matmix
