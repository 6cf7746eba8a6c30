"""The checkers find what is planted, and count what a test log holds."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
sys.dont_write_bytecode = True

import check_layers  # noqa: E402
import page_code  # noqa: E402


def breaches(room, name, text):
    path = pathlib.Path(room) / name
    return [*check_layers.include_breaches(room, path, text), *check_layers.code_breaches(room, path, text)]


class CheckLayers(unittest.TestCase):
    def test_includes_go_down_only(self):
        self.assertEqual(
            breaches("tensor", "a.cpp", '#pragma once\n#include "autograd/var.h"\n'),
            ["tensor/a.cpp:2: tensor must not include autograd/var.h; it sees tensor"])
        self.assertEqual(breaches("ops", "a.cpp", '#include "autograd/var.h"\n#include <vector>\n'), [])
        self.assertEqual(len(breaches("data", "a.cpp", '#include "autograd/var.h"')), 1)
        self.assertEqual(len(breaches("tests", "a.cpp", '#include "autograd/var.h"')), 0)

    def test_includes_are_named_from_the_root(self):
        self.assertEqual(breaches("tensor", "a.cpp", '#include "shape.h"'),
                         ['tensor/a.cpp:1: "shape.h" is no file named from the root'])

    def test_the_library_neither_prints_nor_ends(self):
        for code in ['std::printf("x");', "std::cout << 1;", "puts(s);", "std::fprintf(stderr, s);", "std::abort();",
                     "std::exit(1);"]:
            self.assertEqual(len(breaches("nn", "a.cpp", f"void f() {{ {code} }}")), 1, code)
            self.assertEqual(breaches("experiments", "a.cpp", code), [])
        for code in ['std::snprintf(b, 3, "x");', 'fail("printf(stdout)");', "// abort()", "/* puts(\n) */", "x.abort();"]:
            self.assertEqual(breaches("nn", "a.cpp", code), [], code)

    def test_kernels_are_launched_from_cuda_files_of_tensor_and_ops(self):
        self.assertEqual(breaches("ops", "norm/norm_cuda.cu", "k<<<1, 2>>>();"), [])
        self.assertEqual(len(breaches("ops", "norm/norm.cpp", "k<<<1, 2>>>();")), 1)
        self.assertEqual(len(breaches("mixers", "a_cuda.cu", "")), 1)


class PageCode(unittest.TestCase):
    def test_named_blocks_are_files(self):
        page = "text\n```cpp a/b.h\none\n```\n```cpp\nnot named\n```\n```cpp c.cpp\ntwo\n```\n```cpp a/b.h\nthree\n```\n"
        self.assertEqual(page_code.blocks(page), {"a/b.h": "one\nthree\n", "c.cpp": "two\n"})

    def test_a_mixer_takes_less_than_60_lines(self):
        page = (TOOLS.parent / "docs/adding_a_mixer.md").read_text()
        lines = "".join(page_code.blocks(page).values()).splitlines()
        self.assertTrue(20 < sum(bool(line.strip()) for line in lines) < 60)


class NewMixer(unittest.TestCase):
    def new_mixer(self, *arguments):
        return subprocess.run([TOOLS / "new_mixer.sh", *arguments], capture_output=True, text=True)

    def test_writes_three_formatted_files_once(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.new_mixer("two_words", folder)
            self.assertEqual(done.returncode, 0)
            self.assertIn('{"two_words", "what it stands for"', done.stdout)
            for name in ["mixers/two_words.h", "mixers/two_words.cpp", "tests/mixers/two_words_test.cpp"]:
                text = (pathlib.Path(folder) / name).read_text()
                self.assertNotIn("@", text)
                style = f"--style=file:{TOOLS.parent / '.clang-format'}"
                formatted = subprocess.run(["clang-format", style, f"--assume-filename={name}"], input=text,
                                           capture_output=True, text=True, check=True).stdout
                self.assertEqual(text, formatted)
            again = self.new_mixer("two_words", folder)
            self.assertEqual((again.returncode, again.stderr),
                             (2, "new_mixer.sh: mixers/two_words.h is there already\n"))

    def test_names_are_those_of_files(self):
        for name in ["", "TwoWords", "two-words", "../x", "2words", "two__words"]:
            self.assertEqual(self.new_mixer(name, "/nowhere").returncode, 2, name)


class Quickstart(unittest.TestCase):
    def test_missing_packages_are_named_in_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            query = pathlib.Path(folder) / "dpkg-query"
            query.write_text("#!/bin/sh\nprintf '%s installed\\n' g++ meson git ninja-build pkg-config wordnet-base\n")
            query.chmod(0o755)
            path = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
            done = subprocess.run([TOOLS / "quickstart.sh", "--no-install"], capture_output=True, text=True, env=path)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, "", "quickstart.sh: missing Debian packages: libeigen3-dev nlohmann-json3-dev libcli11-dev "
                                 "libfmt-dev libpng-dev libutf8proc-dev\n"))

    def test_other_options_are_refused(self):
        done = subprocess.run([TOOLS / "quickstart.sh", "--fast"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr),
                         (2, "quickstart.sh: the only option is --no-install, got '--fast'\n"))

    def test_its_configs_have_one_data_set_and_schedule(self):
        for name in ["identity", "attention"]:
            config = json.loads((TOOLS.parent / f"experiments/configs/quickstart_{name}.json").read_text())
            self.assertEqual((config["base"], set(config)), ("quickstart_hydra.json", {"base", "name", "model"}))


class CountTests(unittest.TestCase):
    def count(self, *tests):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "testlog.json"
            log.write_text("".join(json.dumps(test) + "\n" for test in tests))
            done = subprocess.run([sys.executable, TOOLS / "count_tests.py", log], capture_output=True, text=True)
        return done.stdout.splitlines()[-1], done.returncode

    def test(self):
        def run(stdout, returncode, result):
            return {"name": "t", "stdout": stdout, "returncode": returncode, "result": result}

        def summary(passed, failed):
            return f"[doctest] test cases: {passed + failed} | {passed} passed | {failed} failed | 0 skipped\n"

        good, script = run(summary(7, 0), 0, "OK"), run("", 0, "OK")
        self.assertEqual(self.count(good, script), ("8 passed, 0 failed", 0))
        self.assertEqual(self.count(good, run(summary(3, 2), 1, "FAIL")), ("10 passed, 2 failed", 1))
        self.assertEqual(self.count(good, run("", 1, "FAIL")), ("7 passed, 1 failed", 1))
        self.assertEqual(self.count(run("no summary", -11, "FAIL")), ("0 passed, 1 failed", 1))
        self.assertEqual(self.count(run(summary(3, 0), 23, "FAIL")), ("3 passed, 1 failed", 1))
        self.assertEqual(self.count(), ("0 passed, 1 failed", 1))


if __name__ == "__main__":
    unittest.main()
