// Read once for all tests.
#include <doctest/doctest.h>

#include "tensor/pch/standard.hpp"
