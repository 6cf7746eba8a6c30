#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <string>

#include <sys/wait.h>

namespace matmix::testing {

struct Outcome {
  int status;
  std::string output;
};

/// Runs a command line of the shell; its stdout.
inline Outcome run_shell(const std::string& command) {
  Outcome outcome{-1, ""};
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) outcome.output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  return outcome;
}

/// Runs the program matmix with these words; its stdout and stderr.
inline Outcome run_program(const std::string& arguments) {
  return run_shell(std::string(MATMIX_PROGRAM) + " " + arguments + " 2>&1");
}

/// The status is 2 and the output one line: "matmix: <sentence>". A sentence that ends in "..." may go on.
inline void check_refused(const std::string& arguments, const std::string& sentence) {
  CAPTURE(arguments);
  const Outcome outcome = run_program(arguments);
  const std::string start = "matmix: " + sentence.substr(0, sentence.size() - (sentence.ends_with("...") ? 3 : 0));
  CHECK(outcome.status == 2);
  CHECK(outcome.output.starts_with(start));
  CHECK(outcome.output.find('\n') == (sentence.ends_with("...") ? outcome.output.size() - 1 : start.size()));
}

}  // namespace matmix::testing
