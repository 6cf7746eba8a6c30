#include "experiments/report/assets/assets.h"

namespace matmix::experiments {

// Angle brackets: files that the build writes, each one string literal.

const char* const kPageStyle =
#include <page.css.inc>
    ;
const char* const kPlotStyle =
#include <plot.css.inc>
    ;
const char* const kMatrixStyle =
#include <matrix.css.inc>
    ;
const char* const kMatrixScript =
#include <matrix.js.inc>
    ;

}  // namespace matmix::experiments
