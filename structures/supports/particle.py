"""A carbon particle at the edge of a specimen: outline, wedge, rough surfaces, ridges and pores."""

import numpy as np
from ase import Atoms
from scipy.ndimage import distance_transform_edt

from stemforge.cache import compiled
from stemforge.structures.cells import Array, wrapped
from stemforge.structures.checks import require, require_generator, require_lengths, require_range
from stemforge.structures.neighbours import near_any
from stemforge.structures.supports.carbon import fill_with_carbon
from stemforge.structures.supports.random_fields import random_field

__all__ = ["carbon_particle"]

_PIXEL = 1.0  # Å; the height maps need no more detail than a bond
_SHORTEST = 20.0  # Å; finer waves on a thick particle would be needles: pores make the finer texture
_RIDGE = 6.0  # Å, half-width of a stack of a few graphitic sheets
_THINNEST = 0.1  # of the mean thickness: no roughness opens a hole, pores do


def _distance_to_vacuum(
    shape: tuple[int, int],
    size: tuple[float, float],
    vacuum_fraction: float,
    roughness: float,
    rng: np.random.Generator,
) -> Array:
    """Distance [Å] of each pixel from the outline, 0 in vacuum; vacuum lies in a random direction."""
    x, y = ((np.arange(n) / n - 0.5) * length for n, length in zip(shape, size, strict=True))
    angle = rng.uniform(0, 2 * np.pi)
    inwards = np.cos(angle) * x[:, None] + np.sin(angle) * y
    along = np.cos(angle) * y - np.sin(angle) * x[:, None]
    # The outline is a curve over the straight line, so that it leaves neither islands nor holes.
    length = float(np.hypot(*size))
    count = max(round(length / _PIXEL), 4)
    curve = random_field((count, 1), (length, _PIXEL), (50.0, length), rng)[:, 0]
    depth = inwards + roughness * np.interp(along, np.linspace(-length / 2, length / 2, count), curve)
    number = round(vacuum_fraction * depth.size)
    outside = np.zeros(depth.size, dtype=bool)
    outside[np.argsort(depth, axis=None, kind="stable")[:number]] = True
    pixel = [length / n for n, length in zip(shape, size, strict=True)]
    return distance_transform_edt(~outside.reshape(shape), sampling=pixel)


def _ridge_lines(
    shape: tuple[int, int], size: tuple[float, float], longest: float, rng: np.random.Generator
) -> Array:
    """Winding lines of height 1 and half-width `_RIDGE`, where a random field crosses zero."""
    field = random_field(shape, size, (longest / 2, longest), rng)
    dx, dy = np.gradient(field, size[0] / shape[0], size[1] / shape[1])
    distance = np.abs(field) / np.maximum(np.hypot(dx, dy), 1e-12)
    return np.exp(-((distance / _RIDGE) ** 2))


def _pierce(atoms: Atoms, porosity: float, radius: float, volume: float, rng: np.random.Generator) -> Atoms:
    """Empty random spheres that together hold the share `porosity` of the volume, overlaps allowed."""
    sphere = 4 / 3 * np.pi * radius**3
    number = round(-np.log1p(-porosity) * volume / sphere)
    if number == 0 or len(atoms) == 0:
        return atoms
    # A random atom stands for a random point of the material.
    centres = atoms.positions[rng.integers(len(atoms), size=number)]
    centres = centres + rng.normal(scale=0.5, size=centres.shape)
    edges = atoms.cell.lengths()[:2]
    return atoms[~near_any(atoms.positions, wrapped(centres, edges), radius, edges)]


@compiled
def _between(points: Array, box: Array, floor: float, bottom: Array, top: Array) -> Array:
    """Stretch random points in the unit cube to the box [Å], and keep those between two height maps.

    The box begins at z = `floor` of the maps.
    """
    nx, ny = bottom.shape
    kept = np.empty_like(points)
    count = 0
    for n in range(points.shape[0]):
        i, j = int(points[n, 0] * nx), int(points[n, 1] * ny)
        z = points[n, 2] * box[2]
        if bottom[i, j] <= z + floor < top[i, j]:
            kept[count] = points[n, 0] * box[0], points[n, 1] * box[1], z
            count += 1
    return kept[:count]


def carbon_particle(
    size: tuple[float, float],
    *,
    mean_thickness: float = 300.0,
    density: float = 2.0,
    nitrogen_fraction: float = 0.0,
    vacuum_fraction: float = 0.2,
    outline_roughness: float = 12.0,
    taper: float = 0.4,
    roughness: float = 0.08,
    correlation_length: float = 80.0,
    ridge_height: float = 0.05,
    porosity: float = 0.15,
    pore_radius: float = 6.0,
    min_distance: float = 1.35,
    vacuum: float = 2.0,
    rng: np.random.Generator,
) -> Atoms:
    """Part of an amorphous carbon particle that fills a field of view, with vacuum at one side.

    Amorphous carbon fills the space between a top and a bottom surface. The defaults were set by eye and by
    number to eleven HAADF images of Pt on nitrogen-doped carbon (15 nm field, 60 kV): intensity rises from
    the outline inwards as distance to the power 0.3–0.5, and varies by about 3 % in each octave of
    length from 0.5 to 2 nm.

    Parameters
    ----------
    size : (float, float)
        Field of view in x and y [Å].
    mean_thickness : float, default 300.0
        Distance between the two surfaces [Å], pores included, averaged over the part that is not vacuum.
    density : float, default 2.0
        Mass density of the material between the pores [g/cm³].
    nitrogen_fraction : float, default 0.0
        Share of the sites taken by nitrogen.
    vacuum_fraction : float, default 0.2
        Share of the field that is vacuum, from 0 to 0.9; the side is random. With 0 the particle is periodic.
    outline_roughness : float, default 12.0
        Root-mean-square deviation of the outline from a straight line [Å].
    taper : float, default 0.4
        Thickness grows as (distance from the outline) ** taper: 0 is a cliff, 0.5 a rounded edge, 1 a wedge.
        Without vacuum it has no effect.
    roughness : float, default 0.08
        Root-mean-square variation of the thickness, as a share of it.
    correlation_length : float, default 80.0
        Longest wavelength of that variation [Å]; the shortest is 20 Å.
    ridge_height : float, default 0.05
        Height of winding ridges, as a share of the thickness: turbostratic sheets seen on edge.
    porosity : float, default 0.15
        Share of the volume taken by pores, from 0 to 0.9: the texture finer than 20 Å.
    pore_radius : float, default 6.0
        Radius of the spherical pores [Å].
    min_distance : float, default 1.35
        Smallest distance between two atoms [Å].
    vacuum : float, default 2.0
        Empty margin [Å] below the lowest and above the highest point of the surfaces.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Atoms with tag `SUPPORT`. The cell repeats in x and y; where there is vacuum the particle meets its
        own image at the border as a step, so keep the scan away from it by the probe's width.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    See Also
    --------
    amorphous_carbon : a flat film of the same material.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import carbon_particle
    >>> particle = carbon_particle((30, 30), mean_thickness=20, rng=np.random.default_rng(0))
    >>> particle.get_chemical_symbols()[0], particle.pbc
    ('C', array([ True,  True, False]))
    """
    require_lengths("size", size, 2)
    require_range("mean_thickness", mean_thickness, 5.0, 2000.0, "Thickness is in Å: 50 nm are 500.")
    require_range("vacuum_fraction", vacuum_fraction, 0.0, 0.9)
    require_range("outline_roughness", outline_roughness, 0.0)
    require_range("taper", taper, 0.0, 1.0)
    require_range("roughness", roughness, 0.0, 0.5, "It is a share of the thickness, not a length.")
    require_range("correlation_length", correlation_length, 1.5 * _SHORTEST)
    require_range("ridge_height", ridge_height, 0.0, 1.0, "It is a share of the thickness, not a length.")
    require_range("porosity", porosity, 0.0, 0.9)
    require_range("pore_radius", pore_radius, 1.0, min(size) / 2)
    require_range("vacuum", vacuum, 0.0)
    require_generator(rng)

    shape = (max(round(size[0] / _PIXEL), 4), max(round(size[1] / _PIXEL), 4))
    distance = _distance_to_vacuum(shape, size, vacuum_fraction, outline_roughness, rng)
    material = distance > 0
    require(bool(material.any()), "vacuum_fraction", "low enough to leave some material", vacuum_fraction)
    envelope = np.where(material, distance**taper, 0.0) if vacuum_fraction > 0 else np.ones(shape)
    ridges = 1 + ridge_height * _ridge_lines(shape, size, correlation_length, rng)
    # Two independent surfaces, each with √2 of the relative roughness that their sum shall have.
    band = (_SHORTEST, correlation_length)
    waves = (np.sqrt(2) * roughness * random_field(shape, size, band, rng) for _ in range(2))
    top, bottom = (envelope * ridges * np.maximum(1 + wave, _THINNEST) for wave in waves)
    scale = mean_thickness / (top + bottom)[material].mean()
    top, bottom = scale * top, -scale * bottom

    floor = bottom.min()
    box = (size[0], size[1], float(top.max() - floor))

    def draw(number: int) -> Array:
        return _between(rng.random((number, 3)), np.array(box), floor, bottom, top)

    volume = mean_thickness * material.mean() * size[0] * size[1]
    atoms = fill_with_carbon(
        draw,
        volume,
        box,
        density=density,
        min_distance=min_distance,
        nitrogen_fraction=nitrogen_fraction,
        vacuum=vacuum,
        rng=rng,
    )
    return _pierce(atoms, porosity, pore_radius, volume, rng)
