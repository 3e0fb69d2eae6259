"""Samplers against each other on tables: the same data, seeds and time, best validation score of each search.

    python benches/peers/samplers.py DATA OUT [--samplers auto,random] [--seeds 5] [--time 30] [--jobs 2] [--sets pima-indians-diabetes,...]

DATA is a folder with `tabular_small` and `uci_regression`. OUT receives the runs (a comparison that was stopped goes on) and a picture of
each. Needs the release binary (`cargo build --release --workspace --bins`) and a virtual environment with `pandas`. Printed are mean, worst and best
over seeds, and on how many seeds the first sampler was ahead. The last line of each table gives the difference of the first two samplers
seed by seed, as a share of the second's loss (of one minus accuracy for hits): mean and standard error.
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

from tables import CANDOR, load

SETS = "pima-indians-diabetes,sonar,ionosphere,abalone,concrete,energy"


def best(search, smaller):
    scores = [job["score"] for job in search["jobs"] if job["complete"] and job["score"] is not None]
    return (min if smaller else max)(scores) if scores else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samplers", default="auto,random")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--time", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sets", default=SETS)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.sets.split(","):
        table, kind, _ = load(given.data, name, 1)
        file = given.out / f"{name}.csv"
        table.to_csv(file, index=False)
        command = [CANDOR, "search", file, "--target", "y", "--samplers", given.samplers, "--seeds", str(given.seeds)]
        command += ["--time", f"{given.time}s", "--jobs", str(given.jobs), "--json", "--quiet"]
        command += ["--out", given.out / name, "--svg", given.out / f"{name}.svg"]
        if kind == "number":
            command += ["--task", "regression"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        smaller = found["metric"] in ("log_loss", "rmse", "brier", "crps", "mae", "nll")
        print(f"{name}: {found['metric']}")
        for reached in found["reached"]:
            print("  {sampler:12} {mean:.5g} ({worst:.5g} to {best:.5g}), {designs:.0f} designs".format(**reached))
        first, second = given.samplers.split(",")[:2] if "," in given.samplers else (given.samplers, None)
        of = lambda sampler: [best(s, smaller) for s in found["searches"] if s["sampler"] == sampler]
        loss = (lambda score: score) if smaller else (lambda score: 1 - score)
        pairs = [(loss(a), loss(b)) for a, b in zip(of(first), of(second)) if a is not None and b is not None]
        if len(pairs) > 1:
            shares = [(a - b) / b for a, b in pairs]
            error = statistics.stdev(shares) / len(shares) ** 0.5
            ahead = sum(a < b for a, b in pairs)
            print(f"  {first} ahead on {ahead} of {len(pairs)} seeds; loss {100 * statistics.mean(shares):+.1f} % ({100 * error:.1f})", flush=True)


if __name__ == "__main__":
    main()
