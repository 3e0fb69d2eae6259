"""What `candor fit` makes of a graph's own parts: the score of its ensemble on the test part, over seeds or sets of masks.

    cargo build --release -p candor-cli
    python benches/peers/designed_graphs.py DATA/cora --seeds 3 --trials 20
    python benches/peers/designed_graphs.py DATA/minesweeper/minesweeper.npz --masks 10 --metric roc_auc --trials 12
    python benches/peers/designed_graphs.py DATA/actor/actor.npz --masks 10 --trials 12

The search, its ensemble and everything else that is chosen see training and validation part; the test part is judged once a run. Printed beside
the ensemble: the best network of the search, whether it passes messages, and the best design of each kind on the validation part.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CANDOR = os.environ.get("CANDOR", ROOT / "target/release/candor")


def fit(options, number, out):
    command = [CANDOR, "fit", options.source, "--metric", options.metric, "--trials", options.trials, "--out", out, "--json", "--quiet"]
    command += ["--set", f"mask={number}"] if options.masks else ["--seed", number]
    command += ["--target", options.target] if options.target else []
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    # A gate that fails is an answer, too.
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    judged = json.loads((out / "6-challenged/result.json").read_text())
    searched = json.loads((out / "4-designed/result.json").read_text())
    score = next(score["interval"]["estimate"] for score in judged["scores"] if score["metric"] == options.metric)
    kinds = {}
    for standing in searched["leaderboard"]:
        if standing["complete"]:
            kind = standing["design"].get("model", standing["name"])
            kinds.setdefault(kind, round(100 * standing["score"], 2))
    return 100 * score, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--masks", type=int, default=0)
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--target")
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.masks or options.seeds):
            score, kinds = fit(options, number, pathlib.Path(folder) / str(number))
            scores.append(score)
            print(f"{number}: {options.metric} {score:.2f} % on test; validation part by kind, best first: {json.dumps(kinds)}", flush=True)
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    print(f"mean {statistics.mean(scores):.2f} ± {spread:.2f} over {len(scores)}")


if __name__ == "__main__":
    main()
