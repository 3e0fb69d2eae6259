"""Candor on sets of the UCR and UEA archives: accuracy on the archive's own test file, over seeds.

    python benches/peers/ucr.py DATA [--sets ArrowHead,GunPoint] [--seeds 3] [--time 60] [--jobs 2]

DATA holds a folder a set with NAME_TRAIN.ts and NAME_TEST.ts, plain or gzip. Each seed is one `candor fit NAME_TRAIN.ts --test NAME_TEST.ts
--metric accuracy`: designs, ensemble and calibration are chosen on folds of the training file, and the test file is predicted once, by the
bundle. Beside it, what the leaderboard chose as its best trial. Needs the release binary (`cargo build --release --workspace --bins`), and nothing
but Python's own library.

The reference is ROCKET's accuracy on the same parts (Dempster, Petitjean & Webb 2020; Ruiz et al. 2021 for the set of several channels), rounded.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

CANDOR = Path(__file__).resolve().parents[2] / "target" / "release" / "candor"
ROCKET = {"ArrowHead": 0.81, "GunPoint": 1.00, "OSULeaf": 0.94, "ACSF1": 0.88, "JapaneseVowels": 0.98}


def part(folder, name):
    found = sorted(folder.glob(f"{folder.name}_{name}.ts*"))
    if not found:
        raise SystemExit(f"there is no {folder.name}_{name}.ts in {folder}")
    return found[0]


def labels(path):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt") as file:
        lines = (line.strip() for line in file)
        return [line.rsplit(":", 1)[1] for line in lines if line and line[0] not in "@#%"]


def run(arguments, done=(0,)):
    said = subprocess.run([str(CANDOR), *arguments], capture_output=True, text=True)
    if said.returncode not in done:
        raise SystemExit(f"{' '.join(arguments)}: status {said.returncode}\n{said.stderr}")
    return said.stdout


def judged(folder, seed, args):
    train, test = part(folder, "TRAIN"), part(folder, "TEST")
    with tempfile.TemporaryDirectory() as out:
        bundle = f"{out}/run"
        begun = time.monotonic()
        fit = ["fit", str(train), "--test", str(test), "--metric", "accuracy", "--seed", str(seed), "--out", bundle, "--quiet"]
        limit = ["--trials", str(args.trials)] if args.trials else ["--time", str(args.time)]
        run([*fit, *limit, "--jobs", str(args.jobs)], done=(0, 1))
        seconds = time.monotonic() - begun
        answers = json.loads(run(["predict", bundle, str(test), "--format", "json"]))
        chosen = json.loads(Path(bundle, "5-trained", "result.json").read_text())
    right = [a["prediction"].get("class") == label for a, label in zip(answers, labels(test))]
    names = ", ".join(f"{100 * v['weight']:.0f} % {v['name']}" for v in chosen["ensemble"][:3])
    return sum(right) / len(right), seconds, names


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(ROCKET))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--time", default="60")
    parser.add_argument("--trials", type=int, help="so many trials instead of a time limit")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    for name in args.sets.split(","):
        scores = []
        for seed in range(1, args.seeds + 1):
            accuracy, seconds, names = judged(args.data / name, seed, args)
            scores.append(accuracy)
            print(f"{name} seed {seed}: {accuracy:.4f} in {seconds:.0f} s ({names})", flush=True)
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        reference = f", ROCKET {ROCKET[name]:.2f}" if name in ROCKET else ""
        print(f"{name}: mean {statistics.mean(scores):.4f}, standard deviation {spread:.4f}{reference}", flush=True)


if __name__ == "__main__":
    main()
