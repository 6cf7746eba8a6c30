#!/usr/bin/env python3
"""Checks what the tree promises: the order of layers, a test for every op, launches and device code only where they
belong, a library that neither prints nor exits. One line for each breach; exit status 1 if there is one.
--sizes also prints how long the files of each room are."""
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ["tensor", "autograd", "ops", "nn", "mixers", "experiments"]
ROOMS = LAYERS[:-1] + ["data", "experiments", "tests"]
SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}

SEES = {room: set(LAYERS[: i + 1]) for i, room in enumerate(LAYERS)}
SEES["experiments"].add("data")
SEES["data"] = {"tensor", "data"}
SEES["tests"] = set(ROOMS)
# The folders of experiments in their order: each includes only from itself and from those before it.
EXPERIMENTS = ["output", "report", "tasks", "config", "runs", "train", "bench", "replay", "commands"]

COMMENT_OR_LITERAL = re.compile(r"""//[^\n]*|/\*.*?\*/|R"\((.*?)\)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'""", re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
LAUNCH = re.compile(r"<<<")
RECORD = re.compile(r'\brecord\("(\w+)"')
PRINT = re.compile(r"(?<![\w.>])(?:printf|vprintf|puts|putchar|perror|fmt::print)\s*\(|\bstd::(?:cout|cerr|clog|print)\b"
                   r"|\b(?:stdout|stderr)\b")
EXIT = re.compile(r"(?<![\w.>])(?:exit|_exit|_Exit|quick_exit|abort|terminate)\s*\(")


def sources():
    """(room, path from the root, text) of every C++ and CUDA file."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in SUFFIXES:
                yield room, path.relative_to(ROOT), path.read_text()


def code_of(text):
    """The text without comments and literals, line for line."""
    return COMMENT_OR_LITERAL.sub(lambda m: "\n" * m.group().count("\n"), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def include_breaches(room, path, text):
    for found in INCLUDE.finditer(text):
        target = found.group(1)
        where = f"{path}:{line_of(text, found.start())}"
        if not (ROOT / target).is_file() and not (ROOT / f"{target}.in").is_file():  # .in: made by the build
            yield f'{where}: "{target}" is no file named from the root'
        elif target.split("/")[0] not in SEES[room]:
            yield f"{where}: {room} must not include {target}; it sees {', '.join(sorted(SEES[room]))}"


def order_breaches(path, text):
    """Includes across the folders of experiments that go against their order; loose files may include all of them."""
    if path.parts[0] != "experiments" or path.parts[1] not in EXPERIMENTS:
        return
    for found in INCLUDE.finditer(text):
        target = found.group(1).split("/")
        if target[0] != "experiments":
            continue
        if target[1] not in EXPERIMENTS[: EXPERIMENTS.index(path.parts[1]) + 1]:
            yield (f"{path}:{line_of(text, found.start())}: experiments/{path.parts[1]} must not include {found.group(1)}; "
                   f"the order is {' <- '.join(EXPERIMENTS)}")


def code_breaches(room, path, text):
    code = code_of(text)
    rules = []
    if not path.name.endswith("_cuda.cu"):
        rules.append((LAUNCH, "launches a kernel outside *_cuda.cu"))
    if room not in ("experiments", "tests"):
        rules += [(PRINT, "the library must not print"), (EXIT, "the library must not end the program")]
    for pattern, what in rules:
        for found in pattern.finditer(code):
            yield f"{path}:{line_of(code, found.start())}: {what}: {found.group().strip()}"
    if path.suffix == ".cu" and room not in ("tensor", "ops"):
        yield f"{path}: device code lives in tensor and ops"


def missing_tests():
    """A folder of ops that has a header of its name is an op."""
    for op in sorted(p for p in (ROOT / "ops").iterdir() if (p / f"{p.name}.h").is_file()):
        test = pathlib.Path("tests/ops") / f"{op.name}_test.cpp"
        if not (ROOT / test).is_file():
            yield f"ops/{op.name} has no {test}"


def ops_without_cases(files):
    """gradcheck and the laws of ops walk the tables *_cases.cpp: every op that is recorded by a name has a row there."""
    cases = "".join(text for _, path, text in files if path.name.endswith("_cases.cpp"))
    for room, path, text in files:
        for name in RECORD.findall(text) if room == "ops" else ():
            if f'"{name}"' not in cases:
                yield f"{path}: the op '{name}' has no row in a *_cases.cpp"


def print_sizes(files):
    print(f"{'room':<12} {'files':>5} {'lines':>6} {'median':>6} {'p90':>5} {'max':>5}  longest")
    for room in ROOMS:
        lines = sorted((text.count("\n"), str(path)) for r, path, text in files if r == room)
        if not lines:
            continue
        lengths = [n for n, _ in lines]
        p90 = lengths[int(0.9 * (len(lengths) - 1) + 0.5)]
        print(f"{room:<12} {len(lengths):>5} {sum(lengths):>6} {statistics.median(lengths):>6.0f} {p90:>5} {lengths[-1]:>5}"
              f"  {lines[-1][1]}")


def main():
    files = list(sources())
    breaches = [b for f in files for b in (*include_breaches(*f), *order_breaches(*f[1:]), *code_breaches(*f))] 
    breaches += [*missing_tests(), *ops_without_cases(files)]
    if "--sizes" in sys.argv[1:]:
        print_sizes(files)
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
