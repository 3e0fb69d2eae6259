"""Searches in space beside SciPy's and NumPy's, reductions of rows beside PyTorch's, in one run, in turn, as ratios.

    python benches/peers/neighbours.py [--threads 1,2] [--rounds 9] [--calls nearest-20,farthest,...]

Needs `cargo build --release -p candor-kernels --example neighbours`, and a virtual environment with `scipy` (and `torch` for the
`segment-` calls). A round times both sides one after the other; printed are the medians of both and of the ratios, with their
range, and how many thousands of queries, chosen points or entries a second that is for us. Trees are built anew in each call.

SciPy's trees hold 64-bit numbers; `workers` is the number of threads. It answers a ball query with lists in no order, here they come
nearest first. NumPy samples all clouds together, one call an axis, and uses one thread.
"""

import argparse
import statistics
import sys
from pathlib import Path

import in_turn
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "target" / "release" / "examples" / "neighbours"
# Calls of ours for one of the peer: both sides of a round then last about as long, and threads are awake for most of it.
OFTENER = 4


def cubes(clouds, points):
    return np.random.default_rng(1).random((clouds, points, 3))


def spheres(clouds, points):
    x = np.random.default_rng(2).normal(size=(clouds, points, 3))
    return x / np.linalg.norm(x, axis=2, keepdims=True)


def peers(threads):
    from scipy.spatial import cKDTree

    def nearest(clouds, k):
        return lambda: [cKDTree(x).query(x, k=k, workers=threads) for x in clouds]

    def build(clouds):
        return lambda: [cKDTree(x) for x in clouds]

    def balls(clouds, radius):
        return lambda: [cKDTree(x).query_ball_point(x, radius, workers=threads) for x in clouds]

    def balls_most(clouds, radius, most):
        # Where fewer are near, the rest of the row says so.
        return lambda: [cKDTree(x).query(x, k=most, distance_upper_bound=radius, workers=threads) for x in clouds]

    def farthest(clouds, count):
        axes = [np.ascontiguousarray(clouds[:, :, axis], dtype=np.float32) for axis in range(3)]
        rows = np.arange(len(clouds))

        def call():
            distances = np.full(axes[0].shape, np.inf, dtype=np.float32)
            chosen = np.zeros((len(clouds), count), dtype=np.int64)
            for i in range(1, count):
                x, y, z = (axis - axis[rows, chosen[:, i - 1], None] for axis in axes)
                x *= x
                y *= y
                z *= z
                x += y
                x += z
                np.minimum(distances, x, out=distances)
                chosen[:, i] = distances.argmax(1)
            return chosen

        return call

    def segments(reduction):
        def make():
            import torch

            torch.set_num_threads(threads)
            starts = torch.tensor([row // 2 * 64 + row % 2 * (1 + row // 2 % 63) for row in range(4001)])
            x = torch.randn(int(starts[-1]), 64, requires_grad=True)

            def call():
                x.grad = None
                torch.segment_reduce(x, reduction, offsets=starts).sum().backward()

            return call

        return make

    small = cubes(8, 1024)
    return {
        "nearest-8": (lambda: nearest(small, 8), 8192, 6),
        "nearest-20": (lambda: nearest(small, 20), 8192, 6),
        "nearest-20-sphere": (lambda: nearest(spheres(8, 1024), 20), 8192, 6),
        "nearest-20-large": (lambda: nearest(cubes(1, 65_536), 20), 65_536, 1),
        "build": (lambda: build(small), 8192, 40),
        "exhaustive-20": (lambda: nearest(small, 20), 8192, 6),
        "ball": (lambda: balls(small, 0.17), 8192, 6),
        "ball-32": (lambda: balls_most(small, 0.2, 32), 8192, 6),
        "farthest": (lambda: farthest(small, 512), 4096, 10),
        "segment-sum": (segments("sum"), 128_000, 5),
        "segment-mean": (segments("mean"), 128_000, 5),
        "segment-max": (segments("max"), 128_000, 5),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls")
    arguments = parser.parse_args()

    print(f"milliseconds a call, medians of {arguments.rounds} rounds")
    print(f"{'call':<18}{'threads':>8}{'ours':>10}{'peer':>10}{'ratio':>8}  {'range':<14}{'thousands/s':>12}")
    for threads in arguments.threads.split(","):
        ours = in_turn.Ours(OURS, threads)
        for name, (make, items, count) in peers(int(threads)).items():
            if arguments.calls and name not in arguments.calls.split(","):
                continue
            call = make()
            call()
            ours.seconds(name, 1)
            rounds = in_turn.rounds(arguments.rounds, lambda: ours.seconds(name, OFTENER * count), call, count)
            ratios = [a / b for a, b in rounds]
            a, b = (statistics.median(side) for side in zip(*rounds))
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            times = f"{1e3 * a:>10.2f}{1e3 * b:>10.2f}{statistics.median(ratios):>8.2f}"
            print(f"{name:<18}{threads:>8}{times}  {spread:<14}{items / a / 1e3:>12.0f}", flush=True)
        ours.end()


if __name__ == "__main__":
    sys.exit(main())
