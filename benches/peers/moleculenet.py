"""Accuracy on MoleculeNet's tables: Candor's networks, and Chemprop on the same parts.

    cargo build --release -p candor-molecule --examples
    python benches/peers/moleculenet.py DATA                     # ESOL and FreeSolv, three seeds, Chemprop's defaults by hand
    python benches/peers/moleculenet.py DATA --design '{"model": "boosting"}'
    python benches/peers/moleculenet.py DATA --sets tox21,clintox,sider
    python benches/peers/moleculenet.py DATA --sets hiv --split scaffold_largest_first --seeds 1
    python benches/peers/moleculenet.py DATA --sets ecoli --seeds 10 --members 5
    python benches/peers/moleculenet.py DATA --chemprop          # Chemprop 2 beside it, if it is installed
    python benches/peers/moleculenet.py DATA --designed 8        # and what `candor fit` makes of the same parts in eight trials
    python benches/peers/moleculenet.py DATA --designed 10m      # ... in ten minutes, judging included

Parts of 80, 10 and 10 % are drawn by the seed (random), keep scaffolds together and are drawn by the seed (scaffold, Chemprop's
`scaffold_balanced`), or keep them together with the largest in the training part (scaffold_largest_first, DeepChem's, the same for all
seeds). The best epoch is that of the validation part; the test part is looked at once. Scores are root mean squared errors of numbers, and
areas under the ROC curve of classes, the mean over labels. `candor fit` is given training and validation part as one file, cuts folds from it, and
judges its ensemble on the test part. DATA holds esol, freesolv, bbbp, tox21, clintox, sider, hiv and antibiotic_ecoli.
"""

import argparse
import csv
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = os.environ.get("MOLECULENET", ROOT / "target/release/examples/moleculenet")
CANDOR = os.environ.get("CANDOR", ROOT / "target/release/candor")
# File, targets (None: all columns but NO_TASKS), column of structures.
SETS = {
    "esol": ("esol/delaney-processed.csv", ["measured log solubility in mols per litre"], "smiles"),
    "freesolv": ("freesolv/SAMPL.csv", ["expt"], "smiles"),
    "bbbp": ("bbbp/BBBP.csv", ["p_np"], "smiles"),
    "tox21": ("tox21/tox21.csv.gz", None, "smiles"),
    "clintox": ("clintox/clintox.csv.gz", ["FDA_APPROVED", "CT_TOX"], "smiles"),
    "sider": ("sider/sider.csv.gz", None, "smiles"),
    "hiv": ("hiv/HIV.csv.gz", ["HIV_active"], "smiles"),
    "ecoli": ("antibiotic_ecoli/ecoli.csv", ["activity"], "smiles"),
}
# Columns of tables with many tasks that are none.
NO_TASKS = {"smiles", "mol_id"}


def table_of(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def candor(path, targets, seed, options, parts):
    command = [EXAMPLE, path, "--target", json.dumps(targets), "--seeds", str(seed), "--parts", parts]
    command += ["--split", options.split, "--members", str(options.members)]
    if options.design:
        command += ["--design", options.design]
    if options.validation:
        command += ["--validation"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def chemprop(table, targets, structures, metric, seed, parts, folder, members):
    """The score of Chemprop's defaults on the test part, and seconds."""
    rows = json.loads(parts.read_text())
    # Only rows that are in a part: Chemprop stops at a structure that cannot be read.
    used = sorted(rows["train"] + rows["validation"] + rows["test"])
    place = {row: new for new, row in enumerate(used)}
    data = folder / "data.csv"
    write_rows(data, [structures, *targets], (table[row] for row in used))
    splits = folder / "splits.json"
    part = {theirs: [place[row] for row in rows[ours]] for theirs, ours in [("train", "train"), ("val", "validation"), ("test", "test")]}
    splits.write_text(json.dumps([part]))
    out = folder / "chemprop"
    command = ["chemprop", "train", "--data-path", data, "--smiles-columns", structures, "--target-columns", *targets]
    command += ["--task-type", "regression" if metric == "rmse" else "classification"]
    command += ["--splits-file", splits, "--save-dir", out, "--pytorch-seed", str(seed), "--ensemble-size", str(members)]
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    said = table_of(next(out.rglob("test_predictions.csv")))
    scores = []
    for target in targets:
        pairs = zip((row[target] for row in said), (table[row][target] for row in rows["test"]))
        known = [(float(value), float(truth)) for value, truth in pairs if truth != ""]
        if metric == "rmse":
            scores.append(statistics.fmean((value - truth) ** 2 for value, truth in known) ** 0.5)
        elif len({truth for _, truth in known}) == 2:
            scores.append(area_under_curve(known))
    return statistics.fmean(scores), seconds


def write_rows(path, columns, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def designed(table, targets, structures, metric, seed, parts, folder, budget, jobs):
    """The score of the ensemble of a search on the test part, and what it is made of."""
    rows = json.loads(parts.read_text())
    columns = [structures, *targets]
    write_rows(folder / "learn.csv", columns, (table[row] for row in rows["train"] + rows["validation"]))
    write_rows(folder / "test.csv", columns, (table[row] for row in rows["test"]))
    run = folder / "run"
    command = [CANDOR, "fit", folder / "learn.csv", "--test", folder / "test.csv", "--metric", metric, "--jobs", jobs]
    command += ["--trials" if budget.isdigit() else "--time", budget, "--seed", seed, "--out", run, "--json", "--quiet"]
    for target in targets:
        command += ["--target", target]
    if len(targets) > 1 and metric == "roc_auc":
        command += ["--task", "multilabel"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    # A gate that fails is an answer, too.
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    judged = json.loads((run / "6-challenged/result.json").read_text())
    score = next(score["interval"]["estimate"] for score in judged["scores"] if score["metric"] == metric)
    return score, {other["name"]: round(other["value"], 4) for other in judged["others"]}


def area_under_curve(known):
    """The share of pairs of a negative and a positive that are in order; pairs of equal values count half."""
    positives = sorted(value for value, truth in known if truth == 1)
    negatives = [value for value, truth in known if truth != 1]
    won = sum(sum((p > n) + 0.5 * (p == n) for p in positives) for n in negatives)
    return won / (len(positives) * len(negatives))


def seeds_of(text):
    first, _, last = text.rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


def spread_of(scores):
    return statistics.stdev(scores) if len(scores) > 1 else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--sets", default="esol,freesolv")
    parser.add_argument("--seeds", type=seeds_of, default=range(3), help="a number of seeds, from 0, or the first and the last, as in 1-2")
    parser.add_argument("--split", default="random")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--design", help="changes to Chemprop's defaults, as JSON; a list of them for an ensemble of several kinds")
    parser.add_argument("--validation", action="store_true", help="the test part is not looked at")
    parser.add_argument("--chemprop", action="store_true")
    parser.add_argument("--designed", metavar="BUDGET", help="a number of trials, or a time such as 10m")
    parser.add_argument("--jobs", type=int, default=1, help="threads of the search")
    options = parser.parse_args()
    for name in options.sets.split(","):
        file, targets, structures = SETS[name]
        path = options.data / file
        table = table_of(path)
        targets = targets or [column for column in table[0] if column not in NO_TASKS]
        ours, theirs, searched = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for seed in options.seeds:
                parts = folder / f"parts{seed}.json"
                ours.append(candor(path, targets, seed, options, parts))
                print(name, json.dumps(ours[-1]), flush=True)
                if options.chemprop:
                    run = folder / f"run{seed}"
                    run.mkdir()
                    metric = ours[-1]["metric"]
                    theirs.append(chemprop(table, targets, structures, metric, seed, parts, run, options.members))
                    print(name, "chemprop", *theirs[-1], flush=True)
                if options.designed:
                    run = folder / f"designed{seed}"
                    run.mkdir()
                    metric = ours[-1]["metric"]
                    searched.append(designed(table, targets, structures, metric, seed, parts, run, options.designed, options.jobs))
                    print(name, "designed", searched[-1][0], json.dumps(searched[-1][1]), flush=True)
        for part in ["validation", "test"]:
            scores = [line[part] for line in ours if part in line]
            if scores:
                print(f"{name} {part}: {statistics.fmean(scores):.3f} +- {spread_of(scores):.3f} ({ours[0]['metric']}, {len(scores)} seeds)", flush=True)
        for what, done in [("Chemprop", theirs), ("the designed ensemble", searched)]:
            if done:
                scores = [score for score, _ in done]
                print(f"{name} test of {what}: {statistics.fmean(scores):.3f} +- {spread_of(scores):.3f}", flush=True)


if __name__ == "__main__":
    main()
