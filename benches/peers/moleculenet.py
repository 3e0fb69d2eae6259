"""Accuracy on MoleculeNet's tables: Candor's networks, and Chemprop on the same parts.

    cargo build --release -p candor-molecule --examples
    python benches/peers/moleculenet.py DATA                     # ESOL and FreeSolv, three seeds, Chemprop's defaults by hand
    python benches/peers/moleculenet.py DATA --design '{"model": "boosting"}'
    python benches/peers/moleculenet.py DATA --chemprop          # Chemprop 2 beside it, if it is installed

Parts are random, 80/10/10, by the seed; the best epoch is that of the validation part. DATA holds esol, freesolv, bbbp, tox21,
clintox and sider.
"""

import argparse
import csv
import gzip
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "target/release/examples/moleculenet"
SETS = {
    "esol": ("esol/delaney-processed.csv", "measured log solubility in mols per litre", "smiles"),
    "freesolv": ("freesolv/SAMPL.csv", "expt", "smiles"),
    "bbbp": ("bbbp/BBBP.csv", "p_np", "smiles"),
    "tox21": ("tox21/tox21.csv.gz", None, "smiles"),
    "clintox": ("clintox/clintox.csv.gz", "FDA_APPROVED,CT_TOX", "smiles"),
    "sider": ("sider/sider.csv.gz", None, "smiles"),
}
# Columns of tables with many tasks that are none.
NO_TASKS = {"smiles", "mol_id"}


def targets_of(path, named):
    if named:
        return named
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        columns = next(csv.reader(file))
    return ",".join(c for c in columns if c not in NO_TASKS)


def candor(path, targets, seed, options, parts):
    command = [EXAMPLE, path, "--target", targets, "--seeds", str(seed), "--parts", parts]
    command += ["--split", options.split, "--members", str(options.members)]
    if options.design:
        command += ["--design", options.design]
    if options.validation:
        command += ["--validation"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def chemprop(path, targets, structures, seed, parts, folder):
    """Root mean squared error of Chemprop's defaults on the test part, and seconds."""
    rows = json.loads(parts.read_text())
    splits = folder / "splits.json"
    splits.write_text(json.dumps([{"train": rows["train"], "val": rows["validation"], "test": rows["test"]}]))
    out = folder / "chemprop"
    command = ["chemprop", "train", "--data-path", path, "--smiles-columns", structures, "--target-columns", targets]
    command += ["--task-type", "regression", "--splits-file", splits, "--save-dir", out, "--pytorch-seed", str(seed)]
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    with open(path) as file:
        table = list(csv.DictReader(file))
    with open(next(out.rglob("test_predictions.csv"))) as file:
        said = {row[structures]: float(row[targets]) for row in csv.DictReader(file)}
    errors = [said[table[row][structures]] - float(table[row][targets]) for row in rows["test"]]
    return statistics.fmean(e * e for e in errors) ** 0.5, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--sets", default="esol,freesolv")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--split", default="random")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--design", help="changes to Chemprop's defaults, as JSON")
    parser.add_argument("--validation", action="store_true", help="the test part is not looked at")
    parser.add_argument("--chemprop", action="store_true")
    options = parser.parse_args()
    for name in options.sets.split(","):
        file, named, structures = SETS[name]
        path = options.data / file
        targets = targets_of(path, named)
        ours, theirs = [], []
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for seed in range(options.seeds):
                parts = folder / f"parts{seed}.json"
                ours.append(candor(path, targets, seed, options, parts))
                print(name, json.dumps(ours[-1]), flush=True)
                if options.chemprop:
                    run = folder / f"run{seed}"
                    run.mkdir()
                    theirs.append(chemprop(path, targets, structures, seed, parts, run))
                    print(name, "chemprop", *theirs[-1], flush=True)
        for part in ["validation", "test"]:
            scores = [line[part] for line in ours if part in line]
            if scores:
                spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
                print(f"{name} {part}: {statistics.fmean(scores):.3f} +- {spread:.3f} ({ours[0]['metric']}, {len(scores)} seeds)")
        if theirs:
            scores = [score for score, _ in theirs]
            print(f"{name} test of Chemprop: {statistics.fmean(scores):.3f} +- {statistics.stdev(scores):.3f}")


if __name__ == "__main__":
    main()
