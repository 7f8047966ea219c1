"""How far relaxations by tight binding are from published structures that were relaxed by DFT.

Each published structure of ZSM-5 with pyridine (STEMFORGE_DATA_DIR/zsm5-idpc/pyridine, periodic DFT) is relaxed from
where it is, in a cluster, once with the whole framework fixed and once as `stemforge structures candidates` does; then
with the guest turned about its hydrogen bond at the start. Needs `pip install "stemforge[relax]"`.

    python benchmarks/candidates.py --structures 1 2 3 4 5 --radius 3.5
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from scipy.spatial.transform import Rotation

from stemforge.structures import named_calculator, relax
from stemforge.structures.candidates.cluster import cut_cluster
from stemforge.structures.tags import Tag


def published(number: int) -> Atoms:
    """Read one structure, guest tagged and whole, acid site noted."""
    path = Path(os.environ["STEMFORGE_DATA_DIR"]) / "zsm5-idpc" / "pyridine" / f"{number}.cif"
    atoms = read(path)
    aluminium, head = (int(np.flatnonzero(atoms.symbols == symbol)[0]) for symbol in ("Al", "N"))
    hydrogen = np.flatnonzero(atoms.symbols == "H")
    carbon = np.flatnonzero(atoms.symbols == "C")
    to_carbon = [atoms.get_distances(h, carbon, mic=True).min() for h in hydrogen]
    proton = int(hydrogen[np.argmax(to_carbon)])
    guest = [head, *carbon, *(h for h in hydrogen if h != proton)]
    for atom in (*guest, proton):
        atoms.positions[atom] = atoms.positions[head] + atoms.get_distance(head, atom, mic=True, vector=True)
    tags = np.zeros(len(atoms), dtype=int)
    tags[guest] = Tag.GUEST
    atoms.set_tags(tags)
    atoms.info["acid"] = {"aluminium": aluminium, "proton": proton, "head": head}
    return atoms


def turned(atoms: Atoms, angle: float) -> Atoms:
    """Turn the guest about the line from its N to the proton [degrees]."""
    moved, acid = atoms.copy(), atoms.info["acid"]
    axis = atoms.positions[acid["head"]] - atoms.positions[acid["proton"]]
    turn = Rotation.from_rotvec(np.radians(angle) * axis / np.linalg.norm(axis))
    guest = atoms.get_tags() == Tag.GUEST
    moved.positions[guest] = (
        turn.apply(atoms.positions[guest] - atoms.positions[acid["head"]]) + atoms.positions[acid["head"]]
    )
    return moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--structures", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--radius", type=float, default=3.5)
    parser.add_argument("--free", type=float, nargs="+", default=[-1.0, 2.2], help="-1: framework fixed")
    parser.add_argument("--turn", type=float, nargs="+", default=[0.0])
    parser.add_argument("--calculator", default="gfn2")
    parser.add_argument("--steps", type=int, default=150)
    options = parser.parse_args()
    make = named_calculator(options.calculator)
    print("structure free turn atoms rms_A largest_A N-H O-H N-O Al-O_A steps seconds force")
    for number in options.structures:
        reference = published(number)
        guest = (reference.get_tags() == Tag.GUEST) & (reference.numbers > 1)
        for free in options.free:
            for angle in options.turn:
                begun = time.monotonic()
                start = turned(reference, angle)
                cluster = cut_cluster(start, radius=options.radius, free=free)
                found = relax(cluster.atoms, make(), fixed=cluster.fixed.tolist(), steps=options.steps)
                after = cluster.put_back(start, found.atoms.positions)
                moved = np.linalg.norm((after.positions - reference.positions)[guest], axis=1)
                acid = after.info["acid"]
                oxygens = np.flatnonzero(after.symbols == "O")
                bonds = np.sort(after.get_distances(acid["aluminium"], oxygens, mic=True))[:4]
                lengths = (
                    after.get_distance(acid["head"], acid["proton"], mic=True),
                    after.get_distances(acid["proton"], oxygens, mic=True).min(),
                    after.get_distances(acid["head"], oxygens, mic=True).min(),
                )
                print(
                    number, f"{free:g}", f"{angle:g}", len(cluster.atoms), f"{np.sqrt((moved**2).mean()):.3f}",
                    f"{moved.max():.3f}", *(f"{value:.3f}" for value in lengths),
                    ",".join(f"{value:.2f}" for value in bonds), found.steps,
                    f"{time.monotonic() - begun:.1f}", f"{found.force:.3f}", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
