"""How often an image of ZSM-5 with pyridine at an acid site is given the right T site.

    python benchmarks/acid_site.py --folder FOLDER [--doses 10000,3000] [--numbers 1,2,...] [--shown true,off,empty]
        [--seed 17] [--out FILE]

Own images of a folder of `stemforge structures candidates`, as in `benchmarks/conformation.py simulated`, each with one
of its candidates (--numbers counts them from 1 on): how often its T site is the most probable, how probable it is, how
often the smallest set of 90 % holds it, and how large that set is. A row for each image, dose, size of the blocks and
prior; --out draws the last image of `true`. One noise-free image of each serves all doses. Asked with molecules where
candidates have them (displacement 0), and with such as may lie 0.3 Å beside.

Shown are: `true`, a candidate, asked once more with the candidates at its T site taken out (`removed`); `off`, its
molecule 0.3 Å beside where the candidate has it, as candidates relaxed by tight binding are off; and, as a control,
`empty`: the framework alone, where "none of the candidates" is right. `none` is the share of blocks with that answer.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from conformation import REPEAT, Conditions, Quick, altered, bare, numbers_of, report, sampling

from stemforge.infer import (
    CandidateFolder,
    draw_acid_site,
    find_lattice,
    locate_acid_site,
    read_candidate_folder,
)
from stemforge.infer.conformation.analysis import Comparison
from stemforge.infer.conformation.sites.folder import DISPLACEMENT
from stemforge.structures.tags import Tag

OFF = 0.3  # Å; by which candidates relaxed by tight binding are off
SHOWN = ("true", "off", "empty")


def shifted(atoms: Atoms, length: float, rng: np.random.Generator) -> Atoms:
    """Move the guests across the beam, in any direction [Å]."""
    moved_atoms, angle = atoms.copy(), rng.uniform(0, 2 * np.pi)
    moved_atoms.positions[atoms.get_tags() == Tag.GUEST, :2] += length * np.array(
        [np.cos(angle), np.sin(angle)]
    )
    return moved_atoms


def measure(
    path: Path,
    doses: Sequence[int],
    numbers: Sequence[int],
    seed: int,
    asked_for: Sequence[str],
    drawn: Path | None,
) -> None:
    """Measure posteriors over T sites, a row for each image, prior and size of the blocks; draw the last one."""
    folder = read_candidate_folder(path)
    numbers = numbers or range(1, len(folder.rows) + 1)
    for number in numbers:
        rng = np.random.default_rng([seed, 2, number])
        conditions, shown = Conditions.drawn(rng), folder.candidates[number - 1]
        atoms, site = shown.crystal.atoms, folder.rows[number - 1].t_site
        rest = [i for i, row in enumerate(folder.rows) if row.t_site != site]
        less = replace(
            folder,
            candidates=tuple(folder.candidates[i] for i in rest),
            rows=tuple(folder.rows[i] for i in rest),
        )
        films = {"true": atoms, "off": shifted(atoms, OFF, rng), "empty": bare(atoms)}
        for kind in asked_for:
            signal = conditions.signal(films[kind])
            for dose in doses:
                image = conditions.recorded(signal, dose, sampling(atoms), rng)
                lattice = find_lattice(image, framework=shown.bare.framework)
                asked = Quick(image, folder.candidates, lattice)
                facts = {"shown": kind, "site": f"T{site}", "dose": dose}
                on_site(asked, folder, facts)
                if kind == "true" and drawn is not None:
                    draw_acid_site(locate_acid_site(asked.result(1), folder), drawn)
                if kind == "true":
                    on_site(altered(asked, kept=rest), less, {**facts, "shown": "removed"})


def on_site(asked: Comparison, folder: CandidateFolder, facts: dict[str, Any]) -> None:
    """Measure the posteriors of one image."""
    place = next((i for i, number in enumerate(folder.t_sites) if f"T{number}" == facts["site"]), None)
    for displacement in (0.0, DISPLACEMENT):
        other = altered(asked, displacement=displacement)
        # Single cells are asked where they say most.
        for size in (None, 1) if displacement and facts["shown"] in ("true", "off") else (None,):
            found = other.result(size)
            for prior in ("flat", "energy"):
                sites = locate_acid_site(found, folder, prior)
                inside = sites.smallest_sets()
                row = {
                    "displacement": displacement,
                    "cells": REPEAT**2 if size is None else 1,
                    "prior": prior,
                    "answers": len(sites.none),
                    "none": (sites.none > 0.5).mean(),
                    "probability of the best": sites.probability.max(1).mean(),
                    "set": inside.sum(1).mean(),
                }
                if facts["shown"] in ("true", "off"):
                    row |= {
                        "right": (sites.probability.argmax(1) == place).mean(),
                        "probability of the truth": sites.probability[:, place].mean(),
                        "held": inside[:, place].mean(),
                    }
                report(
                    **facts,
                    **{n: v if isinstance(v, str | int) else round(float(v), 4) for n, v in row.items()},
                )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--doses", type=numbers_of, default=[10_000, 3000])
    parser.add_argument("--numbers", type=numbers_of)
    parser.add_argument("--shown", default=",".join(SHOWN))
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    for kind in args.shown.split(","):
        if kind not in SHOWN:
            parser.error(f"--shown takes {', '.join(SHOWN)}, not '{kind}'")
    measure(args.folder, args.doses, args.numbers, args.seed, args.shown.split(","), args.out)


if __name__ == "__main__":
    main()
