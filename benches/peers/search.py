"""Searches beside Optuna's, on a recorded table and in the cost of the search itself, in one sitting.

    python benches/peers/search.py DATA [--seeds 300] [--peer-seeds 100] [--evaluations 100] [--what table,cost]

DATA is the folder with `nasbench201/nasbench201.csv.gz` (15,625 cells of NAS-Bench-201; the search sees the validation accuracy after
12 epochs, reported is the test accuracy after 200). Needs `cargo build --release -p candor-cli`, `cargo build --release -p candor-design
--example search`, and a virtual environment with `optuna`. The recorded values are those of the table, so quality does not depend on the machine.

A search ends when 100 different cells were evaluated; where Optuna suggests one again, it is told the known value, and that does not count. Both
sides use two processes or threads. Printed are means with 95 % intervals; of times, medians of the ratios of rounds that take turns.
"""

import argparse
import csv
import gzip
import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import optuna

ROOT = Path(__file__).resolve().parents[2]
CANDOR = ROOT / "target" / "release" / "candor"
COST = ROOT / "target" / "release" / "examples" / "search"
EDGES = ["edge_1_0", "edge_2_0", "edge_2_1", "edge_3_0", "edge_3_1", "edge_3_2"]
SETS = {"cifar10": 80, "cifar100": 50, "imagenet16": 25}
MOST_COST = 1_600_000
optuna.logging.set_verbosity(optuna.logging.ERROR)


def samplers():
    return {
        "optuna TPE": lambda seed: optuna.samplers.TPESampler(seed=seed),
        "optuna NSGA-II": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    }


def rows(path):
    with gzip.open(path, "rt") as text:
        return list(csv.DictReader(text))


def hypervolume(points, reference):
    area, ceiling = 0.0, -reference[1]
    for cost, report in sorted((c, -r) for c, r in points if c < reference[0] and r > reference[1]):
        if report < ceiling:
            area += (reference[0] - cost) * (ceiling - report)
            ceiling = report
    return area


def optuna_search(job):
    path, name, sampler, seed, evaluations = job
    table = optuna_search.table
    if table is None:
        table = optuna_search.table = {tuple(row[e] for e in EDGES): row for row in rows(path)}
    operations = sorted({row["edge_1_0"] for row in table.values()})
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    import warnings

    warnings.simplefilter("ignore")
    study = optuna.create_study(direction="maximize", sampler=samplers()[sampler](seed))
    seen, asked = {}, 0
    while len(seen) < evaluations and asked < 10 * evaluations:
        trial = study.ask()
        cell = tuple(trial.suggest_categorical(edge, operations) for edge in EDGES)
        study.tell(trial, float(table[cell][name + "_val_12"]))
        seen[cell] = table[cell]
        asked += 1
    best = max(seen.values(), key=lambda row: float(row[name + "_val_12"]))
    points = [(float(row["parameters"]), float(row[name + "_test_200"])) for row in seen.values()]
    return name, sampler, float(best[name + "_test_200"]), points, 1 - len(seen) / asked


optuna_search.table = None


def compare_on_table(path, seeds, peer_seeds, evaluations):
    ours, seconds = {}, 0.0
    for name, reference in SETS.items():
        command = [CANDOR, "search", "--table", path, "--choices", ",".join(EDGES), "--score", name + "_val_12"]
        command += ["--report", name + "_test_200", "--cost", "parameters", "--evaluations", evaluations, "--seeds", seeds]
        command += ["--reference-report", reference, "--reference-cost", MOST_COST, "--json"]
        begun = time.monotonic()
        output = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
        seconds += time.monotonic() - begun
        ours[name] = json.loads(output)["samplers"]
    jobs = [(path, name, sampler, seed, evaluations) for name in SETS for sampler in samplers() for seed in range(peer_seeds)]
    begun = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        theirs = list(pool.map(optuna_search, jobs, chunksize=10))
    their_seconds = time.monotonic() - begun
    everything = rows(path)
    whole = {
        name: hypervolume([(float(r["parameters"]), float(r[name + "_test_200"])) for r in everything], (MOST_COST, reference))
        for name, reference in SETS.items()
    }
    print(f"| {evaluations} cells | " + " | ".join(SETS) + " | front | seeds | duplicates |")
    print("| --- |" + " --- |" * (len(SETS) + 3))
    for i, sampler in enumerate(ours["cifar10"]):
        cells = [f"{ours[name][i]['report']:.2f} ± {ours[name][i]['report_interval']:.2f}" for name in SETS]
        fronts = " / ".join(f"{ours[name][i]['hypervolume']:.3f}" for name in SETS)
        refused = statistics.mean(ours[name][i]["refused"] for name in SETS)
        print(f"| {sampler['sampler']} | " + " | ".join(cells) + f" | {fronts} | {seeds} | {100 * refused:.1f} % |")
    for sampler in samplers():
        cells, fronts, again = [], [], []
        for name, reference in SETS.items():
            of = [found for found in theirs if found[:2] == (name, sampler)]
            reports = [found[2] for found in of]
            interval = 1.96 * statistics.stdev(reports) / math.sqrt(len(reports))
            cells.append(f"{statistics.mean(reports):.2f} ± {interval:.2f}")
            fronts.append(statistics.mean(hypervolume(found[3], (MOST_COST, reference)) for found in of) / whole[name])
            again += [found[4] for found in of]
        front = " / ".join(f"{front:.3f}" for front in fronts)
        print(f"| {sampler} | " + " | ".join(cells) + f" | {front} | {peer_seeds} | {100 * statistics.mean(again):.1f} % |")
    searches = len(ours["cifar10"]) * seeds * len(SETS)
    print(f"\nCandor: {searches} searches in {seconds:.1f} s; Optuna: {len(jobs)} in {their_seconds:.1f} s")


def suggest_all(trial):
    trial.suggest_categorical("kind", ["mlp", "residual", "attention"])
    for i in range(5):
        trial.suggest_int(f"width_{i}", 8, 512, log=True)
    trial.suggest_int("depth", 1, 6)
    rates = [trial.suggest_float(f"rate_{i}", 0.0, 0.5) for i in range(3)]
    return rates[0]


def optuna_trials(folder, count):
    path = Path(folder) / f"optuna-{time.monotonic_ns()}.db"
    study = optuna.create_study(storage=f"sqlite:///{path}", sampler=optuna.samplers.RandomSampler(seed=1))
    begun = time.monotonic()
    study.optimize(suggest_all, n_trials=count)
    return 1000 * (time.monotonic() - begun) / count


def optuna_suggestion(options, seen=1000, count=20):
    import warnings

    warnings.simplefilter("ignore")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(suggest_all, n_trials=seen)
    study.sampler = optuna.samplers.TPESampler(seed=1, **options)
    times = []
    for _ in range(count):
        begun = time.monotonic()
        trial = study.ask()
        value = suggest_all(trial)
        times.append(1000 * (time.monotonic() - begun))
        study.tell(trial, value)
    return statistics.median(times)


def compare_cost(rounds, trials):
    ours, durable, tpe, univariate = [], [], [], []
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        for _ in range(rounds):
            ours.append(json.loads(subprocess.run([COST, folder], check=True, capture_output=True, text=True).stdout))
            durable.append(optuna_trials(folder, trials))
            tpe.append(optuna_suggestion({}))
            univariate.append(optuna_suggestion({"multivariate": False}))

    def line(what, our, their):
        ratios = [t / o for o, t in zip(our, their)]
        middle = statistics.median
        print(f"| {what} | {middle(our):.3f} | {middle(their):.2f} | {middle(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f}) |")

    print("| milliseconds | Candor | Optuna | times faster |\n| --- | --- | --- | --- |")
    line("durable trial, SQLite, random designs", [o["durable_trial_random"] for o in ours], durable)
    line("durable trial, SQLite, ours by `auto`", [o["durable_trial_auto"] for o in ours], durable)
    for kind in ours[0]["suggestion_at_1000"]:
        line(f"suggestion after 1,000 trials, `{kind}` and TPE", [o["suggestion_at_1000"][kind] for o in ours], tpe)
    line("the same, `auto` and univariate TPE", [o["suggestion_at_1000"]["auto"] for o in ours], univariate)
    print(f"\ntrial in memory: {statistics.median(o['trial_in_memory_random'] for o in ours):.3f} ms")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--seeds", type=int, default=300)
    arguments.add_argument("--peer-seeds", type=int, default=100)
    arguments.add_argument("--evaluations", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--trials", type=int, default=50)
    arguments.add_argument("--what", default="table,cost")
    given = arguments.parse_args()
    path = given.data / "nasbench201" / "nasbench201.csv.gz"
    if "table" in given.what:
        compare_on_table(path, given.seeds, given.peer_seeds, given.evaluations)
        print()
    if "cost" in given.what:
        compare_cost(given.rounds, given.trials)


if __name__ == "__main__":
    main()
