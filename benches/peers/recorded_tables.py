"""Made tables of recorded results, on which samplers are compared beside real ones: `candor search --table`.

    python benches/peers/recorded_tables.py FOLDER

conditional  13,248 designs of three families, two of them with choices of their own; numbers in order
ordered      32,768 designs of five widths in order, each with falling returns
rugged       65,536 designs of eight choices, each of whose worth depends on two others
additive     19,398 of 59,049 designs of ten choices with four pairs that interact: a table with gaps
sparse        2,000 designs of a space of mixed choices that holds billions

Each has `score` (with noise) and `cost`; all other columns are choices. The same on every machine.
"""

import itertools
import math
import random
import sys
from pathlib import Path

rng = random.Random(5)


def write(folder, name, header, rows):
    lines = [",".join(map(str, row)) for row in [header, *rows]]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def conditional():
    drawn = {}

    def bonus(*key):
        if key not in drawn:
            drawn[key] = rng.gauss(0, 1)
        return drawn[key]

    parts = {
        "mlp": [("", "")],
        "res": [(depth, "") for depth in [1, 2, 3, 4, 6, 8]],
        "attn": [(depth, heads) for depth in [1, 2, 3, 4] for heads in [1, 2, 4, 8]],
    }
    base = {"mlp": 0, "res": 2, "attn": 1.5}
    widths, activations, drops = [16, 32, 64, 128, 256, 512], ["relu", "gelu", "silu", "tanh"], [0, 0.1, 0.2, 0.4]
    for kind, width, activation, rate, drop in itertools.product(parts, widths, activations, range(6), drops):
        for depth, heads in parts[kind]:
            deep = depth or 2
            score = 80 + base[kind] + 0.6 * bonus(activation) + 0.3 * bonus(kind, activation)
            score -= 2 * (math.log2(width) - 7 - (0.5 if kind == "attn" else 0)) ** 2 / 6
            score -= 0.8 * (rate - 3 + 0.3 * math.log2(width / 64)) ** 2 / 2
            score -= 24 * (drop - 0.02 * math.log2(width)) ** 2
            if kind == "res":
                score -= 0.5 * (math.log2(deep) - 2) ** 2
            if kind == "attn":
                score -= 0.4 * (math.log2(deep) - 1) ** 2 + 0.4 * (math.log2(heads) - math.log2(width) / 3) ** 2
            score += rng.gauss(0, 0.3)
            yield [kind, width, activation, rate, drop, depth, heads, round(score, 4), width * width * deep]


def ordered():
    for widths in itertools.product([8, 16, 24, 32, 40, 48, 56, 64], repeat=5):
        score = 70 + sum(worth * (1 - math.exp(-width / 20)) for worth, width in zip([4, 5, 6, 6, 3], widths))
        score -= 0.004 * sum(abs(a - b) for a, b in zip(widths, widths[1:]))
        yield [*widths, round(score + rng.gauss(0, 0.35), 3), sum(9 * a * b for a, b in zip(widths, widths[1:]))]


def rugged(choices=8, partners=2, values=4):
    worth = [{} for _ in range(choices)]
    groups = [[i, *rng.sample([j for j in range(choices) if j != i], partners)] for i in range(choices)]
    cost = [[rng.random() for _ in range(values)] for _ in range(choices)]
    for design in itertools.product(range(values), repeat=choices):
        total = 0
        for i in range(choices):
            key = tuple(design[j] for j in groups[i])
            if key not in worth[i]:
                worth[i][key] = rng.random()
            total += worth[i][key]
        score = round(total / choices * 100 + rng.gauss(0, 0.5), 3)
        yield [*("abcd"[x] for x in design), score, round(1000 * sum(cost[i][x] for i, x in enumerate(design)))]


def additive(choices=10):
    worth = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(choices)]
    pairs = {pair: [[rng.gauss(0, 0.7) for _ in range(3)] for _ in range(3)] for pair in [(0, 1), (2, 5), (3, 8), (4, 9)]}
    for design in itertools.product(range(3), repeat=choices):
        if rng.random() > 0.33:
            continue
        score = sum(worth[i][x] for i, x in enumerate(design)) + rng.gauss(0, 0.3)
        score += sum(table[design[i]][design[j]] for (i, j), table in pairs.items())
        yield [*("pqr"[x] for x in design), round(score, 3), sum((x + 1) * (i + 1) for i, x in enumerate(design)) * 100]


def sparse(count=2000):
    for _ in range(count):
        a, b, c, d = rng.choice("abcd"), rng.choice("uvw"), rng.randrange(10), rng.randrange(10)
        e, f = round(rng.random(), 3), round(rng.random(), 3)
        score = 50 + {"a": 0, "b": 2, "c": 1, "d": -1}[a] + {"u": 0, "v": 1, "w": 0.5}[b]
        score -= 0.5 * abs(c - 6) + 0.1 * (d - 3) ** 2 + 10 * (e - 0.6) ** 2 + 8 * (f - 0.3 * e) ** 2
        yield [a, b, c, d, e, f, round(score + rng.gauss(0, 0.2), 3), 100 * (c + 1) * (d + 1)]


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    end = ["score", "cost"]
    write(folder, "conditional", ["kind", "width", "activation", "rate", "drop", "depth", "heads", *end], conditional())
    write(folder, "ordered", [*(f"c{i}" for i in range(5)), *end], ordered())
    write(folder, "rugged", [*(f"x{i}" for i in range(8)), *end], rugged())
    write(folder, "additive", [*(f"x{i}" for i in range(10)), *end], additive())
    write(folder, "sparse", [*"abcdef", *end], sparse())


if __name__ == "__main__":
    main()
