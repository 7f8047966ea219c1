"""The commands of this room: ``stemforge structures candidates``."""

from typing import Literal

from stemforge.errors import InputError
from stemforge.options import Framework, Output, Progress, Seed, Words


def make_candidates(
    *,
    guest: str = "pyridine",
    crystal: Framework = Framework(),
    t_sites: Words | None = None,
    oxygens: Literal["all", "best"] = "all",
    orientations: int = 1,
    protonated: bool = False,
    calculator: str = "gfn2",
    temperature: float = 298.0,
    radius: float = 3.5,
    fmax: float = 0.1,
    steps: int = 150,
    randomness: Seed = Seed(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> int:
    """Make structures of a zeolite with an acid site and a molecule that is docked at it and relaxed.

    For each T site and oxygen NAME.cif, the whole unit cell; and candidates.csv, candidates.png and run.json, in the
    folder `candidates`. The molecule's N, O or S faces the proton, in a channel. A cluster around it, ended by
    hydrogen, is relaxed; the framework beyond the aluminium and its oxygens stays. Columns of candidates.csv: name,
    T site, oxygen, energy_eV (molecule at the site against the empty site and the molecule alone), weight (Boltzmann,
    over all candidates), distances between heteroatom (head), proton and oxygen, whether the proton went to the
    molecule (transferred), displacement by the relaxation, force that is left, steps, converged. A CIF file given as
    `--framework` must hold Si and O alone.

    The same command again goes on where it was stopped. A candidate that fails, or whose molecule leaves its channel,
    is named and left out, and the exit code is then 1. Oxygens whose proton points into no channel are named.

    Parameters
    ----------
    guest
        Molecule at the site: pyridine, thiophene, benzene, a name that ase.build.molecule knows, or a structure file
        (such as XYZ).
    t_sites
        T sites that get the aluminium: all, or their numbers, such as 1 12 or T1 T12.
    oxygens
        Which oxygens of each T site get the proton: all, or the best, before whose proton the molecule has most room.
    orientations
        Starting poses at each oxygen; each becomes a candidate.
    protonated
        Start with the proton on the molecule.
    calculator
        How structures are relaxed: gfn2 or gfn1 (tight binding; pip install "stemforge[relax]"), or none: docked only.
    temperature
        Temperature of the Boltzmann weights [K].
    radius
        Oxygens within this distance of the molecule belong to the cluster [Å].
    fmax
        Largest force that may be left [eV/Å].
    steps
        Most steps of a relaxation.
    """
    from stemforge.structures.candidates.files import candidates
    from stemforge.structures.candidates.search import CandidateSearch

    search = CandidateSearch(
        _numbers(t_sites or ["all"]),
        oxygens,
        orientations,
        protonated,
        radius=radius,
        fmax=fmax,
        steps=steps,
        seed=randomness.seed,
    )
    folder = output.results("candidates")
    return candidates(
        crystal.framework,
        guest,
        folder,
        search,
        calculator=calculator,
        temperature=temperature,
        quiet=progress.quiet,
    ).exit_code


def _numbers(words: list[str]) -> tuple[int, ...] | None:
    """Return numbers of T sites, None for all."""
    parts = [part for word in words for part in word.replace(",", " ").split()]
    if [part.lower() for part in parts] == ["all"]:
        return None
    try:
        return tuple(int(part.upper().removeprefix("T")) for part in parts)
    except ValueError as error:
        raise InputError(
            f"t_sites must be all, or numbers such as 1 12 or T1 T12, got {' '.join(words)!r}"
        ) from error
