"""The instruments beside other tools, on the same numbers: do two tools agree?

    cargo build --profile release -p candor-challenge --example instruments
    python benches/peers/instruments.py [--binary target/release/examples/instruments] [--noise 0.2] [--seeds 5]

Calibration error beside torchmetrics, conformal sets and intervals beside MAPIE, label errors beside cleanlab, detection and scores of
strangeness beside pytorch-ood. What is not installed is skipped and said so. Data: the digits of scikit-learn, which it needs.
Exit status 1 when two tools disagree by more than is written beside each line.
"""

import argparse
import json
import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

failed = []


def ours(binary, **parts):
    """What our instruments say of these numbers."""
    parts = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in parts.items()}
    done = subprocess.run([binary], input=json.dumps(parts), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{binary}: {done.stderr}")
    return json.loads(done.stdout)


def compare(what, our, their, tolerance):
    apart = abs(our - their)
    word = "agrees" if apart <= tolerance else "DISAGREES"
    if apart > tolerance:
        failed.append(what)
    print(f"  {what}: ours {our:.6f}, theirs {their:.6f}; {word} (allowed {tolerance:g})")


def peer(name):
    """The module, or nothing, which is said."""
    try:
        return __import__(name)
    except ImportError as error:
        print(f"  skipped: {error}")
        return None


def rounded(probabilities):
    """As 32-bit numbers that sum to 1 in both tools."""
    rows = np.asarray(probabilities, dtype=np.float32)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def calibration(binary, probabilities, labels):
    print("calibration error (torchmetrics)")
    said = ours(binary, probabilities=probabilities, labels=labels)["expected_calibration_error"]
    if peer("torchmetrics") is None:
        return
    import torch
    from torchmetrics.classification import MulticlassCalibrationError

    metric = MulticlassCalibrationError(num_classes=probabilities.shape[1], n_bins=15, norm="l1")
    theirs = metric(torch.tensor(probabilities), torch.tensor(labels)).item()
    compare("expected calibration error, 15 bins", said, theirs, 1e-5)


def conformal(binary, probabilities, labels):
    print("conformal sets and intervals (MAPIE)")
    half = len(labels) // 2
    calibration_rows, rows = probabilities[:half], probabilities[half:]
    said = ours(binary, probabilities=rows, calibration_probabilities=calibration_rows, calibration_labels=labels[:half], alpha=0.1)
    rng = np.random.default_rng(0)
    means = rng.normal(size=500).astype(np.float32)
    values = (means + rng.standard_t(3, size=500)).astype(np.float32)
    width = ours(binary, calibration_values=values, calibration_means=means, alpha=0.1)["half_width"]
    if peer("mapie") is None:
        return
    from mapie.classification import SplitConformalClassifier
    from mapie.regression import SplitConformalRegressor
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    class Stated(ClassifierMixin, BaseEstimator):
        """Says the probabilities that it is given."""

        def fit(self, x, y):
            self.classes_ = np.arange(x.shape[1])
            self.fitted_ = True
            return self

        def predict_proba(self, x):
            return np.asarray(x)

        def predict(self, x):
            return np.asarray(x).argmax(axis=1)

    class Mean(RegressorMixin, BaseEstimator):
        """Says the mean that it is given."""

        def fit(self, x, y):
            self.fitted_ = True
            return self

        def predict(self, x):
            return np.asarray(x)[:, 0]

    classes = probabilities.shape[1]
    stated = Stated().fit(calibration_rows, None)
    fitted = SplitConformalClassifier(stated, confidence_level=0.9, conformity_score="lac", prefit=True)
    fitted.conformalize(calibration_rows.astype(np.float64), labels[:half])
    _, theirs = fitted.predict_set(rows.astype(np.float64))
    mine = np.array([[c in chosen for c in range(classes)] for chosen in said["sets"]])
    compare("share of equal memberships in sets (LAC)", (mine == theirs[:, :, 0]).mean(), 1.0, 1e-3)
    fitted = SplitConformalRegressor(Mean().fit(None, None), confidence_level=0.9, prefit=True)
    fitted.conformalize(means[:, None].astype(np.float64), values.astype(np.float64))
    _, ends = fitted.predict_interval(np.zeros((1, 1)))
    compare("half width of an interval", width, float(ends[0, 1, 0]), 1e-5)


def label_errors(binary, noise, seeds):
    print(f"label errors (cleanlab), digits with {noise:.0%} symmetric noise, {seeds} seeds")
    x, truth = load_digits(return_X_y=True)
    cleanlab = peer("cleanlab")
    scores = {}
    for name, model in [
        ("extra trees", lambda seed: ExtraTreesClassifier(200, random_state=seed, n_jobs=2)),
        ("logistic regression", lambda seed: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))),
    ]:
        agree = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            wrong = rng.random(len(truth)) < noise
            given = np.where(wrong, (truth + rng.integers(1, 10, len(truth))) % 10, truth)
            folds = StratifiedKFold(5, shuffle=True, random_state=seed)
            said = rounded(cross_val_predict(model(seed), x, given, cv=folds, method="predict_proba"))
            mine = np.zeros(len(truth), dtype=bool)
            mine[ours(binary, probabilities=said, labels=given)["suspects"]] = True
            found = {"ours": mine}
            if cleanlab is not None:
                from cleanlab.filter import find_label_issues

                found["cleanlab"] = find_label_issues(given, said.astype(np.float64), n_jobs=1)
                agree.append((mine & found["cleanlab"]).sum() / max((mine | found["cleanlab"]).sum(), 1))
            for tool, mask in found.items():
                right = (mask & wrong).sum()
                scores.setdefault((name, tool), []).append((right / max(mask.sum(), 1), right / wrong.sum()))
        for (model_name, tool), values in scores.items():
            if model_name == name:
                precision, recall = np.mean(values, axis=0)
                print(f"  {name}, {tool}: precision {precision:.4f}, recall {recall:.4f}")
        if agree:
            compare(f"{name}: suspects in common, of all suspects", float(np.mean(agree)), 1.0, 0.05)


def strangeness(binary, seed):
    print("strangeness (pytorch-ood)")
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    known = y < 7
    train, test, train_y, _ = train_test_split(x[known], y[known], test_size=0.3, random_state=seed)
    model = LogisticRegression(C=1.0, max_iter=500).fit(train, train_y)
    near = x[~known]
    logits = model.decision_function(np.concatenate([test, near])).astype(np.float32)
    said = ours(binary, logits=logits, known=train, known_labels=train_y, queries=np.concatenate([test, near]))
    inside, outside = said["energy"][: len(test)], said["energy"][len(test) :]
    judged = ours(binary, inside=inside, outside=outside)["detection"]
    relative = np.array(said["mahalanobis"])
    ranked = ours(binary, inside=relative[: len(test)], outside=relative[len(test) :])["detection"]
    print(f"  ours, digits 0 to 6 against 7 to 9: energy {judged['auroc']:.4f}, relative Mahalanobis {ranked['auroc']:.4f} (pixels as embedding)")
    if peer("pytorch_ood") is None:
        return
    import torch
    from pytorch_ood.detector import RMD, EnergyBased

    try:
        from pytorch_ood.metrics import OODMetrics
    except ImportError:
        from pytorch_ood.utils import OODMetrics

    energies = EnergyBased.score(torch.tensor(logits)).numpy()
    compare("energy, greatest difference", float(np.abs(energies - np.array(said["energy"])).max()), 0.0, 1e-4)
    def theirs_of(scores, is_strange):
        metrics = OODMetrics()
        metrics.update(torch.tensor(np.asarray(scores)), torch.tensor(np.where(is_strange, -1, 0)))
        return {name: float(value) for name, value in metrics.compute().items()}

    is_strange = np.arange(len(test) + len(near)) >= len(test)
    theirs = theirs_of(said["energy"], is_strange)
    compare("area under the ROC curve", judged["auroc"], theirs["AUROC"], 1e-6)
    # Theirs is the trapezoidal rule, ours the sum of steps.
    compare("precision and recall, usual", judged["aupr_inside"], theirs["AUPR-IN"], 0.01)
    compare("precision and recall, strange", judged["aupr_outside"], theirs["AUPR-OUT"], 0.01)
    # Theirs counts false alarms where 95 % of the strange are found; turned round it is ours.
    turned = theirs_of(-np.array(said["energy"]), ~is_strange)
    compare("strange that pass where 95 % of the usual do", judged["fpr95"], turned["FPR95TPR"], 0.005)
    detector = RMD(torch.nn.Identity())
    detector.fit_features(torch.tensor(train), torch.tensor(train_y))
    theirs = theirs_of(detector.predict_features(torch.tensor(np.concatenate([test, near]))).numpy(), is_strange)["AUROC"]
    # Theirs neither shrinks nor brings to unit length: the same idea, not the same numbers.
    print(f"  relative Mahalanobis, AUROC: ours {ranked['auroc']:.4f}, theirs {theirs:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/examples/instruments")
    parser.add_argument("--noise", type=float, default=0.2)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    train, test, train_y, test_y = train_test_split(x, y, test_size=0.6, random_state=0, stratify=y)
    model = ExtraTreesClassifier(100, random_state=0).fit(train, train_y)
    probabilities = rounded(model.predict_proba(test))
    calibration(arguments.binary, probabilities, test_y)
    conformal(arguments.binary, probabilities, test_y)
    label_errors(arguments.binary, arguments.noise, arguments.seeds)
    strangeness(arguments.binary, 0)
    if failed:
        sys.exit(f"disagree: {', '.join(failed)}")


if __name__ == "__main__":
    main()
