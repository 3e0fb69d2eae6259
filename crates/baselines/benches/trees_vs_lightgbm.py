"""Compares Candor's trees with LightGBM and scikit-learn: one thread, same rows, same settings, same sitting.

    cargo build --release -p candor-baselines --example fit_csv
    python crates/baselines/benches/trees_vs_lightgbm.py target/release/examples/fit_csv

Needs numpy, scikit-learn and lightgbm. Each timing is the best of three, the tools taking turns; a ratio is our
seconds over theirs. Loss is log loss or root mean squared error on rows that were not trained on.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import log_loss

REPETITIONS = 3


def classes(rows, columns, count):
    return make_classification(
        rows, columns, n_informative=max(columns // 2, 4), n_classes=count, flip_y=0.1, class_sep=0.7, random_state=0
    )


def numbers(rows, columns):
    return make_regression(rows, columns, n_informative=columns // 2, noise=10, random_state=0)


DATA = {
    "binary 10000 x 14": ("binary", *classes(12_500, 14, 2)),
    "binary 50000 x 100": ("binary", *classes(62_500, 100, 2)),
    "regression 20000 x 30": ("regression", *numbers(25_000, 30)),
    "5 classes 10000 x 20": ("multiclass", *classes(12_500, 20, 5)),
}


def peer(model, task, count):
    regression = task == "regression"
    if model == "boosting":
        kind = LGBMRegressor if regression else LGBMClassifier
        return kind(n_estimators=count, n_jobs=1, verbose=-1, random_state=0)
    # Our defaults, so that both look at as many columns in a node.
    shared = dict(n_estimators=count, n_jobs=1, random_state=0, max_features=1 / 3 if regression else "sqrt")
    if model == "forest":
        return (RandomForestRegressor if regression else RandomForestClassifier)(**shared)
    return (ExtraTreesRegressor if regression else ExtraTreesClassifier)(**shared)


def run_peer(model, task, count, train, test):
    fitted = peer(model, task, count)
    start = time.perf_counter()
    fitted.fit(train[:, :-1], train[:, -1])
    middle = time.perf_counter()
    if task == "regression":
        predicted = fitted.predict(test[:, :-1])
        loss = float(np.sqrt(np.mean((predicted - test[:, -1]) ** 2)))
    else:
        predicted = fitted.predict_proba(test[:, :-1]).astype(float)
        floor = 1e-4 / predicted.shape[1]
        predicted = np.clip(predicted, floor, 1)
        loss = log_loss(test[:, -1], predicted / predicted.sum(axis=1, keepdims=True))
    return middle - start, time.perf_counter() - middle, loss


def run_candor(program, model, task, count, paths):
    done = subprocess.run([program, model, task, str(count), *paths], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    loss = said["rmse"] if task == "regression" else said["log_loss"]
    return said["fit_seconds"], said["predict_seconds"], loss


def main():
    program = sys.argv[1]
    wanted = sys.argv[2:]
    print(f"{'':46}{'fit s':>16}{'ratio':>8}{'predict s':>16}{'ratio':>8}{'loss':>18}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (task, x, y) in DATA.items():
            data = np.column_stack([x, y]).astype(np.float32)
            parts = np.split(data, [len(data) * 4 // 5])
            paths = [os.path.join(folder, part) for part in ("train.csv", "test.csv")]
            for part, path in zip(parts, paths):
                np.savetxt(path, part, delimiter=",", fmt="%.9g")
            for model in ("boosting", "forest", "extra-trees"):
                if wanted and model not in wanted:
                    continue
                ours, theirs = [], []
                for _ in range(REPETITIONS):
                    ours.append(run_candor(program, model, task, 100, paths))
                    theirs.append(run_peer(model, task, 100, *parts))
                (f, p, loss), (pf, pp, peer_loss) = (
                    [min(run[i] for run in runs) for i in range(3)] for runs in (ours, theirs)
                )
                print(
                    f"{name + ', ' + model:46}{f:8.3f}{pf:8.3f}{f / pf:8.2f}{p:8.3f}{pp:8.3f}{p / pp:8.2f}"
                    f"{loss:9.4f}{peer_loss:9.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
