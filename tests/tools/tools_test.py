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
import study  # noqa: E402


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
        for name in ["identity", "attention", "bert"]:
            config = json.loads((TOOLS.parent / f"experiments/configs/quickstart_{name}.json").read_text())
            self.assertEqual((config["base"], set(config)), ("quickstart_hydra.json", {"base", "name", "model"}))


class Study(unittest.TestCase):
    STUDY = {"config": "c.json", "baseline": "identity",
             "rows": [{"name": "identity"}, {"name": "dense, learned", "set": {"model.mixer.source": "table", "model.bias": True}}]}

    def write_run(self, out, row, seed, loss, steps=10):
        folder = study.folder_of(pathlib.Path(out), {"name": row}, seed)
        folder.mkdir()
        (folder / "config.json").write_text('{"train": {"steps": 10}}')
        lines = [{"step": 0, "parameters": 1234}, {"step": 5, "tokens": 50, "loss": 9.0}, {"step": 5, "heldout_loss": 8.0},
                 {"step": steps, "tokens": 90, "loss": 2.0}, {"step": steps, "heldout_loss": loss}]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def test_differences_are_paired(self):
        with tempfile.TemporaryDirectory() as out:
            for seed, loss in enumerate([3.0, 5.0, 4.0]):
                self.write_run(out, "identity", seed, loss)
                self.write_run(out, "dense, learned", seed, loss - 0.1 * (seed + 1))
            heading, first, second = study.table(self.STUDY, [0, 1, 2], pathlib.Path(out))
        self.assertEqual(heading[-2:], ["less identity's", "parameters"])
        # 0.1, 0.2, 0.3: mean 0.2, standard deviation 0.1, of the mean 0.1 / sqrt(3), times t = 4.303.
        self.assertEqual(first, ["dense, learned", "2.9000", "4.8000", "3.7000", "3.8000", "-0.2000 ± 0.2484", "1,234"])
        self.assertEqual(second[0], "identity")

    def test_what_has_not_ended_is_no_result(self):
        with tempfile.TemporaryDirectory() as out:
            self.write_run(out, "identity", 0, 3.0)
            self.write_run(out, "dense, learned", 0, 3.0, steps=9)
            rows = study.table(self.STUDY, [0], pathlib.Path(out))
        self.assertEqual([row[0] for row in rows[1:]], ["identity", "dense, learned"])
        self.assertEqual(set(rows[2][1:]), {"-"})

    def test_a_run_is_one_command(self):
        command = study.command_of(self.STUDY, self.STUDY["rows"][1], 2, "matmix", pathlib.Path("o"), ["--device", "cuda"])
        self.assertEqual(command[:2] + command[3:], [
            "matmix", "train", "--out", "o/dense_learned-2", "--resume", "--set", 'model.mixer.source="table"', "--set",
            "model.bias=true", "--set", "data.seed=2", "--set", "train.seed=2", "--device", "cuda"])

    def test_rows_of_the_studies_are_known_mixers(self):
        registry = (TOOLS.parent / "mixers/registry.cpp").read_text()
        for path in sorted((TOOLS.parent / "experiments/studies").glob("*.json")):
            rows = json.loads(path.read_text())["rows"]
            self.assertEqual(len({row["name"] for row in rows}), len(rows))
            for row in rows:
                name = row.get("set", {}).get("model.mixer.name")
                self.assertTrue(name is None or f'{{"{name}"' in registry, name)
                self.assertTrue((TOOLS.parent / row.get("config", "experiments/configs/base.json")).exists())


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
