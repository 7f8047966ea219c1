"""The lattice of a crystal image: pixel size, rotation and origin from the image's own periodicity."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy import ndimage, optimize

from stemforge.errors import InputError
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.maxima import parabola_vertex
from stemforge.micrograph.image import Micrograph

THRESHOLD = 0.6
"""Correlation of the average cell with the framework from which a lattice counts as found."""

# Reflections finer than this are weak at low dose and add nothing but noise [Å].
_RESOLUTION = 1.7
# How many of the strongest reflections are looked for.
_SEARCHED = 40
# Candidates of the search that are refined: a/c is close to 3/2, so turned and scaled lattices come close.
_CANDIDATES = 8
# A correlation that no wrong lattice reaches: no other candidate needs to be tried.
_CERTAIN = 0.8
# Blur of the spectrum from one step of the refinement to the next [bins].
_BLURS = (4.0, 2.0, 1.0)
# Steps of the search in angle [deg] and in the logarithm of the scale.
_ANGLE, _SCALE = 0.5, 0.01


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
        Correlation of the image's average cell with the projected framework, −1 to 1.
    framework
        Name of the framework.
    cell
        Its in-plane axes [Å].

    Notes
    -----
    MFI along b has the plane group p2gg. A half turn maps the framework onto itself, and so does a mirror
    together with half a cell in each direction: the image cannot tell the sense of a and c. The sense given here
    is the one with the rotation between −45° and 135°, and the second axis 90° further on.
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
    axes free. The origin is where the image's average cell correlates best with the projected framework.

    Parameters
    ----------
    micrograph
        Bright atoms on dark, with at least three cells along each side. Its calibration is not used.
    framework
        One that is built in, such as ``"mfi"``, or one unit cell with the beam along z and x and y at right angles.
    threshold
        Least correlation of the average cell with the framework.
    tolerance
        Largest distortion: difference in length or angle [rad] from a framework that is only scaled and turned.

    Returns
    -------
    Lattice
        Axes, origin, pixel size, rotation and score.

    Raises
    ------
    InputError
        The image is too small, or no lattice reaches the threshold.

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
    image = _flat(micrograph.image)
    hk, factors = framework.reflections(_RESOLUTION)
    hk, factors = hk[:_SEARCHED], factors[:_SEARCHED]
    cell = np.array(framework.cell)
    best: Lattice | None = None
    spectrum, bins = _spectrum(image)
    # From coarse to fine: a reflection must be felt from some way off.
    blurred = [ndimage.gaussian_filter(spectrum, blur) for blur in _BLURS]
    for reciprocal in _search(spectrum, bins, min(image.shape), hk / cell, np.abs(factors)):
        refined = _refine(image, blurred, bins, hk, np.abs(factors), reciprocal / cell)
        if refined is None:
            continue
        lattice = _describe(image, refined, framework)
        if lattice.distortion <= tolerance and (best is None or lattice.score > best.score):
            best = lattice
            if best.score > _CERTAIN:
                break
    if best is None or best.score < threshold:
        found = "" if best is None else f" (best correlation {best.score:.2f}, needed {threshold:g})"
        raise InputError(
            f"{micrograph.name}: no lattice of the framework '{framework.name}' found{found}; the image must "
            "show the crystal along the beam, bright atoms on dark, at least three cells along each side"
        )
    return best


def _flat(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Remove slow background, and fade to zero at the border."""
    values = np.asarray(image, dtype=np.float64)
    values = values - ndimage.gaussian_filter(values, max(4.0, min(values.shape) / 12), mode="reflect")
    # Few pixels of a screenshot's frame or of a hot detector must not outshine the crystal.
    low, high = np.percentile(values, [0.2, 99.8])
    values = np.clip(values, low, high)
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in values.shape))
    return (values - np.sum(values * window) / window.sum()) * window


def _spectrum(image: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Logarithm of the power over the median at its radius; frequency 0 in the middle.

    Returns the map and its number of bins for one cycle a pixel, along y and x.
    """
    shape = tuple(2 * n for n in image.shape)  # zero-padded, so that a peak spans several bins
    power = np.fft.fftshift(np.abs(np.fft.fft2(image, shape)) ** 2)
    fy, fx = (np.fft.fftshift(np.fft.fftfreq(n)) for n in shape)
    radius = np.hypot(fy[:, None], fx[None])
    ring = np.minimum((radius * min(shape) / 4).astype(int), min(shape) // 8)
    median = ndimage.median(power, ring, np.arange(ring.max() + 1))
    median = np.maximum(ndimage.gaussian_filter1d(median, 1.5), 1e-9 * power.max())
    # Saturate: one strong reflection must not decide alone.
    return np.minimum(np.log1p(power / median[ring]), 5.0), (float(shape[0]), float(shape[1]))


def _sample(
    spectrum: NDArray[np.float64], bins: tuple[float, float], g: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Value of the spectrum at frequencies (x, y) [cycles a pixel], shape (..., 2)."""
    where = [g[..., 1] * bins[0] + spectrum.shape[0] // 2, g[..., 0] * bins[1] + spectrum.shape[1] // 2]
    return ndimage.map_coordinates(spectrum, where, order=1, mode="constant", cval=float(spectrum.mean()))


def _search(
    spectrum: NDArray[np.float64],
    bins: tuple[float, float],
    side: int,
    g: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Scale and rotation of the best candidates, as matrices from [1/Å] to [cycles a pixel].

    ``side`` is the image's shorter side [pixel], ``g`` are the reflections' frequencies (n, 2) [1/Å].
    """
    angles = np.deg2rad(np.arange(0, 180, _ANGLE))
    # Radii from one and a half fringes across the image to the Nyquist frequency.
    radii = np.exp(np.arange(np.log(1.5 / side), np.log(0.5), _SCALE))
    polar = _sample(
        spectrum, bins, radii[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], -1)[None]
    )
    polar = polar - np.mean(polar, axis=1, keepdims=True)
    polar = ndimage.gaussian_filter(polar, (1.5, 1.5), mode=("nearest", "wrap"))
    # Beyond both ends there is nothing: room for reflections that fall off the map.
    room = len(radii)
    padded = np.pad(polar, ((room, room), (0, 0)))
    inside = np.pad(np.ones_like(polar), ((room, room), (0, 0)))
    distance = np.hypot(*g.T)
    row = np.rint(np.log(distance / distance.min()) / _SCALE).astype(int)
    column = np.rint(np.rad2deg(np.arctan2(g[:, 1], g[:, 0])) / _ANGLE).astype(int) % len(angles)
    template = np.zeros_like(padded)
    keep = row < len(padded)
    np.add.at(template, (row[keep], column[keep]), weight[keep])
    spread = np.conj(np.fft.fft2(template))
    total = np.fft.ifft2(np.fft.fft2(padded) * spread).real
    norm = np.fft.ifft2(np.fft.fft2(inside) * np.conj(np.fft.fft2(template**2))).real
    # A lattice of which only few reflections lie on the map proves little.
    score = np.where(
        norm > 0.3 * np.sum(weight**2), total / np.sqrt(np.maximum(norm, 1e-9 * norm.max())), -np.inf
    )
    found = []
    for _ in range(_CANDIDATES):
        at = np.unravel_index(np.argmax(score), score.shape)
        if not score[at] > 0:
            break
        scale = radii[0] * np.exp((at[0] - room) * _SCALE) / distance.min()
        turn = angles[at[1]]
        found.append(scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]))
        near_row = np.abs(np.arange(len(score)) - at[0]) <= 6
        turned = np.abs(np.arange(len(angles)) - at[1])
        near_column = np.minimum(turned, len(angles) - turned) <= 8
        score[np.ix_(near_row, near_column)] = -np.inf
    return found


def _refine(
    image: NDArray[np.float64],
    blurred: list[NDArray[np.float64]],
    bins: tuple[float, float],
    hk: NDArray[np.int64],
    weight: NDArray[np.float64],
    reciprocal: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Refine the reciprocal axes (as columns) [cycles a pixel]; None where they run away."""
    matrix = reciprocal
    for blur, spectrum in zip(_BLURS, blurred, strict=True):

        def cost(change: NDArray[np.float64], smooth: Any = spectrum, start: Any = matrix) -> float:
            return -float(weight @ _sample(smooth, bins, hk @ (start @ (np.eye(2) + change.reshape(2, 2))).T))

        step = 0.01 * blur
        simplex = np.vstack([np.zeros(4), step * np.eye(4)])
        result = optimize.minimize(
            cost,
            np.zeros(4),
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 1e-5, "fatol": 1e-4, "maxiter": 400},
        )
        matrix = matrix @ (np.eye(2) + result.x.reshape(2, 2))
    for _ in range(3):
        moved = _peaks(image, hk, weight, matrix)
        if moved is None:
            return None
        matrix = moved
    change = np.linalg.inv(reciprocal) @ matrix
    return matrix if np.all(np.abs(change - np.eye(2)) < 0.25) else None


def _peaks(
    image: NDArray[np.float64],
    hk: NDArray[np.int64],
    weight: NDArray[np.float64],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Fit the axes to the maxima of the reflections: a parabola through each peak's power, to sub-bin."""
    g = hk @ matrix.T
    usable = np.all(np.abs(g) < 0.49, axis=1)
    hk, g, weight = hk[usable], g[usable], weight[usable]
    step = 0.4 / np.array([image.shape[1], image.shape[0]])
    offsets = np.array([-1, 0, 1])
    y, x = (np.arange(n) - n / 2 for n in image.shape)
    ey = np.exp(-2j * np.pi * (g[:, 1, None] + offsets * step[1])[..., None] * y)
    ex = np.exp(-2j * np.pi * (g[:, 0, None] + offsets * step[0])[..., None] * x)
    rows = (ey.reshape(-1, len(y)) @ image).reshape(len(g), 3, -1)
    power = np.log(np.abs(np.einsum("niw,njw->nij", rows, ex)) ** 2 + 1e-30)
    lines = (power[:, 1, :], power[:, :, 1])  # along x, along y
    moved = np.column_stack(
        [parabola_vertex(line[:, 0], line[:, 1], line[:, 2], least=0.05) for line in lines]
    )
    # A reflection lost in noise has no maximum here, or one far off.
    good = np.all(np.abs(np.nan_to_num(moved, nan=9)) < 2.5, axis=1)
    if good.sum() < 6:
        return None
    target, root = g[good] + moved[good] * step, weight[good, None]
    solution, _, rank, _ = np.linalg.lstsq(root * hk[good], root * target, rcond=None)
    return np.asarray(solution.T, dtype=np.float64) if rank == 2 else None


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
    origin, score = _register(hk, measured, factors)
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
    hk: NDArray[np.int64], measured: NDArray[np.complex128], factors: NDArray[np.complex128]
) -> tuple[NDArray[np.float64], float]:
    """Fractional origin at which the average cell correlates best with the framework, and that correlation."""
    # With exp(-2πi g·r) in the transform of the image, a cell at origin u has F(hk)* exp(-2πi hk·u).
    product = measured * factors

    def correlation(u: NDArray[np.float64]) -> NDArray[np.float64]:
        return (np.exp(2j * np.pi * (u @ hk.T)) @ product).real

    fine = 64
    grid = np.stack(np.meshgrid(*[np.arange(fine) / fine] * 2, indexing="ij"), -1).reshape(-1, 2)
    start = grid[np.argmax(correlation(grid))]
    result = optimize.minimize(
        lambda u: -correlation(u) / np.abs(product).sum(), start, method="BFGS", options={"gtol": 1e-9}
    )
    origin = np.asarray(result.x) % 1
    norm = np.linalg.norm(measured) * np.linalg.norm(factors)
    return origin, float(correlation(origin) / norm) if norm else 0.0
