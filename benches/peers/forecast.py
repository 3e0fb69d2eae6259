"""Forecasts on public series: errors by protocol, over seeds.

    python benches/peers/forecast.py los_loop DATA/los_loop [--seeds 3] [--test]
    python benches/peers/forecast.py etth1 DATA/etth1 [--seeds 3] [--test]
    python benches/peers/forecast.py chickenpox DATA/chickenpox_hungary [--seeds 3] [--test]
    python benches/peers/forecast.py pedalme DATA/pedalme_london [--seeds 3] [--test]
    python benches/peers/forecast.py los_loop DATA/los_loop --whole --time 10m --seeds 3

Without `--whole` it is every design made by hand and their ensemble (`target/release/examples/forecast`); with it, the whole of
`candor fit` on the same split, whose test part is judged once at its end. Without `--test` the first shows the part that chooses, never the
one that is tested on.

Los-loop (Zhao et al. 2020, T-GCN): the first 80 % of the moments are learned from, the last 20 % tested on; of the first, the last eighth
chooses. Twelve moments are seen; 15 minutes are the mean over the three steps ahead, in miles an hour, without regard to missing readings.
ETTh1 (Zhou et al. 2021): the first 14,400 hours, of which 8,640 are learned from, 2,880 choose, 2,880 are tested on; 96 hours ahead, all
seven series together, in standard deviations of the first part.
Chickenpox in Hungary and Pedal Me in London (Rozemberczki et al. 2021, PyTorch Geometric Temporal): four weeks are seen, the next one is told, of the
windows the first 80 % are learned from and the others tested on, mean squared errors of the series as they are published, that is
standardised over all weeks; of the first 80 %, the last eighth chooses.
"""

import argparse
import gzip
import json
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def los_loop(data, folder):
    shutil.copy(data / "los_speed.csv.gz", folder / "values.csv.gz")
    shutil.copy(data / "los_adj.csv.gz", folder / "adjacency.csv.gz")
    return folder, ["--horizon", "3", "--history", "12"], ["--borders", "1411,1612,2016"], []


def etth1(data, folder):
    with gzip.open(data / "ETTh1.csv.gz", "rt") as file:
        lines = file.read().splitlines()
    (folder / "values.csv").write_text("\n".join(lines[: 1 + 14_400]) + "\n")
    return folder, ["--horizon", "96", "--history", "336"], ["--borders", "8640,11520,14400", "--scale"], ["--metric", "rmse"]


def weeks(name, borders):
    """A data set of PyTorch Geometric Temporal, read as it is."""

    def prepare(data, folder):
        return data / name, ["--horizon", "1", "--history", "4"], ["--borders", borders], ["--metric", "rmse"]

    return prepare


SETS = {
    "los_loop": los_loop,
    "etth1": etth1,
    # 517 and 31 windows, of which 413 and 24 are learned from.
    "chickenpox": weeks("chickenpox.json.gz", "365,417,521"),
    "pedalme": weeks("pedalme_london.json.gz", "24,28,35"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=list(SETS))
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="models, with commas; all made by hand when not given")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--time", default="10m")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held) / args.set
        folder.mkdir()
        source, window, borders, metric = SETS[args.set](args.data, folder)
        if not args.whole:
            program = ROOT / "target/release/examples/forecast"
            command = [program, source, *window, *borders, *metric, "--seeds", str(args.seeds)]
            command += ["--only", args.only] if args.only else []
            subprocess.run(command + (["--test"] if args.test else []), check=True)
            return
        found = []
        for seed in range(args.seeds):
            run = Path(held) / f"run{seed}"
            metric = metric or ["--metric", "mae"]
            command = [ROOT / "target/release/candor", "fit", source, *window, *metric, "--time", args.time, "--seed", str(seed), "--out", run, "--quiet"]
            subprocess.run(command, stdout=subprocess.DEVNULL)
            judged = json.loads((run / "6-challenged/result.json").read_text())
            scores = {score["metric"]: score["interval"]["estimate"] for score in judged["scores"]}
            found.append(scores)
            print(f"seed {seed}", {name: round(value, 4) for name, value in scores.items()})
            for other in judged["others"]:
                print(f"    {other['value']:.4f}  {other['name']}")
        for name in found[0]:
            values = [scores[name] for scores in found]
            print(f"{name}: {statistics.mean(values):.4f} ± {statistics.pstdev(values):.4f}")


if __name__ == "__main__":
    main()
