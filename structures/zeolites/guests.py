"""Molecules in the channels of a framework: placed, or found in a cell that holds them."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.neighborlist import natural_cutoffs, neighbor_list
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stemforge.structures.cells import Array
from stemforge.structures.checks import require, require_count, require_generator, require_range
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.channels import find_channels, require_film, shear_at
from stemforge.structures.zeolites.molecules import Molecule, measure_pose, named_molecule
from stemforge.structures.zeolites.placing import HYDROGEN_BONDS, Placer
from stemforge.structures.zeolites.tiles import draw_variants, tile_offsets

__all__ = ["NO_CHANNEL", "guests_from_cell", "place_guest"]

NO_CHANNEL = -1
"""Number of the channel of molecules that lie in none along the beam."""


def _weights(molecule: object) -> tuple[list[Molecule], Array]:
    """Molecules to choose from, and the probability of each."""
    if not isinstance(molecule, str | Mapping):
        return [named_molecule(molecule)], np.ones(1)  # type: ignore[arg-type]
    mixture = {molecule: 1.0} if isinstance(molecule, str) else molecule
    require(len(mixture) > 0, "molecule", "at least one name", molecule)
    for weight in mixture.values():
        require_range("the weight of a molecule", weight, 0.0)
    weights = np.array([float(weight) for weight in mixture.values()])
    require(weights.sum() > 0, "the weights of the molecules", "positive in sum", molecule)
    return [named_molecule(name) for name in mixture], weights / weights.sum()


def place_guest(
    atoms: Atoms,
    molecule: str | Atoms | Mapping[str, float] = "pyridine",
    *,
    occupancy: float = 1.0,
    orientation: float | None = None,
    tilt: float | None = None,
    anchored: bool = False,
    columns: bool = False,
    each: int = 1,
    variants: int | None = None,
    tolerance: float = 0.8,
    thermal_sigma: float = 0.15,
    max_tries: int = 2000,
    rng: np.random.Generator,
) -> Atoms:
    """Place molecules into the channels that run along the beam.

    The defaults follow ten relaxed structures of ZSM-5 with pyridine or thiophene [1]_: molecules lie nearly
    flat across the channel, near its axis, or with their heteroatom at an acid proton.

    Parameters
    ----------
    atoms : ase.Atoms
        Film from `mfi` or `zeolite`, with or without aluminium; not changed.
    molecule : str, ase.Atoms or mapping, default "pyridine"
        ``"pyridine"``, ``"thiophene"``, ``"benzene"``, a name of ``ase.build.molecule``, or atoms; for a
        mixture, names and their weights, such as ``{"pyridine": 2, "thiophene": 1}``.
    occupancy : float, default 1.0
        Probability, 0–1, that a channel of a tile holds a molecule.
    orientation : float, optional
        Azimuth of the direction from the molecule's centre to its heteroatom in the picture [degrees], from
        x towards y; drawn at random by default.
    tilt : float, optional
        Angle between the molecule's normal and the beam, 0–90 [degrees]; by default drawn from a Rayleigh
        distribution of scale 22° (mean 28°).
    anchored : bool, default False
        Hydrogen-bond the molecule's N, O or S to an acid proton of the channel (N…H 1.70–1.85, O…H 1.70–1.90,
        S…H 2.15–2.30 Å; the proton stays with the framework), with its centre within 2.2 Å of the axis. A
        channel without a proton that the molecule can reach stays empty. The proton's direction
        sets the tilt: in MFI it is 26° in the mean for thiophene and 43° for pyridine after
        ``substitute_aluminium(site=3, oxygen=1)``, 27° in the relaxed structures, whose framework gives way.
        Otherwise the centre lies off the axis by 0.45 Å (standard deviation along x and y), at any height at
        which the molecule is inside the film.
    columns : bool, default False
        Put the molecule into every unit cell along the beam, always in the same pose, instead of into one of
        them: an ordered column of guests, seen from its end. It counts as one molecule.
    each : int, default 1
        Molecules, or columns of them, in a channel that is not empty: their species and poses are drawn one by one.
        Where fewer fit it holds fewer, but never none.
    variants : int, optional
        How many distinct tiles to draw and spread over the film, so that imaging costs only these; tiles of
        the same variant are exact translates. By default each tile is drawn on its own, or with the variants
        that `substitute_aluminium` drew.
    tolerance : float, default 0.8
        Two atoms clash when they are nearer than this fraction of the sum of their van der Waals radii (H
        counts 1.0 Å). In the relaxed structures it is 0.85 or more, hydrogen bonds apart; there the framework
        gives way, and with 0.85 a rigid one has room for pyridine only where its channels cross.
    thermal_sigma : float, default 0.15
        Root mean square displacement of the guests' atoms along one axis [Å].
    max_tries : int, default 2000
        Poses to try for each molecule.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        The film's atoms, then the guests' with ``Tag.GUEST``, array ``molecule`` (running number, −1 for all
        other atoms), ``tile`` of their channel's cell, ``site`` 0 and ``thermal_sigma``. Molecules stay whole
        and may stand out over the edges of the periodic cell. ``info["molecules"]`` lists, in the order of
        the numbers, ``name``, ``angle_degrees``, ``tilt_degrees`` and ``centre`` (x, y, z) [Å], see
        `stemforge.structures.zeolites.molecules.Pose`, and ``count``, how many lie one behind the other (then
        ``centre`` is the column's), and ``channel``, the running number of the channel in the film: molecules with
        the same number lie in the same channel; ``info["variants"]`` the variant of each tile.

    Raises
    ------
    ValueError
        If a parameter is out of range, the framework has no channel along the beam, `columns` are asked for
        with `anchored` (each cell has protons of its own), `anchored` finds no
        proton or no heteroatom, or a molecule fits nowhere after `max_tries` poses.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    References
    ----------
    .. [1] Yang et al., Adv. Sci. (2024), doi:10.1002/advs.202408629.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import mfi, place_guest
    >>> film = place_guest(mfi(repeat=(2, 2)), "pyridine", rng=np.random.default_rng(0))
    >>> len(film.info["molecules"]), film.info["molecules"][0]["name"]
    (8, 'pyridine')
    """
    require_film(atoms)
    species, weights = _weights(molecule)
    require_range("occupancy", occupancy, 0.0, 1.0)
    require_range("orientation", orientation or 0.0, -360.0, 360.0)
    require_range("tilt", tilt or 0.0, 0.0, 90.0)
    require_range("tolerance", tolerance, 0.0, 1.5)
    require_range("thermal_sigma", thermal_sigma, 0.0)
    require_count("max_tries", max_tries)
    require_count("each", each)
    require_generator(rng)
    require(not (columns and anchored), "columns", "False when anchored", columns)
    cells = int(atoms.info["thickness"]) if columns else 1
    channels = find_channels(atoms)
    mend = "Choose a zone_axis along which the framework has channels."
    require(len(channels) > 0, "the number of channels along the beam", "1 or more", 0, mend)
    variant = draw_variants(atoms, variants, rng)
    placer = Placer(atoms, tolerance, rng)
    if anchored:
        for one in species:
            symbol = chemical_symbols[one.numbers[one.head]]
            mend = f"{one.name} can be placed with anchored=False."
            require(symbol in HYDROGEN_BONDS, "molecule", "one with N, O or S when anchored", one.name, mend)
        mend = "Call substitute_aluminium() first, or give anchored=False."
        require(len(placer.protons) > 0, "the number of acid protons", "1 or more when anchored", 0, mend)

    found: list[tuple[int, int, Molecule, Array]] = []
    for number in np.unique(variant):
        tiles = np.flatnonzero(variant == number)
        for k, channel in enumerate(channels):
            chosen = rng.random() < occupancy
            for number_there in range(each):
                one = species[rng.choice(len(species), p=weights)]
                if not chosen or (anchored and not placer.acid_sites(channel, tiles)):
                    break
                positions = placer.place(one, channel, tiles, (orientation, tilt), anchored, max_tries, cells)
                if positions is None and (anchored or number_there):
                    break
                if positions is None:
                    raise ValueError(
                        f"molecule must be one that fits into the channel at ({channel[0]:.1f}, {channel[1]:.1f}) Å "
                        f"(radius {channel[2]:.1f} Å), got {one.name!r}, which clashed in {max_tries} poses. "
                        "Take a smaller molecule, free orientation and tilt, or lower tolerance."
                    )
                found += [(int(tile), k, one, positions + placer.offsets[tile]) for tile in tiles]
    if anchored and occupancy == 1 and not found:
        raise ValueError(
            "anchored must be False where no molecule reaches an acid proton, got True: none fitted in "
            f"{max_tries} poses. Give substitute_aluminium() oxygen=0, or free orientation and tilt."
        )
    found.sort(key=lambda guest: guest[:2])
    film = atoms.copy()
    film.info["molecules"] = list(atoms.info["molecules"])
    film.info["variants"] = variant.tolist()
    for tile, k, one, positions in found:
        numbers = np.tile(one.numbers, cells)
        guest = Atoms(numbers=numbers, positions=positions, tags=[Tag.GUEST] * len(numbers))
        for name, value in (("tile", tile), ("site", 0), ("molecule", len(film.info["molecules"]))):
            guest.set_array(name, np.full(len(guest), value))
        guest.set_array("thermal_sigma", np.full(len(guest), float(thermal_sigma)))
        film += guest
        pose = measure_pose(one.numbers, positions[: len(one.numbers)], one.name)
        middle = tuple((positions[numbers > 1].mean(0) if (numbers > 1).any() else positions[0]).tolist())
        film.info["molecules"].append(
            {**asdict(pose), "centre": middle, "count": cells, "channel": tile * len(channels) + k}
        )
    return film


def guests_from_cell(atoms: Atoms, *, bond_factor: float = 1.15) -> Atoms:
    """Tag the molecules that a framework read from a file holds already.

    A molecule is a group of bonded atoms that is not bonded to the framework, which is the largest group.

    Parameters
    ----------
    atoms : ase.Atoms
        Film from `zeolite`; not changed.
    bond_factor : float, default 1.15
        Atoms are bonded when they are nearer than this times the sum of their covalent radii.

    Returns
    -------
    ase.Atoms
        The same atoms in the same order. Guests get ``Tag.GUEST``, their number in the array ``molecule`` and
        their entry in ``info["molecules"]``, as from `place_guest`; molecules cut by a face of the film or an
        edge of the cell are made whole, and belong to the tile of their centre.

    Raises
    ------
    ValueError
        If the atoms are no film, or `bond_factor` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import guests_from_cell, mfi, place_guest
    >>> film = place_guest(mfi(), "thiophene", rng=np.random.default_rng(0))
    >>> film.set_tags(0)
    >>> [guest["name"] for guest in guests_from_cell(film).info["molecules"]]
    ['thiophene', 'thiophene']
    """
    require_film(atoms)
    require_range("bond_factor", bond_factor, 0.5, 2.0)
    film = atoms.copy()
    margin = film.info["vacuum"]
    period = film.cell.lengths() - (0.0, 0.0, 2 * margin)
    crystal = Atoms(numbers=film.numbers, positions=film.positions, cell=period, pbc=True)
    i, j, vectors = neighbor_list("ijD", crystal, natural_cutoffs(crystal, mult=bond_factor))
    graph = coo_matrix((np.ones(len(i)), (i, j)), shape=(len(film),) * 2)
    _, labels = connected_components(graph)
    film.info["molecules"] = []
    number = np.full(len(film), -1)
    tags = film.get_tags()
    tags[tags == Tag.GUEST] = Tag.SUPPORT
    for label in range(labels.max(initial=-1) + 1):
        members = np.flatnonzero(labels == label)
        if label == np.argmax(np.bincount(labels)):
            continue
        positions = {int(members[0]): film.positions[members[0]]}
        queue = [int(members[0])]
        while queue:
            here = queue.pop()
            for k in np.flatnonzero(i == here):
                if int(j[k]) not in positions:
                    positions[int(j[k])] = positions[here] + vectors[k]
                    queue.append(int(j[k]))
        whole = np.array([positions[int(member)] for member in members])
        heavy = film.numbers[members] > 1
        centre = whole[heavy].mean(axis=0) if heavy.any() else whole[0]
        whole -= period * np.floor((centre - (0.0, 0.0, margin)) / period)
        pose = measure_pose(film.numbers[members], whole)
        film.positions[members] = whole
        number[members] = len(film.info["molecules"])
        tags[members] = Tag.GUEST
        ahead = np.array([*pose.centre[:2]]) - shear_at(film, np.array(pose.centre[2]))
        ix, iy = np.mod(np.floor(ahead / film.info["tile_size"]).astype(int), film.info["tiles"])
        film.arrays["tile"][members] = iy * film.info["tiles"][0] + ix
        film.info["molecules"].append({**asdict(pose), "count": 1, "channel": NO_CHANNEL})
    film.set_array("molecule", number)
    film.set_tags(tags)
    _number_channels(film)
    return film


def _number_channels(film: Atoms) -> None:
    """Give each listed molecule the number of the channel that its centre lies in."""
    listed = film.info["molecules"]
    channels = find_channels(film) if listed else np.empty((0, 3))
    if not len(channels):
        return
    tiles = tile_offsets(film)[:, :2]
    axes = (tiles[:, None] + channels[:, :2]).reshape(-1, 2)
    edges = film.cell.lengths()[:2]
    for entry in listed:
        centre = np.array(entry["centre"])
        beside = centre[:2] - shear_at(film, centre[2]) - axes
        beside -= edges * np.round(beside / edges)
        nearest = int(np.argmin(np.hypot(*beside.T)))
        if np.hypot(*beside[nearest]) < channels[nearest % len(channels), 2]:
            entry["channel"] = nearest
