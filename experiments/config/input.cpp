#include "experiments/config/input.h"

#include <map>
#include <mutex>

#include "tensor/file.h"

namespace matmix::experiments {

std::string read_input(const std::filesystem::path& path) {
  if (!reads_once(path)) return read_file(path);
  static std::mutex one_at_a_time;
  static std::map<std::filesystem::path, std::string> kept;
  const std::lock_guard lock(one_at_a_time);
  const auto found = kept.find(path);
  return found != kept.end() ? found->second : kept.emplace(path, read_file(path)).first->second;
}

}  // namespace matmix::experiments
