"""Draw where and how a molecule lies in a channel, until it fits."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, Indices, wrapped
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.channels import shear_at
from stemforge.structures.zeolites.clashes import Surroundings
from stemforge.structures.zeolites.molecules import Molecule, rotation
from stemforge.structures.zeolites.tiles import shortest, tile_offsets

__all__ = ["HYDROGEN_BONDS", "Placer"]

# Measured in the ten relaxed structures of ZSM-5 with pyridine or thiophene that Yang et al. published
# (doi:10.1002/advs.202408629): tilt 9–65°, root mean square 31°; pyridine 0.4–0.8 Å off the channel's axis;
# N…O 2.72–2.77 Å with N–H–O 174–176°; S…H 2.18–2.28 Å with H–S–centre 106–122° and O–H–S 159–170°.
_TILT_SCALE = 22.0  # degrees, of a Rayleigh distribution
_OFF_AXIS = 0.45  # Å, standard deviation along x and y
HYDROGEN_BONDS = {  # distance to H [Å] and angle H–atom–centre [degrees], from–to
    "N": ((1.70, 1.85), (155.0, 180.0)),
    "O": ((1.70, 1.90), (110.0, 180.0)),
    "S": ((2.15, 2.30), (104.0, 124.0)),
}
_FARTHEST = 2.2  # Å, of an anchored molecule's centre from the axis; 0.4–2.1 Å in the relaxed structures
_BEND = 15.0  # degrees; largest angle between O–H and H…heteroatom
_NO_SITE = -1
_OVERDRAWN = 20  # poses drawn for each to be tried, as most face away from the proton
_TRIES_PER_TILT = 200  # a steep molecule fits sooner; with a new tilt at every try most would end up steep
_NEAR_WALL = 0.7  # Å; a proton this far beyond the channel's radius still points into it


def _matrix(pose: Array) -> Array:
    """Rotation of one row of poses."""
    return rotation(float(pose[0]), float(pose[1]), float(pose[2]), bool(pose[3]))


class Placer:
    """Draws poses of molecules in one film until they fit.

    Parameters
    ----------
    atoms : ase.Atoms
        Film with tiles.
    tolerance : float
        See `stemforge.structures.zeolites.clashes.Surroundings`.
    rng : numpy.random.Generator
        Source of randomness.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import find_channels, mfi
    >>> from stemforge.structures.zeolites.molecules import named_molecule
    >>> from stemforge.structures.zeolites.placing import Placer
    >>> film, tiles = mfi(), np.array([0])
    >>> placer = Placer(film, 0.8, np.random.default_rng(0))
    >>> placer.place(named_molecule("pyridine"), find_channels(film)[0], tiles, (None, None), False, 2000).shape
    (11, 3)
    """

    def __init__(self, atoms: Atoms, tolerance: float, rng: np.random.Generator) -> None:
        self.atoms, self.rng = atoms, rng
        self.surroundings = Surroundings(atoms, tolerance)
        self.offsets = tile_offsets(atoms)
        self.edges = atoms.cell.lengths()
        self.used: set[int] = set()
        support = (atoms.get_tags() == Tag.SUPPORT) & (atoms.arrays["molecule"] < 0)
        self.protons = np.flatnonzero(support & (atoms.numbers == 1))
        oxygens = np.flatnonzero(support & (atoms.numbers == 8))
        self.bonds = np.empty((0, 3))
        if len(self.protons) and len(oxygens):
            tree = cKDTree(wrapped(atoms.positions[oxygens], self.edges[:2]), boxsize=(*self.edges[:2], 0.0))
            near = oxygens[tree.query(wrapped(atoms.positions[self.protons], self.edges[:2]))[1]]
            self.bonds = shortest(atoms.positions[self.protons] - atoms.positions[near], atoms)
            self.bonds /= np.linalg.norm(self.bonds, axis=1, keepdims=True)

    def acid_sites(self, channel: Array, tiles: Indices) -> list[int]:
        """Unused protons at the wall of a channel of the first tile that all the tiles have alike."""
        if not len(self.protons):
            return []
        points = self.atoms.positions[self.protons]
        axis = channel[:2] + self.offsets[tiles[0], :2] + shear_at(self.atoms, points[:, 2])
        separation = shortest(np.column_stack([points[:, :2] - axis, np.zeros(len(points))]), self.atoms)
        inwards = (separation * self.bonds).sum(axis=1) < 0
        near = inwards & (np.linalg.norm(separation, axis=1) <= channel[2] + _NEAR_WALL)
        for tile in tiles[1:]:
            shift = self.offsets[tile] - self.offsets[tiles[0]]
            for k in np.flatnonzero(near):
                separations = shortest(points - points[k] - shift, self.atoms)
                near[k] = np.any(np.linalg.norm(separations, axis=1) < 1e-3)
        return [int(k) for k in np.flatnonzero(near) if k not in self.used]

    def _poses(self, count: int, orientation: float | None, tilt: float | None, each: int) -> Array:
        """Draw arguments of `rotation`: rows of angle, tilt, tilt axis [degrees] and flip, shape ``(n, 4)``.

        A tilt that is drawn stays for `each` rows.
        """
        rng = self.rng
        angle = rng.uniform(-180, 180, count) if orientation is None else np.full(count, orientation)
        if tilt is None:
            drawn = np.repeat(np.minimum(rng.rayleigh(_TILT_SCALE, -(-count // each)), 90.0), each)[:count]
        else:
            drawn = np.full(count, tilt)
        return np.column_stack([angle, drawn, rng.uniform(0, 360, count), rng.integers(2, size=count)])

    def free(self, channel: Array, turned: Array, cells: int = 1) -> Array:
        """Positions [Å] of a turned molecule at a random height near the channel's axis, or of a column of them."""
        vacuum = self.atoms.info["vacuum"]
        period = (self.edges[2] - 2 * vacuum) / cells
        low, high = vacuum - turned[:, 2].min(), vacuum + period - turned[:, 2].max()
        z = self.rng.uniform(low, high) if high > low else vacuum + period / 2
        beside = channel[:2] + self.rng.normal(0.0, _OFF_AXIS, 2)
        heights = z + period * np.arange(cells)
        shifts = np.column_stack([beside + shear_at(self.atoms, heights), heights])
        return (turned + shifts[:, None]).reshape(-1, 3)

    def bound(
        self, molecule: Molecule, channel: Array, tiles: Indices, poses: Array
    ) -> Iterator[tuple[int, Array]]:
        """Acid site and positions [Å] of each pose in which the heteroatom faces the proton."""
        rng = self.rng
        symbol = chemical_symbols[molecule.numbers[molecule.head]]
        (near, far), (least, most) = HYDROGEN_BONDS[symbol]
        sites = rng.choice(self.acid_sites(channel, tiles), len(poses))
        sideways = np.cross(self.bonds[sites], rng.normal(size=(len(poses), 3)))
        sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
        bend = np.tan(np.radians(_BEND)) * np.sqrt(rng.random((len(poses), 1)))
        along = self.bonds[sites] + bend * sideways  # from the proton to the heteroatom
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        # From the centre to the heteroatom points the first column of each rotation. The angle at the
        # heteroatom, from the proton to the centre, is that between this and the hydrogen bond.
        angle, tilts, about = np.radians(poses[:, :3]).T
        rise = -np.sin(tilts) * np.sin(about)
        across = np.sqrt(1 - rise**2)
        head = np.column_stack([np.cos(angle) * across, np.sin(angle) * across, rise])
        bent = np.degrees(np.arccos(np.clip((head * along).sum(axis=1), -1, 1)))
        facing = np.flatnonzero((least <= bent) & (bent <= most))
        for k in facing:
            turned = molecule.positions @ _matrix(poses[k]).T
            proton = self.atoms.positions[self.protons[sites[k]]]
            axis = np.array([*(channel[:2] + shear_at(self.atoms, proton[2])), proton[2]])
            start = axis + shortest(proton - axis - self.offsets[tiles[0]], self.atoms)
            centre = start + rng.uniform(near, far) * along[k] - turned[molecule.head]
            placed = turned + centre
            away = centre[:2] - channel[:2] - shear_at(self.atoms, centre[2])
            inside = placed[:, 2].min() > 0 and placed[:, 2].max() < self.edges[2]
            if inside and np.linalg.norm(away) <= _FARTHEST:
                yield int(sites[k]), placed

    def fits(self, numbers: Indices, positions: Array, tiles: Indices, bonded: int | None) -> bool:
        """Whether atoms, placed relative to a tile's corner, clash in none of the tiles."""
        allowed = None if bonded is None else np.array([bonded])
        for tile in tiles:
            if self.surroundings.clash(numbers, positions + self.offsets[tile], allowed):
                return False
        return not self.surroundings.copies_clash(numbers, positions, self.offsets[tiles])

    def place(
        self,
        molecule: Molecule,
        channel: Array,
        tiles: Indices,
        pose: tuple[float | None, float | None],
        anchored: bool,
        max_tries: int,
        cells: int = 1,
    ) -> Array | None:
        """Find a pose in which a molecule, or a column of them, fits into one channel of several tiles.

        Parameters
        ----------
        molecule : Molecule
            What to place.
        channel : numpy.ndarray
            Its x, y and radius in the first tile [Å].
        tiles : numpy.ndarray of int
            Tiles that get the molecule, all alike.
        pose : (float or None, float or None)
            Azimuth and tilt [degrees]; None to draw them.
        anchored : bool
            Whether its heteroatom goes to an acid proton; the channel must have one.
        max_tries : int
            Poses to try.
        cells : int, default 1
            The film's unit cells along the beam, each of which gets a copy of the molecule.

        Returns
        -------
        numpy.ndarray or None
            Positions [Å] relative to the corner of its tile, shape ``(cells · n, 3)``, copy by copy along the
            beam; None if nothing fitted.
        """
        trials: Iterator[tuple[int, Array]]
        if anchored:  # the proton decides how the molecule can tilt
            poses = self._poses(max_tries * _OVERDRAWN, *pose, 1)
            trials = islice(self.bound(molecule, channel, tiles, poses), max_tries)
        else:
            turns = (_matrix(row) for row in self._poses(max_tries, *pose, _TRIES_PER_TILT))
            free = (self.free(channel, molecule.positions @ turn.T, cells) for turn in turns)
            trials = ((_NO_SITE, positions) for positions in free)
        numbers = np.tile(molecule.numbers, cells)
        for site, positions in trials:
            if self.fits(numbers, positions, tiles, molecule.head if anchored else None):
                self.used.add(site)
                for tile in tiles:
                    self.surroundings.add(numbers, positions + self.offsets[tile])
                return positions
        return None
