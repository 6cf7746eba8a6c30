#pragma once

namespace matmix::experiments {

// What the browser is told of the elements that to_html(MatrixGrid) writes. Both speak of elements of class matmix
// alone, and of what is in them.

/// The text of a <style>.
extern const char* const kMatrixStyle;
/// A function of one argument: sets up the element that holds a grid.
extern const char* const kMatrixScript;

}  // namespace matmix::experiments
