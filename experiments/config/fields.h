#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace matmix::experiments {

/// What a whole number may be, ends included.
struct Whole {
  int64_t least, most;
};

/// What a number may be: from least to most, an open end left out.
struct Real {
  double least, most;
  bool open_below = false, open_above = false;

  bool holds(double x) const { return (open_below ? x > least : x >= least) && (open_above ? x < most : x <= most); }
};
/// "[0, 1)".
std::string to_string(const Whole& within);
std::string to_string(const Real& within);

/// What a text may be.
struct Text {
  std::vector<std::string> choices = {};       ///< one of these, if there are any
  bool (*fits)(const std::string&) = nullptr;  ///< or else whatever passes this
  const char* must_be = "";                    ///< what passes, in words: "must be ..."
  bool is_path = false;                        ///< where a file is: no result depends on it
  const char* unless = "";                     ///< the one text that is no path
};

/// A walk over the keys of a config. A section lists each of them once, in fields(): its name, its place in the struct
/// (which holds the default), what it may be, and a note for readers. Reading, writing, comparing and the table in
/// docs/formats.md are such walks.
class Fields {
 public:
  virtual ~Fields() = default;

  virtual void operator()(const char* key, bool& x, const char* note = "") = 0;
  virtual void operator()(const char* key, int64_t& x, const Whole& within, const char* note = "") = 0;
  virtual void operator()(const char* key, double& x, const Real& within, const char* note = "") = 0;
  virtual void operator()(const char* key, std::string& x, const Text& kind, const char* note = "") = 0;
  /// A section of its own.
  template <class Section>
  requires requires(Section& s, Fields& f) { s.fields(f); }
  void operator()(const char* key, Section& section) {
    if (!open(key)) return;
    section.fields(*this);
    close();
  }

 private:
  /// Whether the section is to be walked.
  virtual bool open(const char* key) = 0;
  virtual void close() = 0;
};

}  // namespace matmix::experiments
