#pragma once

#include <filesystem>
#include <string>

namespace matmix::experiments {

/// The bytes of a file that a config names: its text, its vocabulary. They are asked for several times (the data, its
/// digest, the run's copy), and a pipe gives them once, so what one gave is kept.
std::string read_input(const std::filesystem::path& path);

}  // namespace matmix::experiments
