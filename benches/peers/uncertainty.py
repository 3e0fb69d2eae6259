"""Means over splits of what `target/release/examples/uncertainty uci` wrote, beside published figures.

    python benches/peers/uncertainty.py benches/peers/results/uncertainty_uci.csv

Published: ensembles of five (Lakshminarayanan et al. 2017, table 1), evidential (Amini et al. 2020, table 1), the latter the likelihood of Student
distributions.
"""

import collections
import csv
import statistics
import sys

PUBLISHED = {
    "bostonHousing": (2.41, 2.35),
    "concrete": (3.06, 3.01),
    "energy": (1.38, 1.39),
    "naval-propulsion-plant": (-5.63, -5.73),
    "power-plant": (2.79, 2.81),
    "protein-tertiary-structure": (2.83, 2.63),
    "wine-quality-red": (0.94, 0.89),
}


def main(path):
    rows = collections.defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            rows[row["set"], row["method"]].append(row)
    print("| set | method | splits | NLL ± s.e. | scaled NLL ± s.e. | Student NLL ± s.e. | published | RMSE ± s.e. | CRPS | training s | µs a row |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (name, method), of in rows.items():
        column = lambda key: [float(row[key]) for row in of]
        spread = lambda values: statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        nll, scaled, rmse, mean = column("nll"), column("scaled_nll"), column("rmse"), statistics.mean
        student = [float(row["student_nll"]) for row in of if row["student_nll"]]
        student = f"{mean(student):.2f} ± {spread(student):.2f}" if len(student) == len(of) else ""
        ensemble, evidential = PUBLISHED[name]
        beside = {"ensemble": f"{ensemble:.2f}", "evidential": f"{evidential:.2f}"}.get(method, "")
        micros = 1e6 * mean(float(row["predicting_seconds"]) / float(row["test_rows"]) for row in of)
        print(
            f"| {name} | {method} | {len(of)} | {mean(nll):.2f} ± {spread(nll):.2f} | {mean(scaled):.2f} ± {spread(scaled):.2f} | {student} | {beside} | {mean(rmse):.4g} ± {spread(rmse):.2g} "
            f"| {mean(column('crps')):.4g} | {mean(column('training_seconds')):.1f} | {micros:.0f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1])
