#!/bin/sh
# made.sh NEW_MIXER FOLDER HEADER: what tools/new_mixer.sh writes, below FOLDER, and a HEADER that includes it.
set -eu
rm -f "$2"/mixers/two_words.* "$2"/tests/mixers/two_words_test.cpp
"$1" two_words "$2" > /dev/null
printf '#include <mixers/two_words.cpp>\n#include <tests/mixers/two_words_test.cpp>\n' > "$3"
