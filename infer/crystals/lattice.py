"""The lattice of a crystal image: pixel size, rotation and origin from the image's own periodicity."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.crystals.places import Parts, Places, best_displacements, wrapped
from stemforge.infer.crystals.spectrum import Reciprocal, faded, levelled
from stemforge.micrograph.image import Micrograph
from stemforge.structures.zeolites.frameworks import FRAMEWORKS

THRESHOLD = 0.72
"""Correlation of the average cell with the framework from which a lattice counts as found.

Crystals of other frameworks reach 0.66, noise 0.69, and films one cell thin 0.83 and more at 500 e/Å²."""

# Reflections finer than this are weak at low dose and add nothing but noise [Å].
_RESOLUTION = 1.7
# A correlation that no wrong lattice reaches, in parts (up to 0.76) neither: no other candidate needs to be tried.
_CERTAIN = 0.8
# Correlation of the whole image's average cell from which its parts are asked: displaced parts weaken each other.
_WEAK = 0.3
_REFLECTIONS = 20  # that an image must be able to show, or three quarters of those that a framework has
_PLACES = 32  # along the longer side of the image, at which parts are looked for
_STRAIGHTENED = 2  # times that axes are mended by what the parts show
_COVERED = 3.0  # of the crystal that all parts together show [cells]


@dataclass(frozen=True)
class Lattice:
    """A framework's lattice on an image.

    Parameters
    ----------
    origin_px
        A lattice point (x, y) [pixel]: the one nearest to the middle of the image.
    a_px, b_px
        The first and the second in-plane axis (x, y) [pixel]; for MFI along b these are a and c.
    sampling
        Pixel size [Å] that gives the projected cell the framework's area.
    rotation
        Angle from the image's x axis towards its y axis (downward) at which the first axis lies [deg], −45 or
        more and below 135: the mean over both axes where they are not at right angles.
    distortion
        Largest relative difference between the image and a framework that is only scaled and turned.
    score
        Correlation of the image's average cell with the projected framework, −1 to 1; where domains are displaced
        against each other, of the average that displaces them back.
    framework
        Name of the framework.
    cell
        Its in-plane axes [Å].

    Notes
    -----
    MFI along b has the plane group p2gg. A half turn maps the framework onto itself, and so does a mirror
    together with half a cell in each direction: the image cannot tell the sense of a and c. The sense given here
    is the one with the rotation between −45° and 135°, and the second axis 90° further on.

    Examples
    --------
    >>> lattice = Lattice((50.0, 40.0), (20.0, 0.0), (0.0, 13.0), 1.0, 0.0, 0.0, 0.9, "mfi", (20.0, 13.0))
    >>> lattice.to_pixel(np.array([[0.5, 0.5]])).tolist()
    [[60.0, 46.5]]
    >>> lattice.to_fractional(np.array([[70.0, 53.0]])).tolist()
    [[1.0, 1.0]]
    """

    origin_px: tuple[float, float]
    a_px: tuple[float, float]
    b_px: tuple[float, float]
    sampling: float
    rotation: float
    distortion: float
    score: float
    framework: str = "mfi"
    cell: tuple[float, float] = (0.0, 0.0)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The axes as columns: pixel = origin + matrix @ fractional."""
        return np.array([self.a_px, self.b_px]).T

    def to_pixel(self, fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where fractional coordinates, shape (n, 2), lie on the image (x, y) [pixel]."""
        return np.asarray(fractional) @ self.matrix.T + np.array(self.origin_px)

    def to_fractional(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fractional coordinates of points (x, y) [pixel], shape (n, 2)."""
        return (np.asarray(points) - np.array(self.origin_px)) @ np.linalg.inv(self.matrix).T

    def sites(self, fractional: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return every copy of positions in the cell that lies on an image.

        Parameters
        ----------
        fractional
            Positions in the cell, shape (n, 2).
        shape
            Height and width of the image [pixel].

        Returns
        -------
        ndarray
            Points (x, y) [pixel], shape (m, 2), cell by cell.
        """
        height, width = shape
        corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float)
        reach = self.to_fractional(corners)
        low, high = np.floor(reach.min(0)).astype(int) - 1, np.ceil(reach.max(0)).astype(int) + 1
        i, j = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        cells = np.column_stack([i.ravel(), j.ravel()])
        points = self.to_pixel((cells[:, None] + np.asarray(fractional)[None]).reshape(-1, 2))
        x, y = points.T
        return points[(x >= -0.5) & (y >= -0.5) & (x < width - 0.5) & (y < height - 0.5)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with what the image leaves open."""
        note = "the sense of both axes is ambiguous: the projected framework has the plane group p2gg"
        return asdict(self) | ({"note": note} if self.framework == "mfi" else {})


def find_lattice(
    micrograph: Micrograph,
    *,
    framework: str | Atoms | Framework = "mfi",
    threshold: float = THRESHOLD,
    tolerance: float = 0.1,
) -> Lattice:
    """Find a framework's lattice on an image of a crystal; the image needs no calibration.

    The power spectrum, relative to the median at its radius, is mapped to logarithmic polar coordinates, where a
    change of pixel size and a rotation are shifts: correlation with the framework's reflections finds both. The
    best candidates are refined, first on the spectrum and then on the position of every reflection, with the two
    axes free. The origin is where the image's average cell correlates best with the projected framework. Domains
    that stand displaced weaken that average, or cancel it: where it is weak, the parts of the image in which the
    crystal goes on are found first, the axes are fitted to them, and the average displaces each back.

    Parameters
    ----------
    micrograph
        Bright atoms on dark, with at least three cells along each side. Its calibration is not used.
    framework
        One that is built in, such as ``"mfi"``, or one unit cell with the beam along z and x and y at right angles.
    threshold
        Least correlation of the average cell with the framework. Where domains weaken it, those have to reach 0.8.
    tolerance
        Largest distortion: difference in length or angle [rad] from a framework that is only scaled and turned.

    Returns
    -------
    Lattice
        Axes, origin, pixel size, rotation and score.

    Raises
    ------
    InputError
        The image is too small, or no lattice reaches the threshold; the message says which of the frameworks that are
        built in the image shows instead, if any.

    Examples
    --------
    >>> import numpy as np
    >>> cell = Framework("oblong", (12.0, 8.0), np.array([[0.1, 0.2], [0.6, 0.3], [0.3, 0.8]]), np.full(3, 14))
    >>> picture = np.tile(cell.image((32, 48)), (5, 5))
    >>> lattice = find_lattice(Micrograph(picture), framework=cell)
    >>> round(lattice.sampling, 2), abs(round(lattice.rotation))
    (0.25, 0)
    """
    if not isinstance(framework, Framework):
        framework = (
            Framework.named(framework) if isinstance(framework, str) else Framework.from_atoms(framework)
        )
    if not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    if not tolerance > 0:
        raise InputError(f"tolerance must be positive, not {tolerance}")
    if min(micrograph.shape) < 48:
        raise InputError(
            f"{micrograph.name}: {micrograph.shape[1]} × {micrograph.shape[0]} pixels are too few to find a "
            "lattice; at least 48 are needed along each side"
        )
    image = _Image.of(micrograph)
    best = image.lattice(framework, tolerance)
    if best is None or best.score < threshold:
        raise InputError(f"{micrograph.name}: {_refusal(image, framework, best, threshold, tolerance)}")
    return best


def _refusal(
    image: "_Image", framework: Framework, best: Lattice | None, threshold: float, tolerance: float
) -> str:
    """Say why there is no lattice, and which framework the image shows instead."""
    found = "" if best is None else f" (best correlation {best.score:.2f}, needed {threshold:g})"
    refusal = f"no lattice of the framework '{framework.name}' found{found}; "
    for name in FRAMEWORKS if image.reciprocal.periodic else ():
        if name != framework.name:
            other = image.lattice(Framework.named(name), tolerance)
            if other is not None and other.score >= max(threshold, THRESHOLD):
                return f"{refusal}the image shows '{name}' (correlation {other.score:.2f})"
    return (
        f"{refusal}the image must show the crystal along the beam, bright atoms on dark, at least three cells "
        "along each side, bent by scan distortion by less than 4 %"
    )


@dataclass(frozen=True)
class _Image:
    """An image on which lattices are looked for: without background, and its spectrum."""

    levelled: NDArray[np.float64]
    reciprocal: Reciprocal

    @classmethod
    def of(cls, micrograph: Micrograph) -> "_Image":
        values = levelled(micrograph.image)
        return cls(values, Reciprocal.of(faded(values)))

    def lattice(self, framework: Framework, tolerance: float) -> Lattice | None:
        """Return a framework's lattice that fits best; None where none is distorted by less than the tolerance."""
        hk, factors = framework.reflections(_RESOLUTION)
        found = []
        for axes in self.reciprocal.axes(np.array(framework.cell), hk, np.abs(factors)):
            lattice = _describe(self.reciprocal.image, axes, framework)
            # Of pixels too coarse for most reflections, noise shows what is left of them as well as a crystal does.
            shown = np.count_nonzero(np.hypot(*(hk / framework.cell).T) < 0.5 / lattice.sampling)
            if lattice.distortion <= tolerance and shown >= min(_REFLECTIONS, 0.75 * len(hk)):
                found.append(lattice)
                if lattice.score > _CERTAIN:
                    return lattice
        found.sort(key=lambda lattice: -lattice.score)
        for lattice in found:
            if lattice.score >= _WEAK:
                parts = self.in_parts(lattice, framework, tolerance)
                if parts is not None and parts.score > _CERTAIN:
                    return parts
        return found[0] if found else None

    def in_parts(self, lattice: Lattice, framework: Framework, tolerance: float) -> Lattice | None:
        """Return a lattice as the parts of the image have it that stand displaced, if they cover enough."""
        places, parts = self._parts(lattice, framework)
        if places.score(parts) <= _CERTAIN:
            return None
        # Axes that were found on all parts at once are those that let displaced parts look like one crystal.
        for _ in range(_STRAIGHTENED):
            lattice = _describe(self.reciprocal.image, _straightened(lattice, places, parts), framework)
            places, parts = self._parts(lattice, framework)
        covered = np.sum(parts.labels >= 0) * places.area / np.prod(framework.cell)
        if covered < _COVERED or lattice.distortion > tolerance:
            return None
        middle = lattice.to_pixel(np.rint(lattice.to_fractional(self._middle)) + parts.displacements[:1])[0]
        return replace(
            lattice,
            origin_px=(float(middle[0]), float(middle[1])),
            score=max(places.score(parts), lattice.score),
        )

    def _parts(self, lattice: Lattice, framework: Framework) -> tuple[Places, Parts]:
        places = Places.of(self.levelled, lattice, framework, most=_PLACES)
        return places, places.parts()

    @property
    def _middle(self) -> NDArray[np.float64]:
        return (np.array(self.levelled.shape[::-1])[None] - 1) / 2


def _straightened(lattice: Lattice, places: Places, parts: Parts) -> NDArray[np.float64]:
    """Return the reciprocal axes [cycles a pixel] by which the displacement of no part changes over the image."""
    chosen = parts.labels >= 0
    label, points = parts.labels[chosen], places.points[chosen.ravel()]
    beside = wrapped(parts.fractional[chosen] - parts.displacements[label])
    terms = np.column_stack([np.eye(len(parts.displacements))[label], points])
    slope = np.linalg.lstsq(terms, beside, rcond=None)[0][-2:]
    return np.asarray(np.linalg.inv(lattice.matrix).T - slope, dtype=np.float64)


def _describe(image: NDArray[np.float64], reciprocal: NDArray[np.float64], framework: Framework) -> Lattice:
    """Turn reciprocal axes [cycles a pixel] into a lattice: origin and score from the average cell."""
    axes = np.linalg.inv(reciprocal).T  # columns: a and b in pixels
    if np.linalg.det(axes) < 0:
        axes[:, 1] *= -1
    relative = axes / np.array(framework.cell)
    left, stretch, right = np.linalg.svd(relative)
    turn = left @ right
    # The cut lies at -45°, far from the multiples of 90° along which crystals are often laid.
    rotation = float((np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0])) + 45) % 360 - 45)
    if rotation >= 135:
        axes, rotation = -axes, rotation - 180
    sampling = float(1 / np.sqrt(abs(np.linalg.det(relative))))

    hk, factors = framework.reflections(max(_RESOLUTION, 2 * sampling))
    g = hk @ np.linalg.inv(axes)
    y, x = (np.arange(n, dtype=float) for n in image.shape)
    rows = np.exp(-2j * np.pi * g[:, 1, None] * y) @ image
    measured = np.sum(rows * np.exp(-2j * np.pi * g[:, 0, None] * x), axis=1)
    origin, score = _register(hk, measured, factors, framework.cell)
    middle = np.array([image.shape[1] - 1, image.shape[0] - 1]) / 2
    nearest = np.rint(np.linalg.solve(axes, middle) - origin)
    point = axes @ (origin + nearest)
    spread = float(stretch[0] / stretch[1] - 1)
    return Lattice(
        origin_px=(float(point[0]), float(point[1])),
        a_px=(float(axes[0, 0]), float(axes[1, 0])),
        b_px=(float(axes[0, 1]), float(axes[1, 1])),
        sampling=sampling,
        rotation=rotation,
        distortion=spread,
        score=score,
        framework=framework.name,
        cell=framework.cell,
    )


def _register(
    hk: NDArray[np.int64],
    measured: NDArray[np.complex128],
    factors: NDArray[np.complex128],
    cell: tuple[float, float],
) -> tuple[NDArray[np.float64], float]:
    """Fractional origin at which the average cell correlates best with the framework, and that correlation."""
    # With exp(-2πi g·r) in the transform of the image, a cell at origin u has F(hk)* exp(-2πi hk·u).
    product = measured * factors
    origin = best_displacements(product[:, None], hk, np.array(cell))[0]
    norm = np.linalg.norm(measured) * np.linalg.norm(factors)
    correlation = (np.exp(2j * np.pi * (hk @ origin)) @ product).real
    return origin, float(correlation / norm) if norm else 0.0
