#!/usr/bin/env python3
"""Trains every row of a study with several seeds, and prints what the rows lost on held-out data beside one of them.

    tools/study.py experiments/studies/classes.json --program build/experiments/matmix --out runs/classes --seeds 0 1 2
                   [--jobs 2] [--table] [-- arguments of `matmix train`, --set train.device=cuda]

A study is {"config": FILE, "baseline": NAME, "rows": [{"name": NAME, "config": FILE if another, "set": {KEY: VALUE}}]}.
A row's runs are OUT/NAME-SEED; those that are done are not done again. Rows of one seed see the same batches, masks and
held-out targets, so differences from the baseline are paired: mean over seeds, and the half width of its 95% interval
(Student's t). --table trains nothing. Needs Python's standard library only.
"""
import argparse
import concurrent.futures
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
STUDENT_975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]  # by degrees of freedom, from 1


def half_width(values):
    """Of the 95% interval of the mean; None for a single value."""
    if not 2 <= len(values) <= len(STUDENT_975) + 1:
        return None
    return STUDENT_975[len(values) - 2] * statistics.stdev(values) / len(values) ** 0.5


def folder_of(out, row, seed):
    return out / f"{row['name'].replace(' ', '_').replace(',', '')}-{seed}"


def command_of(study, row, seed, program, out, arguments):
    keys = {**row.get("set", {}), "data.seed": seed, "train.seed": seed}
    sets = [word for key, value in keys.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    return [program, "train", str(ROOT / row.get("config", study["config"])), "--out", str(folder_of(out, row, seed)),
            "--resume", *sets, *arguments]


def result_of(folder):
    """(parameters, tokens, held-out loss) of a run that ended; None of another."""
    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    losses = [line["heldout_loss"] for line in lines if "heldout_loss" in line]
    steps = json.loads((folder / "config.json").read_text())["train"]["steps"] if lines else 0
    if not losses or lines[-1]["step"] < steps:
        return None
    return lines[0]["parameters"], max(line.get("tokens", 0) for line in lines), losses[-1]


def train(study, seeds, program, out, jobs, arguments):
    out.mkdir(parents=True, exist_ok=True)

    def one(row, seed):
        log = folder_of(out, row, seed).with_suffix(".log")
        with log.open("w") as file:
            return subprocess.run(command_of(study, row, seed, program, out, arguments), stdout=file, stderr=file,
                                  check=False).returncode, log

    todo = [(row, seed) for seed in seeds for row in study["rows"] if result_of(folder_of(out, row, seed)) is None]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for status, log in pool.map(lambda work: one(*work), todo):
            if status != 0:
                said = (log.read_text().splitlines() or [""])[-1]
                print(f"study.py: {log} ends with exit status {status}: {said}", file=sys.stderr)


def table(study, seeds, out):
    """Rows of cells, the first one the heading, sorted by loss."""
    results = {row["name"]: [result_of(folder_of(out, row, seed)) for seed in seeds] for row in study["rows"]}
    base = results[study["baseline"]]
    rows = []
    for name, found in results.items():
        if None in found or None in base:
            rows.append((float("inf"), [name, *["-" for _ in seeds], "-", "-", "-"]))
            continue
        losses = [loss for _, _, loss in found]
        differences = [loss - other for loss, (_, _, other) in zip(losses, base)]
        width = half_width(differences)
        interval = f"{statistics.mean(differences):+.4f}" + (f" ± {width:.4f}" if width is not None else "")
        rows.append((statistics.mean(losses), [name, *[f"{loss:.4f}" for loss in losses], f"{statistics.mean(losses):.4f}",
                                               interval if name != study["baseline"] else "0", f"{found[0][0]:,}"]))
    heading = ["row", *[f"seed {seed}" for seed in seeds], "mean", f"less {study['baseline']}'s", "parameters"]
    return [heading, *[cells for _, cells in sorted(rows, key=lambda row: row[0])]]


def main(argv):
    own, arguments = (argv[:argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("--program", default=str(ROOT / "build/experiments/matmix"))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    options = parser.parse_args(own)
    study = json.loads(options.study.read_text())
    if not options.table:
        train(study, options.seeds, options.program, options.out, options.jobs, arguments)
    heading, *rows = table(study, options.seeds, options.out)
    for cells in [heading, ["---"] * len(heading), *rows]:
        print("| " + " | ".join(cells) + " |")
    return 0 if all("-" not in row for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
