"""Networks of edge convolutions beside PyTorch's, in one run, in turn, as ratios.

    python benches/peers/clouds.py [--threads 1] [--rounds 9] [--memory]

Needs `cargo build --release -p candor-point-cloud --example dgcnn`, and a virtual environment with `torch`. Both sides are the same network: four edge
convolutions of width 64 over 20 neighbours that are found anew by what each layer sees (Wang et al. 2019), their joint map of width 256, maximum and
mean over the cloud, a layer of 256 and 40 classes, layer normalisation throughout. PyTorch computes edges as the authors' code does: distances of all pairs,
the 20 nearest, gather, join, map, maximum. `forward` is one cloud of 1,024 points, `training` a step of Adam on 8 of them, `segment` a forward pass that
answers for each of 1,024 points. With `--memory` each side runs in a process of its own, and printed is the greatest resident memory, less that before.
"""

import argparse
import statistics
from pathlib import Path

import in_turn

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "target" / "release" / "examples" / "dgcnn"
POINTS, NEAR, WIDTH, DEPTH, CLASSES, CLOUDS = 1024, 20, 64, 4, 40, 8


def peers(torch):
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(0)

    def layer(inputs, outputs):
        return nn.Sequential(nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.ReLU())

    class Edges(nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.map, self.norm = nn.Linear(2 * inputs, WIDTH), nn.LayerNorm(WIDTH)

        def forward(self, x):
            # As in the authors' code, for points side by side.
            clouds, points, width = x.shape
            squares = (x * x).sum(2, keepdim=True)
            distances = squares - 2 * x @ x.transpose(1, 2) + squares.transpose(1, 2)
            index = distances.topk(NEAR, largest=False)[1] + torch.arange(clouds).view(-1, 1, 1) * points
            near = x.reshape(clouds * points, width)[index.view(-1)].view(clouds, points, NEAR, width)
            own = x.view(clouds, points, 1, width).expand(-1, -1, NEAR, -1)
            return F.relu(self.norm(self.map(torch.cat([near - own, own], 3)).max(2)[0]))

    class Network(nn.Module):
        def __init__(self, segments):
            super().__init__()
            self.edges = nn.ModuleList([Edges(3)] + [Edges(WIDTH) for _ in range(DEPTH - 1)])
            self.join, self.segments = layer(DEPTH * WIDTH, 4 * WIDTH), segments
            if segments:
                self.local, self.whole = nn.Linear(DEPTH * WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, 4 * WIDTH)
                self.norm, self.last = nn.LayerNorm(4 * WIDTH), layer(4 * WIDTH, 2 * WIDTH)
                self.head = nn.Linear(2 * WIDTH, CLASSES)
            else:
                self.last, self.head = layer(8 * WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, CLASSES)

        def forward(self, x):
            seen = []
            for edges in self.edges:
                x = edges(x)
                seen.append(x)
            seen = torch.cat(seen, 2)
            joined = self.join(seen)
            greatest = joined.max(1)[0]
            if self.segments:
                both = F.relu(self.norm(self.local(seen) + self.whole(greatest).unsqueeze(1)))
                return self.head(self.last(both))
            return self.head(self.last(torch.cat([greatest, joined.mean(1)], 1)))

    def passing(segments):
        network, x = Network(segments).eval(), 2 * torch.rand(1, POINTS, 3) - 1

        def step():
            with torch.inference_mode():
                network(x)

        return step

    def training():
        network, x = Network(False), 2 * torch.rand(CLOUDS, POINTS, 3) - 1
        truth = torch.arange(CLOUDS)
        adam = torch.optim.AdamW(network.parameters(), lr=1e-3)

        def step():
            adam.zero_grad()
            F.cross_entropy(network(x), truth).backward()
            adam.step()

        return step

    return {"forward": (lambda: passing(False), 5), "segment": (lambda: passing(True), 5), "training": (training, 1)}


def alone(name):
    import torch

    torch.set_num_threads(1)
    in_turn.alone(lambda: peers(torch)[name][0]())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        return alone(arguments.alone)
    import torch

    if arguments.memory:
        return in_turn.memory(__file__, peers(torch), lambda _: OURS)
    print(f"PyTorch {torch.__version__}; milliseconds, medians of {arguments.rounds} rounds")
    print(f"{'step':<12}{'threads':>8}{'ours':>10}{'PyTorch':>10}{'ratio':>8}  range")
    for threads in arguments.threads.split(","):
        torch.set_num_threads(int(threads))
        ours = in_turn.Ours(OURS, threads)
        for name, (make, count) in peers(torch).items():
            step = make()
            step()
            ours.seconds(name, 1)
            rounds = in_turn.rounds(arguments.rounds, lambda: ours.seconds(name, count), step, count)
            mine, theirs = (statistics.median(side) for side in zip(*rounds))
            ratios = sorted(a / b for a, b in rounds)
            ratio = statistics.median(ratios)
            print(
                f"{name:<12}{threads:>8}{1e3 * mine:>10.1f}{1e3 * theirs:>10.1f}{ratio:>8.2f}  {ratios[0]:.2f} to {ratios[-1]:.2f}",
                flush=True,
            )
        ours.end()


if __name__ == "__main__":
    main()
