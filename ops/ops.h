#pragma once

// Every op, for programs that use many.
#include "ops/adamw/adamw.h"
#include "ops/clip/clip.h"
#include "ops/conv1d/conv1d.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/dropout/dropout.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/layout/layout.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/norm/norm.h"
#include "ops/quasiseparable/quasiseparable.h"
#include "ops/reduce/reduce.h"
#include "ops/scan/scan.h"
#include "ops/softmax/softmax.h"
