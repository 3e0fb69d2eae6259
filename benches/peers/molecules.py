"""Compares what is perceived of molecules with RDKit, and the speed of featurisation, training and prediction with Chemprop.

    cargo build --release -p candor-molecule --examples
    python benches/peers/molecules.py equality DATA    # every string in the tables under DATA
    python benches/peers/molecules.py speed DATA       # read, describe
    python benches/peers/molecules.py networks DATA    # train and predict, one thread each, in turn
    python benches/peers/molecules.py golden DATA      # writes the vectors of crates/modality/molecule/tests/golden

Needs rdkit and pandas, and chemprop for `speed` and `networks`. DATA holds esol, freesolv, bbbp, tox21, clintox, sider, hiv and
antibiotic_ecoli.
"""

import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import pandas
from rdkit import Chem, RDLogger, rdBase
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Scaffolds import MurckoScaffold

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "target/release/examples"
FILES = [
    "esol/delaney-processed.csv",
    "freesolv/SAMPL.csv",
    "bbbp/BBBP.csv",
    "tox21/tox21.csv.gz",
    "clintox/clintox.csv.gz",
    "sider/sider.csv.gz",
    "hiv/HIV.csv.gz",
    "antibiotic_ecoli/ecoli.csv",
    "antibiotic_ecoli/broad_repurposing_library.csv.gz",
]
MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


def strings(data):
    """The strings of each table, by the name of its folder."""
    for name in FILES:
        table = pandas.read_csv(pathlib.Path(data) / name)
        column = next(c for c in table.columns if c.lower() == "smiles")
        yield name, [s.strip() for s in table[column].astype(str)]


def atoms(molecule):
    return "".join(
        f"{a.GetAtomicNum()},{a.GetTotalDegree()},{a.GetFormalCharge()},{int(a.GetChiralTag())},"
        f"{a.GetTotalNumHs()},{int(a.GetHybridization())},{int(a.GetIsAromatic())},{a.GetMass():.4f};"
        for a in molecule.GetAtoms()
    )


def bonds(molecule):
    rows = []
    for b in molecule.GetBonds():
        ends = sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx()))
        rows.append(
            f"{ends[0]}-{ends[1]},{int(b.GetBondType())},{int(b.GetIsConjugated())},"
            f"{int(b.IsInRing())},{int(b.GetStereo())}"
        )
    return ";".join(sorted(rows))


def plain(text):
    """RDKit's canonical string without stereochemistry, of what another program wrote."""
    molecule = Chem.MolFromSmiles(text)
    return None if molecule is None else Chem.MolToSmiles(molecule, isomericSmiles=False)


def oracle(text):
    """What RDKit says, in the fields that the example `describe` prints."""
    molecule = Chem.MolFromSmiles(text)
    if molecule is None:
        return None
    bits = ",".join(str(bit) for bit in MORGAN.GetFingerprint(molecule).GetOnBits())
    counts = MORGAN.GetCountFingerprint(molecule).GetNonzeroElements()
    scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule, includeChirality=False)
    return {
        "atoms": atoms(molecule),
        "bonds": bonds(molecule),
        "Morgan bits": bits,
        "Morgan counts": ",".join(f"{bit}:{counts[bit]}" for bit in sorted(counts)),
        "scaffold": scaffold,
        "canonical": Chem.MolToSmiles(molecule),
        "canonical without space": Chem.MolToSmiles(molecule, isomericSmiles=False),
    }


def describe(texts):
    done = subprocess.run(
        [EXAMPLES / "describe"], input="\n".join(texts) + "\n", capture_output=True, text=True, check=True
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


def equality(data):
    print(f"RDKit {rdBase.rdkitVersion}")
    differs, total, both_refuse = collections.defaultdict(list), 0, 0
    # One side's names for molecules by the other's: they must be in one-to-one correspondence.
    pairs = {name: (collections.defaultdict(set), collections.defaultdict(set)) for name in ("key", "plain key")}
    for name, texts in strings(data):
        for text, ours in zip(texts, describe(texts), strict=True):
            total += 1
            theirs = oracle(text)
            if theirs is None or ours[0] == "error":
                if theirs is None and ours[0] == "error":
                    both_refuse += 1
                else:
                    differs["accepted by one side only"].append(text)
                continue
            _, our_atoms, our_bonds, bits, counts, scaffold, key, plain_key, written = ours
            mine = {
                "atoms": our_atoms,
                "bonds": our_bonds,
                "Morgan bits": bits,
                "Morgan counts": counts,
            }
            for field, value in mine.items():
                if value != theirs[field]:
                    differs[field].append(text)
            if plain(scaffold) != plain(theirs["scaffold"]):
                differs["scaffold"].append(text)
            if plain(written) != plain(theirs["canonical without space"]):
                differs["written again"].append(text)
            pairs["key"][0][key].add(theirs["canonical"])
            pairs["key"][1][theirs["canonical"]].add(key)
            pairs["plain key"][0][plain_key].add(theirs["canonical without space"])
            pairs["plain key"][1][theirs["canonical without space"]].add(plain_key)
        print(f"  {name}: {len(texts)} strings", flush=True)
    print(f"{total} strings, {both_refuse} refused by both")
    for field in ["accepted by one side only", "atoms", "bonds", "Morgan bits", "Morgan counts", "scaffold", "written again"]:
        found = differs[field]
        print(f"{field}: {len(found)} differ" + "".join(f"\n    {text}" for text in found[:20]))
    for field, (by_ours, by_theirs) in pairs.items():
        merged = [v for v in by_ours.values() if len(v) > 1]
        parted = [k for k, v in by_theirs.items() if len(v) > 1]
        print(f"{field}: {len(by_ours)} different molecules, RDKit {len(by_theirs)}")
        print(f"    one of ours, several of RDKit's: {len(merged)}" + "".join(f"\n        {sorted(v)[:2]}" for v in merged[:8]))
        print(f"    one of RDKit's, several of ours: {len(parted)}" + "".join(f"\n        {v}" for v in parted[:8]))


def speed(data):
    """Molecules a second on one thread: ours, and Chemprop's from the string to its graph, in turns."""
    from chemprop.data import MoleculeDatapoint, MoleculeDataset
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer

    every = [text for _, texts in strings(data) for text in texts if Chem.MolFromSmiles(text)]
    sample = every[:: max(1, len(every) // 12000)]
    path = pathlib.Path(tempfile.mkdtemp()) / "molecules.smi"
    path.write_text("\n".join(sample) + "\n")
    featurizer = SimpleMoleculeMolGraphFeaturizer()
    few = sample[::6]
    ratios, rates = [], []
    for _ in range(5):
        start = time.perf_counter()
        points = [MoleculeDatapoint.from_smi(text) for text in few]
        dataset = MoleculeDataset(points, featurizer)
        for index in range(len(dataset)):
            dataset[index]
        theirs = len(few) / (time.perf_counter() - start)
        done = subprocess.run([EXAMPLES / "featurize", path], capture_output=True, text=True, check=True)
        fields = [line.split() for line in done.stdout.splitlines()]
        ours = statistics.median(int(f[1]) / float(f[7]) for f in fields)
        reading = statistics.median(int(f[1]) / float(f[9]) for f in fields)
        fingerprints = statistics.median(int(f[1]) / float(f[11]) for f in fields)
        start = time.perf_counter()
        for text in few:
            MORGAN.GetFingerprint(Chem.MolFromSmiles(text))
        rdkit = len(few) / (time.perf_counter() - start)
        ratios.append((ours / theirs, fingerprints / rdkit))
        rates.append((ours, theirs, reading, fingerprints, rdkit))
    columns = list(zip(*rates))
    names = ["read and features", "Chemprop", "read alone", "read and fingerprint", "RDKit's fingerprint"]
    for name, values in zip(names, columns):
        print(f"{name}: {statistics.median(values):.0f} molecules/s ({min(values):.0f} to {max(values):.0f})")
    for name, values in zip(["features", "fingerprints"], zip(*ratios)):
        print(f"{name}: {statistics.median(values):.1f} times as fast ({min(values):.1f} to {max(values):.1f})")


def networks(data, rounds=3):
    """Molecules of BBBP a second of one thread, of the network of Chemprop's defaults: in training (each counted as often as it is shown; on
    our side the watching of the validation part is included), and from strings to predictions; and the memory of the whole process."""
    ours = [EXAMPLES / "moleculenet", pathlib.Path(data) / "bbbp/BBBP.csv", "--target", "p_np", "--validation", "--seeds", "0"]
    theirs = [sys.executable, __file__, "chemprop", data]
    pairs = [(alone(ours), alone(theirs)) for _ in range(rounds)]
    for what in ["trained_a_second", "predicted_a_second", "megabytes"]:
        sides = [(mine[what], peer[what]) for mine, peer in pairs]
        mine, peer = (statistics.median(side) for side in zip(*sides))
        ratios = sorted(ours / other for ours, other in sides)
        print(f"{what}: {mine:.0f}, Chemprop {peer:.0f}; ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def alone(command):
    """What a process on one thread says, and the most memory that it held."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"RAYON_NUM_THREADS": "1"})
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return json.loads(said) | {"megabytes": usage.ru_maxrss / 1e3}


def chemprop_alone(data, epochs=8):
    """Chemprop's side of `networks`, in a process of its own."""
    import warnings

    import torch
    from chemprop.data import MoleculeDatapoint, MoleculeDataset, build_dataloader
    from chemprop.models import MPNN
    from chemprop.nn import BinaryClassificationFFN, BondMessagePassing, NormAggregation
    from lightning import pytorch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    table = pandas.read_csv(pathlib.Path(data) / "bbbp/BBBP.csv")
    known = [(text, label) for text, label in zip(table.smiles, table.p_np) if Chem.MolFromSmiles(text)]
    learned = known[: len(known) * 8 // 10]
    model = MPNN(BondMessagePassing(), NormAggregation(), BinaryClassificationFFN(), batch_norm=False)
    trainer = pytorch.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", devices=1, max_epochs=epochs
    )
    dataset = MoleculeDataset([MoleculeDatapoint.from_smi(text, [label]) for text, label in learned])
    # As its command line does.
    dataset.cache = True
    loader = build_dataloader(dataset, num_workers=0)
    start = time.perf_counter()
    trainer.fit(model, loader)
    trained = time.perf_counter() - start
    start = time.perf_counter()
    dataset = MoleculeDataset([MoleculeDatapoint.from_smi(text) for text, _ in known])
    trainer.predict(model, build_dataloader(dataset, num_workers=0, shuffle=False))
    predicted = time.perf_counter() - start
    print(json.dumps({"trained_a_second": epochs * len(learned) / trained, "predicted_a_second": len(known) / predicted}))


def golden(data):
    """About 200 varied molecules with two more ways to write each, and what RDKit says of them."""
    import random

    random.seed(0)
    chosen, features = [], set()
    every = sorted({t for _, texts in strings(data) for t in texts if 1 < len(t) < 70})
    random.shuffle(every)
    for text in every:
        molecule = Chem.MolFromSmiles(text)
        if molecule is None or molecule.GetNumAtoms() > 26:
            continue
        new = {("atom", a.GetAtomicNum(), a.GetFormalCharge(), int(a.GetHybridization()), a.GetIsAromatic(),
                a.GetTotalNumHs(), int(a.GetChiralTag()), a.GetIsotope()) for a in molecule.GetAtoms()}
        new |= {("bond", int(b.GetBondType()), int(b.GetStereo()), b.GetIsConjugated(), b.IsInRing()) for b in molecule.GetBonds()}
        new |= {("ring", len(r)) for r in Chem.GetSymmSSSR(molecule)}
        if new - features or len(chosen) < 60:
            features |= new
            chosen.append((text, molecule))
        if len(chosen) == 200:
            break
    rows = [
        f"# Written by `molecules.py golden` of benches/peers with RDKit {rdBase.rdkitVersion}; facts about molecules of public sets.",
        "# string, two more ways to write it, atoms, bonds, counts of the Morgan fingerprint, canonical string of the scaffold",
    ]
    for text, molecule in chosen:
        said = oracle(text)
        others = Chem.MolToRandomSmilesVect(molecule, 2, randomSeed=1)
        rows.append("\t".join([text, *others, said["atoms"], said["bonds"], said["Morgan counts"], said["scaffold"]]))
    path = ROOT / "crates/modality/molecule/tests/golden/rdkit.tsv"
    path.write_text("\n".join(rows) + "\n")
    print(f"{len(chosen)} molecules, {path.stat().st_size} bytes")


def main():
    RDLogger.DisableLog("rdApp.*")
    task, data = sys.argv[1], sys.argv[2]
    {"equality": equality, "speed": speed, "networks": networks, "chemprop": chemprop_alone, "golden": golden}[task](data)


if __name__ == "__main__":
    main()
