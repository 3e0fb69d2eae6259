"""Candor beside its peers on tables: the same splits, the same sitting, the same time limits.

    python benches/peers/tables.py DATA RESULTS.csv [--sets iris,wine] [--folds 5] [--times 30,120,300]
                                   [--tools candor,forest,boosting,flaml,autogluon]

DATA is a folder with `tabular_small`, `uci_regression`, `adult` and `compas`; each result is appended to RESULTS.csv at once,
and what is there already is not run again. Needs the release binary (`cargo build --release --workspace --bins`) and, for the
peers, a virtual environment of its own with `pandas scikit-learn flaml[automl] lightgbm autogluon.tabular`.

Classification is scored by the log loss and by accuracy, regression by the RMSE. The scaled score of a tool on a fold is 0 for
the random forest's loss and 1 for the best loss of any tool. Summary: `python benches/peers/tables.py --summary RESULTS.csv`.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
CANDOR = ROOT / "target" / "release" / "candor"
SMALL = {
    "iris": "class",
    "wine": "class",
    "sonar": "class",
    "ionosphere": "class",
    "pima-indians-diabetes": "class",
    "banknote_authentication": "class",
    "abalone": "number",
    "mammography": "class",
}
UCI = [
    "bostonHousing",
    "concrete",
    "energy",
    "naval-propulsion-plant",
    "power-plant",
    "protein-tertiary-structure",
    "wine-quality-red",
]
FIELDS = ["set", "fold", "tool", "limit", "seconds", "metric", "loss", "accuracy"]


def folds_of(rows, labels, count=5, seed=0):
    """Test rows of each fold; stratified where labels are given."""
    rng = np.random.default_rng(seed)
    fold = np.empty(rows, dtype=int)
    groups = [np.arange(rows)] if labels is None else [np.flatnonzero(labels == c) for c in np.unique(labels)]
    start = 0
    for group in groups:
        order = rng.permutation(group)
        fold[order] = (np.arange(len(order)) + start) % count
        start += len(order)
    return [np.flatnonzero(fold == k) for k in range(count)]


def load(data, name, count):
    """(table, kind, test rows of each fold); the target is the column `y`."""
    if name in SMALL:
        table = pd.read_csv(data / "tabular_small" / f"{name}.csv.gz", header=None)
        table.columns = [f"x{i}" for i in range(table.shape[1] - 1)] + ["y"]
        kind = SMALL[name]
        labels = table["y"].to_numpy() if kind == "class" else None
        return table, kind, folds_of(len(table), labels)[:count]
    if name in UCI:
        folder = data / "uci_regression" / name
        table = pd.read_csv(folder / "data.txt.gz", sep=r"\s+", header=None)
        splits = json.loads(subprocess.check_output(["zcat", folder / "splits.json.gz"]))
        features, target = splits["features"], splits["target"]
        target = target[0] if isinstance(target, list) else target
        y = table[target]
        table = table[features]
        table.columns = [f"x{i}" for i in range(table.shape[1])]
        table["y"] = y
        return table, "number", [np.array(rows) for rows in splits["test_rows"][:count]]
    if name == "adult":
        names = [f"x{i}" for i in range(14)] + ["y"]
        read = lambda part: pd.read_csv(
            data / "adult" / f"adult-{part}.csv.gz", header=None, names=names, skipinitialspace=True, na_values="?"
        )
        train, test = read("train"), read("test")
        test["y"] = test["y"].str.rstrip(".")
        table = pd.concat([train, test], ignore_index=True)
        return table, "class", [np.arange(len(train), len(table))]
    if name == "compas":
        table = pd.read_csv(data / "compas" / "compas-scores-two-years.csv.gz")
        kept = (
            table["days_b_screening_arrest"].between(-30, 30)
            & (table["is_recid"] != -1)
            & (table["c_charge_degree"] != "O")
            & (table["score_text"] != "N/A")
        )
        columns = ["sex", "age", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count", "c_charge_degree"]
        table = table.loc[kept, columns + ["two_year_recid"]].rename(columns={"two_year_recid": "y"}).reset_index(drop=True)
        return table, "class", folds_of(len(table), table["y"].to_numpy())[:count]
    raise SystemExit(f"no set {name}")


def loss_of(kind, truth, classes, said):
    """Log loss and accuracy of probabilities, or the RMSE of numbers."""
    if kind == "number":
        return "rmse", float(np.sqrt(np.mean((truth - said) ** 2))), None
    p = np.clip(said, 1e-15, None)
    p = p / p.sum(axis=1, keepdims=True)
    place = {c: i for i, c in enumerate(classes)}
    code = np.array([place[str(t)] for t in truth])
    accuracy = float(np.mean(p.argmax(axis=1) == code))
    return "log_loss", float(-np.mean(np.log(p[np.arange(len(code)), code]))), accuracy


def candor(train, test, kind, classes, limit, seed):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        train.to_csv(folder / "train.csv", index=False)
        # The test rows go without their truth.
        test.drop(columns="y").to_csv(folder / "test.csv", index=False)
        command = [CANDOR, "fit", folder / "train.csv", "--target", "y", "--time", f"{limit}s", "--jobs", "2"]
        command += ["--seed", str(seed), "--test-share", "0.1", "--quiet", "--out", folder / "run"]
        command += ["--task", "regression" if kind == "number" else ("binary" if len(classes) == 2 else "multiclass")]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - started
        if done.returncode > 1:
            raise RuntimeError(done.stderr)
        subprocess.run(
            [CANDOR, "predict", folder / "run", folder / "test.csv", "--out", folder / "said.csv"], check=True, capture_output=True
        )
        said = pd.read_csv(folder / "said.csv")
        if kind == "number":
            return seconds, said["mean"].to_numpy()
        return seconds, said[[f"probability_{c}" for c in classes]].to_numpy()


def encoded(train, test):
    """Numbers for scikit-learn: one-hot for texts, the median for gaps."""
    both = pd.concat([train, test]).drop(columns="y")
    both = pd.get_dummies(both, dummy_na=False)
    both = both.fillna(both.iloc[: len(train)].median())
    return both.iloc[: len(train)].to_numpy(float), both.iloc[len(train) :].to_numpy(float)


def scikit(which):
    def run(train, test, kind, classes, limit, seed):
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
            RandomForestClassifier,
            RandomForestRegressor,
        )

        started = time.monotonic()
        x, z = encoded(train, test)
        options = {"random_state": seed} | ({"n_jobs": 2, "n_estimators": 500} if which == "forest" else {})
        if kind == "number":
            model = (RandomForestRegressor if which == "forest" else HistGradientBoostingRegressor)(**options)
            model.fit(x, train["y"])
            return time.monotonic() - started, model.predict(z)
        model = (RandomForestClassifier if which == "forest" else HistGradientBoostingClassifier)(**options)
        model.fit(x, train["y"].astype(str))
        return time.monotonic() - started, in_order(model.predict_proba(z), model.classes_, classes)

    return run


def in_order(said, given, classes):
    whole = np.zeros((len(said), len(classes)))
    for i, c in enumerate(given):
        whole[:, classes.index(str(c))] = said[:, i]
    return whole


def flaml(train, test, kind, classes, limit, seed):
    from flaml import AutoML

    started = time.monotonic()
    y = train["y"] if kind == "number" else train["y"].astype(str)
    model = AutoML()
    model.fit(
        train.drop(columns="y"),
        y,
        task="regression" if kind == "number" else "classification",
        metric="rmse" if kind == "number" else "log_loss",
        time_budget=limit,
        n_jobs=2,
        seed=seed,
        verbose=0,
    )
    seconds = time.monotonic() - started
    z = test.drop(columns="y")
    if kind == "number":
        return seconds, np.asarray(model.predict(z))
    return seconds, in_order(model.predict_proba(z), model.classes_, classes)


def autogluon(train, test, kind, classes, limit, seed):
    from autogluon.tabular import TabularPredictor

    folder = tempfile.mkdtemp()
    try:
        started = time.monotonic()
        train = train.copy()
        if kind == "class":
            train["y"] = train["y"].astype(str)
        task = "regression" if kind == "number" else ("binary" if len(classes) == 2 else "multiclass")
        model = TabularPredictor(
            label="y", problem_type=task, eval_metric="rmse" if kind == "number" else "log_loss", path=folder, verbosity=0
        )
        # Without its trial run for stacking, which takes a quarter of a short limit and fails on some small sets.
        model.fit(train, presets="best_quality", time_limit=limit, num_cpus=2, dynamic_stacking=False)
        seconds = time.monotonic() - started
        z = test.drop(columns="y")
        if kind == "number":
            return seconds, model.predict(z).to_numpy()
        said = model.predict_proba(z)
        return seconds, in_order(said.to_numpy(), list(said.columns), classes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


TOOLS = {"candor": candor, "forest": scikit("forest"), "boosting": scikit("boosting"), "flaml": flaml, "autogluon": autogluon}


def run(arguments):
    data, results = Path(arguments.data), Path(arguments.results)
    done = set()
    if results.exists():
        done = {(r["set"], r["fold"], r["tool"], r["limit"]) for r in csv.DictReader(results.open())}
    else:
        csv.writer(results.open("w")).writerow(FIELDS)
    for name in arguments.sets.split(","):
        table, kind, folds = load(data, name, arguments.folds)
        classes = sorted(table["y"].astype(str).unique()) if kind == "class" else []
        for fold, rows in enumerate(folds):
            test = table.iloc[rows]
            train = table.drop(index=table.index[rows])
            for tool in arguments.tools.split(","):
                fixed = tool in ("forest", "boosting")
                for limit in ["-"] if fixed else arguments.times.split(","):
                    if (name, str(fold), tool, limit) in done:
                        continue
                    seconds_allowed = 0 if fixed else int(limit)
                    try:
                        started = time.monotonic()
                        seconds, said = TOOLS[tool](train, test, kind, classes, seconds_allowed, fold)
                        metric, loss, accuracy = loss_of(kind, test["y"].to_numpy(), classes, said)
                    except Exception as error:  # A tool that fails is a result, too.
                        print(f"{name} {fold} {tool} {limit}: {error}", file=sys.stderr)
                        seconds, metric, loss, accuracy = time.monotonic() - started, "failed", "", ""
                    row = [name, fold, tool, limit, f"{seconds:.1f}", metric, loss, accuracy]
                    with results.open("a") as file:
                        csv.writer(file).writerow(row)
                    print(*row, flush=True)


def summary(path):
    table = pd.read_csv(path)
    table = table[table["metric"] != "failed"].copy()
    table["loss"] = table["loss"].astype(float)
    table["tool"] = table["tool"] + table["limit"].map(lambda l: "" if l == "-" else f" {l} s")
    wide = table.pivot_table(index=["set", "fold"], columns="tool", values="loss")
    forest = wide["forest"]
    best = wide.min(axis=1)
    scaled = wide.apply(lambda c: (forest - c) / (forest - best).where(forest > best)).clip(lower=-1)
    print("Loss (log loss, or RMSE): mean over folds, standard deviation")
    mean = table.groupby(["set", "tool"])["loss"].agg(["mean", "std"])
    print(mean.apply(lambda r: f"{r['mean']:.4f} ± {r['std']:.4f}", axis=1).unstack().to_string())
    print("\nScaled score: 0 the random forest, 1 the best of all; mean over sets of the mean over folds")
    print(scaled.groupby("set").mean().mean().sort_values(ascending=False).to_string())
    limited = table[table["limit"] != "-"].copy()
    limited["overrun"] = limited["seconds"].astype(float) / limited["limit"].astype(float)
    print("\nSeconds over limit: greatest and median")
    print(limited.groupby("tool")["overrun"].agg(["max", "median"]).to_string())


if __name__ == "__main__":
    if "--summary" in sys.argv:
        summary(sys.argv[sys.argv.index("--summary") + 1])
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("results")
    parser.add_argument("--sets", default=",".join([*SMALL, *UCI, "adult", "compas"]))
    parser.add_argument("--folds", type=int, default=5, help="how many of the five folds (or of the given splits) to run")
    parser.add_argument("--times", default="30,120,300")
    parser.add_argument("--tools", default=",".join(TOOLS))
    run(parser.parse_args())
