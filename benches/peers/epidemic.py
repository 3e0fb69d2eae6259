"""Daily cases by region, forecast from rolling origins, beside published figures.

    cargo build --release --workspace --example epidemic
    python benches/peers/epidemic.py DATA/covid_mobility [england france italy] [--seeds 3] [--transfer]

The protocol of Panagopoulos, Nikolentzos & Vazirgiannis (AAAI 2021): regions and days that have mobility; from the 15th day on, each day's
forecasts are made by models that are fitted anew to the days before it; errors are absolute, in cases a region, averaged over test
days for each horizon and then over the horizons 1 to 3, 1 to 7 and 1 to 14. `labels.csv` holds a row a region and a column a day.

With `--seeds`, networks of message passing with memory instead of rules, trained anew at each origin; with `--transfer` on what was known of all countries then.
"""

import argparse
import csv
import gzip
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Up to 3, 7 and 14 days. The first three are rules, recomputed by the example, too; the others are networks.
PUBLISHED = {
    "england": {
        "AVG_WINDOW": (6.52, 7.34, 8.54),
        "MPNN": (6.36, 6.86, 8.13),
        "MPNN+LSTM": (6.41, 6.67, 7.02),
        "MPNN+TL": (6.05, 6.33, 6.84),
    },
    "france": {
        "AVG_WINDOW": (6.04, 6.40, 7.24),
        "MPNN": (6.16, 5.99, 6.93),
        "MPNN+LSTM": (6.39, 7.21, 7.36),
        "MPNN+TL": (5.83, 5.90, 6.78),
    },
    "italy": {
        "AVG_WINDOW": (15.17, 16.81, 19.45),
        "MPNN": (14.39, 15.47, 17.88),
        "MPNN+LSTM": (15.56, 16.41, 17.25),
        "MPNN+TL": (14.08, 14.61, 16.69),
    },
}


def prepare(country, folder):
    """Writes `values.csv`, a row a day and a column a region, of what has mobility."""
    with gzip.open(country / "mobility.csv.gz", "rt") as file:
        flows = list(csv.DictReader(file))
    regions = {flow["from"] for flow in flows} | {flow["to"] for flow in flows}
    with (country / "labels.csv").open() as file:
        labels = {row["name"]: row for row in csv.DictReader(file)}
    regions = sorted(regions & set(labels))
    days = sorted({flow["date"] for flow in flows} & set(labels[regions[0]]))
    with (folder / "values.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["date", *regions])
        table.writerows([day, *(labels[region][day] for region in regions)] for day in days)
    shutil.copy(country / "mobility.csv.gz", folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("countries", nargs="*", default=list(PUBLISHED))
    parser.add_argument("--keep", type=Path, help="where the prepared folders are left, for `candor fit`")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--transfer", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as held:
        folders = {country: (args.keep or Path(held)) / country for country in PUBLISHED}
        for country, folder in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            prepare(args.data / country, folder)
        for country in args.countries:
            print(country, flush=True)
            command = [ROOT / "target/release/examples/epidemic", folders[country], "--seeds", str(args.seeds)]
            others = [folder for other, folder in folders.items() if args.transfer and other != country]
            subprocess.run(command + [part for folder in others for part in ("--with", folder)], check=True)
            for name, values in PUBLISHED[country].items():
                print(" ".join(f"{value:6.2f}" for value in values), f"          published: {name}", flush=True)


if __name__ == "__main__":
    main()
