#pragma once

namespace matmix::experiments {

// What pages hold besides their content: the files of this folder, as text. Style sheets are the text of a <style>.

extern const char* const kPageStyle;  ///< of every page
extern const char* const kPlotStyle;  ///< of the plots of `bench mixers`

// What the browser is told of the elements that to_html(MatrixGrid) writes. Both speak of elements of class matmix
// alone, and of what is in them.
extern const char* const kMatrixStyle;
extern const char* const kMatrixScript;  ///< a function of one argument: sets up the element that holds a grid

}  // namespace matmix::experiments
