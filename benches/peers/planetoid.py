"""PyTorch Geometric's GCN on the parts that a source gives: accuracy over seeds or sets of masks, and seconds.

    python benches/peers/planetoid.py DATA/cora [--seeds 10] [--width 16] [--layers 2] [--epochs 200]
    python benches/peers/planetoid.py DATA/minesweeper/minesweeper.npz --masks 10 --metric roc_auc --width 64 --layers 12 --residual

The same figures of ours: `target/release/examples/planetoid`, with the same arguments for source, seeds and masks. Needs a virtual environment
with `torch`, `torch_geometric` and `scikit-learn`. Features are divided by their sums where the source lists words (Kipf & Welling 2017,
section 5.2); weight decay is on the first layer alone. `--residual` adds a linear map of what a layer is given, and layer normalisation (Luo,
Shi & Wu 2024). The weights of the best validation loss are judged, unless `--last`: then those of the last step, as in the scripts of
PyTorch Geometric.
"""

import argparse
import copy
import csv
import gzip
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_undirected


def rows(path):
    with gzip.open(path, "rt") as file:
        yield from csv.DictReader(file)


def folder(path):
    """A folder as of Cora: features are words, parts a column."""
    nodes = list(rows(path / "nodes.csv.gz"))
    number = {row["node"]: i for i, row in enumerate(nodes)}
    words = [(number[row["node"]], int(row["feature"])) for row in rows(path / "features.csv.gz")]
    x = torch.zeros(len(nodes), max(word for _, word in words) + 1)
    x[tuple(zip(*words))] = 1.0
    x /= x.sum(1, keepdim=True).clamp(min=1)
    edges = [(number[row["u"]], number[row["v"]]) for row in rows(path / "edges.csv.gz")]
    classes = sorted({row["label"] for row in nodes})
    y = torch.tensor([classes.index(row["label"]) for row in nodes])
    masks = [torch.tensor([row["split"] == part for row in nodes]) for part in ("train", "val", "test")]
    return x, edges, y, lambda _: masks


def archive(path):
    """An archive as of Platonov et al."""
    held = np.load(path)
    x = torch.tensor(held["node_features"], dtype=torch.float32)
    y = torch.tensor(held["node_labels"], dtype=torch.long)
    masks = [torch.tensor(held[f"{part}_masks"]).bool() for part in ("train", "val", "test")]
    return x, held["edges"], y, lambda run: [mask[run] for mask in masks]


class Gcn(torch.nn.Module):
    def __init__(self, inputs, outputs, args):
        super().__init__()
        widths = [inputs] + [args.width] * args.layers
        self.args, ends = args, list(zip(widths, widths[1:]))
        if args.residual:
            self.layers = torch.nn.ModuleList(GCNConv(a, b) for a, b in ends)
            self.maps = torch.nn.ModuleList(torch.nn.Linear(a, b, bias=False) for a, b in ends)
            self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(b) for _, b in ends)
            self.head = torch.nn.Linear(args.width, outputs)
        else:
            ends[-1] = (ends[-1][0], outputs)
            self.layers = torch.nn.ModuleList(GCNConv(a, b) for a, b in ends)

    def forward(self, x, edges):
        def dropped(x):
            return functional.dropout(x, self.args.dropout, self.training)

        if self.args.residual:
            for layer, across, norm in zip(self.layers, self.maps, self.norms):
                x = dropped(norm(layer(x, edges) + across(x)).relu())
            return self.head(x)
        for layer in self.layers[:-1]:
            x = layer(dropped(x), edges).relu()
        return self.layers[-1](dropped(x), edges)


def judged(raw, y, mask, metric):
    if metric == "roc_auc":
        return 100 * roc_auc_score(y[mask], raw[mask].softmax(1)[:, 1])
    return 100 * (raw[mask].argmax(1) == y[mask]).float().mean().item()


def run(data, number, args):
    x, edges, y, masks_of = data
    train, validation, test = masks_of(number)
    torch.manual_seed(number)
    network = Gcn(x.shape[1], int(y.max()) + 1, args)
    first = list(network.layers[0].parameters())
    others = [p for p in network.parameters() if all(p is not q for q in first)]
    groups = [dict(params=first, weight_decay=args.weight_decay), dict(params=others, weight_decay=0)]
    optimiser = torch.optim.Adam(groups, lr=args.learning_rate)
    best, kept = float("inf"), None
    started = time.perf_counter()
    for _ in range(args.epochs):
        network.train()
        optimiser.zero_grad()
        functional.cross_entropy(network(x, edges)[train], y[train]).backward()
        optimiser.step()
        if args.last:
            continue
        network.eval()
        with torch.no_grad():
            loss = functional.cross_entropy(network(x, edges)[validation], y[validation]).item()
        if loss < best:
            best, kept = loss, copy.deepcopy(network.state_dict())
    seconds = time.perf_counter() - started
    if kept is not None:
        network.load_state_dict(kept)
    network.eval()
    with torch.no_grad():
        raw = network(x, edges)
    score = judged(raw, y, test if args.part == "test" else validation, args.metric)
    print(f"{number}: {args.metric} {score:.2f} % on {args.part}, {seconds:.1f} s", flush=True)
    return score, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--masks", type=int, default=0)
    parser.add_argument("--metric", choices=["accuracy", "roc_auc"], default="accuracy")
    parser.add_argument("--part", choices=["test", "validation"], default="test")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--residual", action="store_true")
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    x, edges, y, masks_of = folder(args.source) if args.source.is_dir() else archive(args.source)
    edges = to_undirected(torch.tensor(np.array(edges), dtype=torch.long).t().contiguous())
    data = x, edges, y, masks_of
    done = [run(data, number, args) for number in range(args.masks or args.seeds)]
    scores = [score for score, _ in done]
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    seconds = statistics.median(seconds for _, seconds in done)
    print(f"mean {statistics.mean(scores):.2f} ± {spread:.2f} over {len(scores)}, median {seconds:.1f} s")


if __name__ == "__main__":
    main()
