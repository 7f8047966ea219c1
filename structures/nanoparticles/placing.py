"""Put nanoparticles on the surface of a support, or inside it."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from scipy.spatial.transform import Rotation

from stemforge.structures.atoms.surface import Surface, covered_pixels
from stemforge.structures.cells import Array, fit_cell, require_orthogonal, wrapped
from stemforge.structures.checks import require, require_generator, require_range
from stemforge.structures.nanoparticles.shapes import nanoparticle, zone_direction
from stemforge.structures.neighbours import clear_of
from stemforge.structures.tags import Tag

__all__ = ["add_nanoparticles"]

_MARGIN = 2.0  # Å, empty space that abTEM needs at both ends of the cell
_TRIES = 200  # places tried for a particle before the support counts as full


def add_nanoparticles(
    support: Atoms,
    element: str,
    *,
    diameter: float,
    areal_density: float,
    diameter_spread: float = 0.0,
    shape: str = "wulff",
    surface_energies: Mapping[str, float] | None = None,
    zone_axis: tuple[int, int, int] | None = None,
    placement: str = "surface",
    sunk_fraction: float = 0.0,
    contact_distance: float = 2.5,
    min_gap: float = 3.0,
    rng: np.random.Generator,
) -> Atoms:
    """Add nanoparticles to a support.

    Parameters
    ----------
    support : ase.Atoms
        Support inside an orthogonal cell, periodic in x and y. Particles that it has already stay and keep their gap.
    element, diameter, shape, surface_energies
        As for :func:`stemforge.structures.nanoparticle`; the diameter [Å] is the median where it varies.
    areal_density : float
        Particles per area that the support covers in projection [1/nm²]. The number is the whole one below or
        above, at random, such that its mean is as asked: a field too small for one particle has one at times.
    diameter_spread : float, default 0
        Of the natural logarithm of the diameter: 0.2 makes particles about 20 % larger or smaller (log-normal).
    zone_axis : (int, int, int), optional
        Crystal direction [uvw] that lies along the beam, with a random azimuth; by default the orientation is random.
        On a flat support ``(1, 1, 1)`` puts an fcc particle on a {111} facet.
    placement : {"surface", "volume"}, default "surface"
        Resting on the top or the bottom surface, at even odds, or with the centre anywhere in the support.
    sunk_fraction : float, default 0
        Share of a surface particle's height that is sunk in the support.
    contact_distance : float, default 2.5
        Distance between the nearest atoms of particle and support [Å]. Support atoms that would be nearer to a
        sunk particle are removed.
    min_gap : float, default 3.0
        Smallest distance between atoms of two particles [Å].
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Support, then particles with the tag `PARTICLE`; the array ``particle`` numbers them (−1 for other atoms).

    Raises
    ------
    ValueError
        If a parameter is out of range, a particle is larger than the cell, or the particles do not fit.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    References
    ----------
    .. [1] C. G. Granqvist and R. A. Buhrman, "Ultrafine metal particles", J. Appl. Phys. 47, 2200 (1976): why
       diameters are log-normal.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import PARTICLE, add_nanoparticles, amorphous_carbon
    >>> rng = np.random.default_rng(0)
    >>> film = amorphous_carbon((80, 80, 20), rng=rng)
    >>> specimen = add_nanoparticles(film, "Au", diameter=20, areal_density=0.03, rng=rng)
    >>> len(set(specimen.arrays["particle"][specimen.get_tags() == PARTICLE]))
    2
    """
    require_orthogonal(support, "support")
    require_range("areal_density", areal_density, 0.0, mend="It counts particles per nm².")
    require_range("diameter_spread", diameter_spread, 0.0, 1.0)
    require(placement in ("surface", "volume"), "placement", "'surface' or 'volume'", placement)
    require_range("sunk_fraction", sunk_fraction, 0.0, 1.0)
    require_range("contact_distance", contact_distance, 0.5)
    require_range("min_gap", min_gap, 0.0)
    require_generator(rng)
    axis = None if zone_axis is None else zone_direction(element, zone_axis)
    space = _Space(support, placement, sunk_fraction, contact_distance)
    number = int(areal_density * space.area / 100 + rng.random())
    for _ in range(number):
        size = diameter * float(np.exp(diameter_spread * rng.standard_normal()))
        particle = nanoparticle(element, size, shape, surface_energies=surface_energies)
        widest = float(space.edges.min()) - min_gap
        across = 2 * float(np.linalg.norm(particle.positions, axis=1).max())
        require(across <= widest, "diameter", f"such that particles fit into the cell, {widest:.0f} Å", size)
        fits = False
        for _ in range(_TRIES):
            particle.positions = space.placed(_turned(particle.positions, axis, rng), rng)
            fits = space.is_free(particle.positions, min_gap)
            if fits:
                break
        mend = "Lower areal_density or diameter."
        require(
            fits, "areal_density", f"such that {number} particles fit beside each other", areal_density, mend
        )
        space.add(particle)
    return space.filled()


def _turned(positions: Array, axis: Array | None, rng: np.random.Generator) -> Array:
    """Turn a particle about its centre: at random, or with an axis along the beam and a random azimuth."""
    centred = positions - positions.mean(axis=0)
    if axis is None:
        return np.asarray(Rotation.from_quat(rng.standard_normal(4)).apply(centred))
    along = Rotation.align_vectors([[0.0, 0.0, 1.0]], [axis])[0]
    about = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi))
    # Turned before to some other azimuth, it may be turned again: only the axis must lie along z once.
    return np.asarray((about * along).apply(centred))


class _Space:
    """A support while particles are put on it."""

    def __init__(self, support: Atoms, placement: str, sunk_fraction: float, contact_distance: float) -> None:
        self.support = support.copy()
        self.edges = support.cell.lengths()[:2]
        self.support.positions[:] = wrapped(support.positions, self.edges)
        tags = support.get_tags()
        base = self.support[tags != Tag.PARTICLE]
        self._particles = [self.support[tags == Tag.PARTICLE]]
        covered = covered_pixels(base)
        self._pixels, self._pixel = np.argwhere(covered), self.edges / covered.shape
        self.area = len(self._pixels) * float(np.prod(self._pixel))
        self._surface = Surface(base) if placement == "surface" else None
        self._inside = base.positions
        self._sunk, self._contact = sunk_fraction, contact_distance

    def placed(self, particle: Array, rng: np.random.Generator) -> Array:
        """Positions [Å] of a centred particle at a random place."""
        if self._surface is None:
            centre = self._inside[rng.integers(len(self._inside))]
            return particle + centre
        xy = (self._pixels[rng.integers(len(self._pixels))] + rng.random(2)) * self._pixel
        side = rng.choice([-1.0, 1.0])
        moved = particle + np.append(xy, 0.0)
        heights = self._surface.heights(moved[:, :2], np.full(len(moved), side), self._contact)
        # The atom that touches first holds the particle up.
        lift = side * (side * (heights - moved[:, 2])).max()
        lift -= side * self._sunk * np.ptp(particle[:, 2])
        return moved + np.array([0.0, 0.0, lift])

    def is_free(self, particle: Array, gap: float) -> bool:
        """Whether no other particle is nearer than the gap."""
        others = np.concatenate([one.positions for one in self._particles])
        return bool(clear_of(particle, others, gap, self.edges).all())

    def add(self, particle: Atoms) -> None:
        """Keep a particle where it is."""
        placed = particle.copy()
        placed.set_tags(Tag.PARTICLE)
        known = self._particles[0].arrays.get("particle", np.zeros(0, dtype=int))
        number = len(self._particles) - 1 + (int(known.max()) + 1 if len(known) else 0)
        placed.set_array("particle", np.full(len(placed), number))
        self._particles.append(placed)

    def filled(self) -> Atoms:
        """Return the support with its particles, without the atoms that were in their way."""
        added = Atoms()
        for particle in self._particles[1:]:
            added += particle
        if not len(added):
            return self.support
        new = clear_of(self.support.positions, added.positions, 0.999 * self._contact, self.edges)
        kept = self.support[new | (self.support.get_tags() == Tag.PARTICLE)]
        if "particle" not in kept.arrays:
            kept.set_array("particle", np.full(len(kept), -1))
        z, height = self.support.positions[:, 2], self.support.cell.lengths()[2]
        below, above = max(z.min(), _MARGIN), max(height - z.max(), _MARGIN)
        return fit_cell(kept + added, below, above)
