"""Which candidates to make: sites, oxygens, orientations, and how they are relaxed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from stemforge.errors import InputError
from stemforge.structures.candidates.acid import AcidSite, acid_sites, make_acid
from stemforge.structures.candidates.docking import Docking, attach_guest
from stemforge.structures.checks import require, require_count, require_range

__all__ = ["CandidateSearch", "Start", "docked_starts", "refused_as_input"]

_ROOM_TRIES = 200  # poses that show how much room an oxygen's proton has before it; more where none fits


@contextmanager
def refused_as_input() -> Iterator[None]:
    """Let what the builders refuse be an error that the command line prints: a user gave it."""
    try:
        yield
    except InputError:
        raise
    except (FileNotFoundError, ValueError) as error:
        raise InputError(str(error)) from error


@dataclass(frozen=True)
class CandidateSearch:
    """Which candidates to make, and how.

    Parameters
    ----------
    t_sites : tuple of int, optional
        Numbers of the T sites; all by default.
    oxygens : str, default "all"
        ``"all"`` oxygens of each T site, or the ``"best"``: the one before whose proton the guest has most room.
    orientations : int, default 1
        Starting poses at each oxygen; each becomes a candidate.
    protonated : bool, default False
        Whether the guest has taken up the proton at the start.
    tolerance : float, default 0.75
        See `dock_guest`.
    max_tries : int, default 2000
        Poses to try at each oxygen.
    radius : float, default 3.5
        Size of the cluster [Å], see `stemforge.structures.candidates.cluster.cut_cluster`.
    fmax : float, default 0.1
        Largest force that may be left [eV/Å].
    steps : int, default 150
        Most steps of a relaxation.
    seed : int, default 0
        Of the starting poses: the same seed gives the same candidates, whichever sites are asked for.

    Raises
    ------
    stemforge.errors.InputError
        If a value is out of range.

    Examples
    --------
    >>> from stemforge.structures import acid_sites, zeolite_cell
    >>> [site.name for site in CandidateSearch(t_sites=(12,)).chosen(acid_sites(zeolite_cell()))]
    ['T12-O11', 'T12-O12', 'T12-O20', 'T12-O24']
    >>> CandidateSearch(oxygens="nearest")
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: oxygens must be all or best, got 'nearest'.
    """

    t_sites: tuple[int, ...] | None = None
    oxygens: str = "all"
    orientations: int = 1
    protonated: bool = False
    tolerance: float = 0.75
    max_tries: int = 2000
    radius: float = 3.5
    fmax: float = 0.1
    steps: int = 150
    seed: int = 0

    def __post_init__(self) -> None:
        with refused_as_input():
            self._check()

    def _check(self) -> None:
        require(self.oxygens in ("all", "best"), "oxygens", "all or best", self.oxygens)
        for name in ("orientations", "max_tries", "steps"):
            require_count(name, getattr(self, name))
        require_range("tolerance", self.tolerance, 0.3, 1.0)
        require_range("radius", self.radius, 2.0, 10.0)
        require_range("fmax", self.fmax, 1e-4)
        require_range("seed", self.seed, 0)

    def chosen(self, sites: list[AcidSite]) -> list[AcidSite]:
        """Return the acid sites at the T sites that were asked for."""
        known = sorted({site.t for site in sites})
        wanted = known if self.t_sites is None else list(self.t_sites)
        strange = [number for number in wanted if number not in known]
        if strange:
            raise InputError(
                f"t_sites must be all, or numbers of T sites of this framework, {known[0]} to {known[-1]}, got "
                f"{strange[0]}"
            )
        return [site for site in sites if site.t in wanted]


@dataclass(frozen=True)
class Start:
    """A candidate before it is relaxed.

    Parameters
    ----------
    name : str
        Such as ``T12-O20-1``: T site, oxygen, number of the orientation.
    site : AcidSite
        Its acid site.
    atoms : ase.Atoms
        Crystal with acid site and guest.
    """

    name: str
    site: AcidSite
    atoms: Atoms


def docked_starts(
    crystal: Atoms, guest: str | Atoms, search: CandidateSearch
) -> tuple[list[Start], list[AcidSite]]:
    """Dock a guest at the acid sites of a framework.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell from `zeolite_cell`.
    guest : str or ase.Atoms
        As for `place_guest`.
    search : CandidateSearch
        Which sites and how many orientations.

    Returns
    -------
    starts : list of Start
        By T site, oxygen and orientation.
    closed : list of AcidSite
        Sites at which the guest does not fit.

    Raises
    ------
    stemforge.errors.InputError
        If the guest fits at none of the sites, or a T site does not exist.

    Examples
    --------
    >>> from stemforge.structures import CandidateSearch, zeolite_cell
    >>> from stemforge.structures.candidates.search import docked_starts
    >>> starts, closed = docked_starts(zeolite_cell(), "pyridine", CandidateSearch(t_sites=(12,), max_tries=100))
    >>> [start.name for start in starts], [site.name for site in closed]
    (['T12-O11-1', 'T12-O20-1', 'T12-O24-1'], ['T12-O12'])
    """
    sites = search.chosen(acid_sites(crystal))
    docking = Docking(crystal, guest, search.tolerance)
    if search.oxygens == "best":
        sites = _roomiest(crystal, sites, docking, search)
    starts, closed = [], []
    for site in sites:
        acid = make_acid(crystal, site)
        poses = docking.poses(acid, search.orientations, search.max_tries, _random(search.seed, site))
        for number, positions in enumerate(poses, 1):
            atoms = attach_guest(acid, docking.molecule, positions, protonated=search.protonated)
            starts.append(Start(f"{site.name}-{number}", site, atoms))
        closed += [] if poses else [site]
    if not starts:
        raise InputError(
            f"guest {docking.molecule.name}: fits at none of the {len(closed)} acid sites ({search.max_tries} poses "
            "each): their protons point into no channel that is wide enough; take a smaller guest, other T sites, or "
            "a lower tolerance"
        )
    return starts, closed


def _random(seed: int, site: AcidSite) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(site.t, site.oxygen_site)))


def _roomiest(
    crystal: Atoms, sites: list[AcidSite], docking: Docking, search: CandidateSearch
) -> list[AcidSite]:
    """Return of each T site the acid site at which most poses fit."""
    groups: dict[int, list[AcidSite]] = {}
    for site in sites:
        groups.setdefault(site.t, []).append(site)
    return [_roomiest_of(crystal, group, docking, search) for group in groups.values()]


def _roomiest_of(
    crystal: Atoms, sites: list[AcidSite], docking: Docking, search: CandidateSearch
) -> AcidSite:
    """Return the acid site at which most poses fit, the first of several; where none fits, more are tried."""
    tries = min(_ROOM_TRIES, search.max_tries)
    while True:
        rooms = [docking.room(make_acid(crystal, site), tries, _random(search.seed, site)) for site in sites]
        if max(rooms) > 0 or tries == search.max_tries:
            return sites[int(np.argmax(rooms))]
        tries = min(4 * tries, search.max_tries)
