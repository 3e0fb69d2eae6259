"""Our side of a comparison that is timed in turn: a program that reads lines `NAME COUNT` and answers each with the seconds of one step."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path


class Ours:
    """A program of ours, on so many threads where that is said."""

    def __init__(self, program, threads=None):
        environment = os.environ | ({"RAYON_NUM_THREADS": str(threads)} if threads else {})
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def seconds(self, name, count):
        self.process.stdin.write(f"{name} {count}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def high_water(self):
        """The greatest resident memory so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM"))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def rounds(number, mine, step, count):
    """Seconds of ours and of `count` steps of the peer, one pair a round, in turn."""
    pairs = []
    for _ in range(number):
        ours = mine()
        started = time.perf_counter()
        for _ in range(count):
            step()
        pairs.append((ours, (time.perf_counter() - started) / count))
    return pairs


def memory(script, names, program, ours_of=lambda name: name):
    """Prints what three steps of each take beyond what was there before, of ours and of the peer, which `script --alone NAME` tells."""
    print("greatest resident memory above that at the start, MB")
    print(f"{'step':<18}{'ours':>10}{'PyTorch':>10}{'ratio':>8}")
    for name in names:
        ours = Ours(program(name))
        before = ours.high_water()
        ours.seconds(ours_of(name), 3)
        mine = ours.high_water() - before
        ours.end()
        peer = subprocess.run([sys.executable, script, "--alone", name], capture_output=True, text=True, check=True)
        theirs = float(peer.stdout)
        print(f"{name:<18}{mine:>10.0f}{theirs:>10.0f}{mine / theirs:>8.2f}", flush=True)


def alone(make):
    """Prints the memory of three steps of the peer that `make` makes, beyond what was there before."""

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

    before = peak()
    step = make()
    for _ in range(3):
        step()
    print(peak() - before)
