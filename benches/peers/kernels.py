"""Training steps of the kernels beside PyTorch's, in one run, in turn, as ratios.

    python benches/peers/kernels.py [--threads 1,2] [--rounds 9] [--steps lstm,cnn,...] [--memory]

Needs `cargo build --release -p candor-kernels --example steps`, for `stgcn` and `graph-wavenet` `-p candor-graph-series --example series_steps`, and
a virtual environment with `torch` (and `torch_geometric` for the graphs). Of these two PyTorch has two forms, convolutions of `[windows, channels,
series, moments]` as their authors write them (`-conv`), and linear maps of joined moments as ours; the faster one is the peer to quote. A round times both sides one after the other; printed are the medians of both and of the ratios, with their range,
and the floor: what the operations and the bytes of a step, whichever takes longer, would take at the pace of a large product and of a
copy, which are measured first, by PyTorch. The copy is one that fits into the threads' nearest large cache where the step's data do,
else a large one; the floor says which of the three it is. With `--memory` each side runs in a process of its own, and printed is the greatest resident memory, less that
before the step was made.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import in_turn

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "target" / "release" / "examples"
SERIES = {"stgcn": "stgcn", "stgcn-conv": "stgcn", "graph-wavenet": "graph-wavenet", "graph-wavenet-conv": "graph-wavenet"}


def program(name):
    """The program that has our side of a step."""
    return EXAMPLES / ("series_steps" if name in SERIES else "steps")


def peers(torch):
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(0)

    def training(module, loss):
        adam = torch.optim.Adam(module.parameters(), lr=1e-3)

        def step():
            adam.zero_grad()
            loss(module).backward()
            adam.step()

        return step

    def lstm():
        x, y = torch.randn(64, 50, 128), torch.randint(0, 10, (64,))
        module = nn.ModuleDict({"lstm": nn.LSTM(128, 128, batch_first=True), "head": nn.Linear(128, 10, bias=False)})
        return training(module, lambda m: F.cross_entropy(m["head"](m["lstm"](x)[0][:, -1]), y))

    def cnn():
        x, y = torch.randn(64, 3, 32, 32), torch.randint(0, 10, (64,))
        layer = lambda i, o: [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        body = nn.Sequential(*layer(3, 32), *layer(32, 64), nn.MaxPool2d(2), *layer(64, 128))
        module = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10, bias=False))
        return training(module, lambda m: F.cross_entropy(m(x), y))

    def separable():
        x = torch.randn(32, 44, 16, 16)
        pair = lambda k: [nn.ReLU(), nn.Conv2d(44, 44, k, padding=k // 2, groups=44, bias=False), nn.Conv2d(44, 44, 1, bias=False)]
        return training(nn.Sequential(*pair(3), *pair(5)), lambda m: m(x).pow(2).mean())

    def graph(nodes, edges):
        a = torch.randint(0, nodes, (2, edges // 2))
        return torch.cat([a, a.flip(0)], 1)

    def gcn(nodes, edges, widths, x, classes):
        from torch_geometric.nn import GCNConv

        index, y = graph(nodes, edges), torch.randint(0, classes, (nodes,))
        module = nn.ModuleList([GCNConv(i, o, bias=False, cached=True) for i, o in zip(widths, widths[1:])])

        def loss(m):
            h = x
            for number, layer in enumerate(m):
                h = layer(h, index)
                h = h.relu() if number + 1 < len(m) else h
            return F.cross_entropy(h, y)

        return training(module, loss)

    def gcn_cora():
        x = torch.zeros(2708, 1433)
        x.view(-1)[torch.randint(0, x.numel(), (49_216,))] = 1 / 18
        return gcn(2708, 10_556, [1433, 16, 7], x, 7)

    def gcn_large():
        return gcn(170_000, 1_200_000, [128, 256, 256, 40], torch.randn(170_000, 128), 40)

    def edge_convolution():
        clouds, points, k = 8, 1024, 20
        x = torch.randn(clouds, 64, points)
        index = torch.randint(0, points, (clouds, points, k)) + torch.arange(clouds).view(-1, 1, 1) * points
        module = nn.Conv2d(128, 64, 1, bias=False)

        def loss(m):
            # As in the authors' code: gather, join, convolve, take the maximum.
            flat = x.transpose(2, 1).reshape(clouds * points, 64)
            near = flat[index.view(-1)].view(clouds, points, k, 64)
            own = x.transpose(2, 1).view(clouds, points, 1, 64).expand(-1, -1, k, -1)
            joined = torch.cat([own, near - own], 3).permute(0, 3, 1, 2).contiguous()
            return m(joined).relu().max(dim=-1)[0].pow(2).mean()

        return training(module, loss)

    def series(body, layers, width, convolutions):
        """The networks of `series_steps`: 207 series, 64 windows of 12 moments, 12 horizons, a graph whose edges lead one way."""
        nodes, windows, moments, context, rate = 207, 64, 12, 2, 0.1
        graph = torch.zeros(nodes, nodes)
        for node in range(nodes):
            for k in range(1, 8):
                graph[(node * 7 + k * k * 5) % nodes, node] += 1.0
        graph.fill_diagonal_(0)
        share = lambda a: a / a.sum(1, keepdim=True).clamp(min=1)
        walks = [share(graph), share(graph.T)]
        module = (body(convolutions))(nodes, moments, layers, width, walks, rate)
        module.mix, module.mean, module.spread = nn.Linear(width + context, width), nn.Linear(width, moments), nn.Linear(width, moments)
        told = torch.randn(windows, nodes, context)
        x = torch.randn(windows, 1, nodes, moments) if convolutions else torch.randn(nodes, windows, moments, 1)

        def loss(m):
            h = m(x)
            h = h if convolutions else h.transpose(0, 1)
            h = m.mix(torch.cat([h, told], 2)).relu()
            return torch.cat([m.mean(h), m.spread(h)], 2).pow(2).mean()

        return training(module, loss)

    def sent(walk, h, convolutions):
        """One step over edges."""
        if convolutions:
            return torch.einsum("bcnt,mn->bcmt", h, walk).contiguous()
        return (walk @ h.reshape(h.shape[0], -1)).reshape(h.shape)

    def stgcn_body(convolutions):
        class Stgcn(nn.Module):
            def __init__(self, nodes, moments, layers, width, walks, rate):
                super().__init__()
                self.walks, self.rate = walks, rate
                map_ = (lambda i, o, k: nn.Conv2d(i, o, (1, k))) if convolutions else (lambda i, o, k: nn.Linear(i * k, o))
                block = lambda i: nn.ModuleList(
                    [map_(1 if i == 0 else width, 2 * width, 3), map_(3 * width, width, 1), map_(width, 2 * width, 3), nn.LayerNorm(width)]
                )
                self.blocks = nn.ModuleList(block(i) for i in range(layers))
                self.last = map_(width, width, moments - 4 * layers)

            def gated(self, layer, h):
                if convolutions:
                    return F.glu(layer(h), 1)
                length = h.shape[2] - 2
                return F.glu(layer(torch.cat([h[:, :, k : k + length] for k in range(3)], 3)), 3)

            def forward(self, h):
                axis = 1 if convolutions else 3
                for before, mix, after, norm in self.blocks:
                    h = self.gated(before, h)
                    h = (mix(torch.cat([h] + [sent(walk, h, convolutions) for walk in self.walks], axis)) + h).relu()
                    h = self.gated(after, h)
                    h = norm(h.transpose(1, 3)).transpose(1, 3) if convolutions else norm(h)
                    h = F.dropout(h, self.rate)
                if convolutions:
                    return self.last(h).relu()[..., 0].transpose(1, 2)
                return self.last(h.reshape(*h.shape[:2], -1)).relu()

        return Stgcn

    def wavenet_body(convolutions):
        class GraphWavenet(nn.Module):
            def __init__(self, nodes, moments, layers, width, walks, rate):
                super().__init__()
                self.walks, self.rate, self.dilations = walks, rate, [[1, 2, 4][i % 3] for i in range(layers)]
                self.receivers, self.senders = nn.Parameter(torch.randn(nodes, 10)), nn.Parameter(torch.randn(10, nodes))
                if convolutions:
                    map_ = lambda i, o, k=1, d=1: nn.Conv2d(i, o, (1, k), dilation=(1, d))
                else:
                    map_ = lambda i, o, k=1, d=1: nn.Linear(i * k, o)
                self.input = map_(1, width)
                layer = lambda d: nn.ModuleList([map_(width, 2 * width, 2, d), map_(6 * width, width), map_(width, width), nn.LayerNorm(width)])
                self.layers = nn.ModuleList(layer(d) for d in self.dilations)

            def forward(self, x):
                learned = F.softmax((self.receivers @ self.senders).relu(), 1)
                axis, time = (1, 3) if convolutions else (3, 2)
                h, width = self.input(x), self.layers[0][2].weight.shape[0]
                # As far as the layers look back, no more.
                seen = 1 + sum(self.dilations)
                if seen < h.shape[time]:
                    h = h.narrow(time, h.shape[time] - seen, seen)
                said = 0
                for dilation, (gate, mix, skip, norm) in zip(self.dilations, self.layers):
                    moments = h.shape[time] - dilation
                    later = h.narrow(time, dilation, moments)
                    both = gate(h) if convolutions else gate(torch.cat([h[:, :, :moments], later], 3))
                    gated = both.narrow(axis, 0, width).tanh() * both.narrow(axis, width, width).sigmoid()
                    said = said + skip(gated.narrow(time, moments - 1, 1))
                    parts = [gated]
                    for walk in self.walks:
                        parts.append(sent(walk, gated, convolutions))
                        parts.append(sent(walk, parts[-1], convolutions))
                    parts.append(sent(learned, gated, convolutions))
                    h = F.dropout(mix(torch.cat(parts, axis)), self.rate) + later
                    h = norm(h.transpose(1, 3)).transpose(1, 3) if convolutions else norm(h)
                h = (said + h).relu()
                return h[..., 0].transpose(1, 2) if convolutions else h[:, :, 0]

        return GraphWavenet

    return {
        "stgcn": (lambda: series(stgcn_body, 2, 64, False), 1),
        "stgcn-conv": (lambda: series(stgcn_body, 2, 64, True), 1),
        "graph-wavenet": (lambda: series(wavenet_body, 5, 32, False), 1),
        "graph-wavenet-conv": (lambda: series(wavenet_body, 5, 32, True), 1),
        "lstm": (lstm, 12),
        "cnn": (cnn, 2),
        "separable": (separable, 6),
        "gcn-cora": (gcn_cora, 20),
        "gcn-large": (gcn_large, 1),
        "edge-convolution": (edge_convolution, 2),
    }


def needs():
    """Operations (a multiply-add is two) and bytes of each step, as far as no implementation can do without them.

    Operations: products forwards, for the weights, and, except before the first weights, for the inputs. Bytes: what layers hand to each
    other is written and read forwards and backwards; a sparse product reads a row for each entry.
    """
    lstm = 2 * 64 * 50 * 128 * 512
    layers = [(1024, 27, 32), (1024, 288, 64), (256, 576, 128)]
    products = [2 * 64 * pixels * depth * filters for pixels, depth, filters in layers]
    images = [64 * pixels * filters for pixels, _, filters in layers]
    depthwise = [2 * 32 * 44 * 256 * k for k in (9, 25)]
    pointwise = 2 * 32 * 256 * 44 * 44
    words, edges = 49_216, 10_556 + 2_708
    large, n = 1_200_000 + 170_000, 170_000
    series = 207 * 64
    # Products of each layer: rows, inputs, outputs. Of the first block, of the second, and what ends the network.
    stgcn = [(10, 3, 128), (10, 192, 64), (8, 192, 128), (6, 192, 128), (6, 192, 64), (4, 192, 128), (1, 256, 64), (1, 66, 64), (1, 64, 24)]
    moments = [10, 8, 4, 3, 1]
    wavenet = [(11, 1, 32), (1, 34, 32), (1, 32, 24)]
    wavenet += [layer for t in moments for layer in [(t, 64, 64), (t, 192, 32), (1, 32, 32)]]
    operations = lambda layers: sum(2 * series * t * i * o for t, i, o in layers)
    handed = lambda layers: 4 * 4 * series * sum(t * o for t, _, o in layers)
    return {
        "stgcn": (3 * operations(stgcn), handed(stgcn)),
        "graph-wavenet": (3 * operations(wavenet) + 3 * sum(2 * 207 * series * 32 * t for t in moments), handed(wavenet)),
        "lstm": (5 * lstm, 4 * 64 * 50 * (2 * 128 + 4 * 512 + 4 * 128)),
        "cnn": (3 * sum(products) - products[0], 4 * (2 * 64 * 3 * 1024 + 4 * sum(images))),
        "separable": (3 * sum(depthwise) - depthwise[0] + 6 * pointwise, 4 * 4 * 4 * 32 * 44 * 256),
        "gcn-cora": (4 * 16 * words + 4 * 23 * edges + 6 * 2708 * 16 * 7, 8 * 16 * words + 8 * 23 * edges),
        "gcn-large": (
            2 * n * (2 * 128 * 256 + 3 * 256 * 256 + 3 * 256 * 40) + 2 * large * (128 + 2 * 256 + 2 * 40),
            4 * large * (128 + 2 * 256 + 2 * 40) + 4 * 4 * n * (128 + 256 + 256 + 40),
        ),
        "edge-convolution": (4 * 2 * 8192 * 64 * 64, 4 * 2 * 8192 * 20 * 64),
    }


# Bytes that a step works on at a time, as far as they decide where they lie: all that it reads more than once.
WORKING_SETS = {
    "stgcn": 4 * 207 * 64 * 10 * 128 * 2,
    "graph-wavenet": 4 * 207 * 64 * 10 * 64 * 2,
    # 64 sequences: input, gates, cells and states; the weights.
    "lstm": 4 * (64 * 50 * (128 + 512 + 2 * 128) + 2 * 128 * 512),
    "cnn": 4 * 64 * (3 * 1024 + 2 * (32 + 64) * 1024 + 2 * 128 * 256),
    "separable": 4 * 32 * 44 * 256 * 4,
    # Words, graph (an index and a weight an entry, both ways), weights and 16 features a node.
    "gcn-cora": 2 * 8 * (49_216 + 13_264) + 3 * 4 * 1433 * 16 + 3 * 4 * 2708 * 16,
    "gcn-large": 4 * 170_000 * (128 + 2 * 256),
    # One cloud, whose points are gathered from each other.
    "edge-convolution": 4 * (2 * 1024 * 64 + 1024 * 20),
}


def nearest_large_cache():
    """Bytes of a core's second-level cache."""
    size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
    return int(size[:-1]) * {"K": 1 << 10, "M": 1 << 20}[size[-1]]


def paces(torch, threads):
    """Operations a second, and bytes a second of a large copy and of one within the caches: the best of some."""

    def best(work, call):
        call()
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)
        return work / min(seconds)

    a = torch.randn(2048, 2048)
    out = torch.empty_like(a)
    big, copy = torch.randn(1 << 25), torch.empty(1 << 25)
    # A quarter of the cache on each side, again and again.
    count = threads * nearest_large_cache() // 16
    near, near_copy = torch.randn(count), torch.empty(count)

    def often():
        for _ in range(200):
            near_copy.copy_(near)

    operations = best(2 * 2048**3, lambda: torch.mm(a, a, out=out))
    return operations, best(8 << 25, lambda: copy.copy_(big)), best(200 * 8 * count, often)


def floor(name, threads, paces):
    """Milliseconds, and what asks for them."""
    operations_a_second, bytes_a_second, near_bytes_a_second = paces
    name = SERIES.get(name, name)
    operations, size = needs()[name]
    near = WORKING_SETS[name] <= threads * nearest_large_cache()
    moved = size / (near_bytes_a_second if near else bytes_a_second)
    computed = operations / operations_a_second
    if computed >= moved:
        return 1e3 * computed, "operations"
    return 1e3 * moved, "cache" if near else "memory"


def alone(name):
    """Three steps of the peer, for their memory."""
    import torch

    if name.startswith("gcn"):
        import torch_geometric.nn  # noqa: F401

    in_turn.alone(lambda: peers(torch)[name][0]())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        return alone(arguments.alone)
    chosen = arguments.steps.split(",") if arguments.steps else [*needs(), "stgcn-conv", "graph-wavenet-conv"]
    if arguments.memory:
        return in_turn.memory(__file__, chosen, program, lambda name: SERIES.get(name, name))
    import torch

    print(f"PyTorch {torch.__version__}; milliseconds a training step, medians of {arguments.rounds} rounds")
    print(f"{'step':<18}{'threads':>8}{'floor':>10}{'ours':>10}{'PyTorch':>10}{'ratio':>8}  {'range':<15} floor of")
    for threads in arguments.threads.split(","):
        torch.set_num_threads(int(threads))
        measured = paces(torch, int(threads))
        operations, far, near = (pace / 1e9 for pace in measured)
        print(f"{threads} threads: {operations:.0f} G operations/s, {far:.1f} GB/s from memory, {near:.1f} GB/s in the cache", flush=True)
        programs = {}

        def our_seconds(name, count):
            path = program(name)
            if path not in programs:
                programs[path] = in_turn.Ours(path, threads)
            return programs[path].seconds(SERIES.get(name, name), count)

        for name, (make, count) in peers(torch).items():
            if name not in chosen:
                continue
            step = make()
            step()
            our_seconds(name, 1)
            rounds = in_turn.rounds(arguments.rounds, lambda: our_seconds(name, count), step, count)
            ratios = [a / b for a, b in rounds]
            a, b = (1e3 * statistics.median(side) for side in zip(*rounds))
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            least, of = floor(name, int(threads), measured)
            ratio = statistics.median(ratios)
            print(f"{name:<18}{threads:>8}{least:>10.2f}{a:>10.2f}{b:>10.2f}{ratio:>8.2f}  {spread:<15} {of}", flush=True)
        for ours in programs.values():
            ours.end()


if __name__ == "__main__":
    sys.exit(main())
