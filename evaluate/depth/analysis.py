"""From the frames of a focal series to the depth of every atom."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from stemforge.errors import InputError
from stemforge.evaluate.depth.alignment import aligned, image_drift, model_drift
from stemforge.evaluate.depth.fit import AtomAt, FocalModel
from stemforge.evaluate.depth.fitting import AtomFits
from stemforge.evaluate.depth.noise import FocalNoise, measure_noise, white_noise
from stemforge.evaluate.depth.order import CHANCE, explained_squares, order_chance
from stemforge.evaluate.depth.result import AtomDepth, Depths
from stemforge.evaluate.depth.search import STEP, search_atoms
from stemforge.evaluate.depth.series import FocalOptics, FocalSeries
from stemforge.evaluate.depth.template import AtomTemplate, make_template

ROUNDS = 5
"""Parts of the work that progress is told of."""

FOUND = 6.0
"""Standard deviations by which an atom must stand out to be found."""

_BEYOND = 0.6  # of the depth of field, that atoms are looked for above and below all foci
_SOURCE = 1.2  # full width at half maximum of a source that nobody knows yet [Å]
_SOURCES = (0.3, 3.5)
_BRIGHT = 12  # atoms by which the source is told
_ORDERING = 40  # atoms by which the order is checked
_LEAST_SHARE = 0.5  # of the brightness that atoms have on a typical frame
_CERTAIN = 5.0  # standard deviations of that share
_NANOMETRE = 10.0  # Å
_NARROW = 1.0  # of the depth of field: foci over less may be in nm
_UNIT_CLEAR = 10.0  # squares an atom by which foci in nm must be better
_UNIT_SHARE = 0.05  # of what the given foci explain, likewise: a current that fades to 0.6 looks like 0.013
_NONE = f"no atom stands out by {FOUND:g} standard deviations on all frames together"
_DRIFTS = 3  # times that the drift is improved by the atoms


def measure_depths(
    series: FocalSeries,
    optics: FocalOptics,
    *,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Depths:
    """Find the atoms of a focal series, and how deep each of them lies.

    Parameters
    ----------
    series
        Frames of one area at known foci.
    optics
        Element, microscope and source: they say how one atom looks at any distance from the focal plane.
    seed
        Of the orders with which that of the frames is compared.
    advance
        Told of each finished part, :data:`ROUNDS` in all.

    Returns
    -------
    Depths
        Every atom with place, depth, interval and what speaks against it.

    Raises
    ------
    InputError
        Pixels too coarse, no atoms, a frame that does not show them, or frames whose sharpness does not follow the
        foci given.

    References
    ----------
    van Benthem et al., Ultramicroscopy 106 (2006) 1062: depth sectioning of single atoms.

    Examples
    --------
    >>> from stemforge.simulate import Microscope
    >>> from stemforge.simulate.engines.kernels import atom_image
    >>> foci, images = np.arange(-40.0, 41, 20), np.full((5, 101, 101), 30.0)
    >>> for focus, image in zip(foci, images):
    ...     spot = 1e4 * atom_image("Pt", Microscope(), "HAADF", 12 - focus, sampling=0.25, blur=0.4)
    ...     half = len(spot) // 2
    ...     image[50 - half : 51 + half, 50 - half : 51 + half] += spot
    >>> counts = np.random.default_rng(0).poisson(images)
    >>> found = measure_depths(FocalSeries(counts, foci, 0.25), FocalOptics("Pt", Microscope(), source_size=1.0))
    >>> found.states, bool(abs(found.depths[0] - 12) < 3 * found.errors[0])
    (('depth',), True)
    """
    series.check(optics)
    state = _Analysis(series, optics)
    advance(1)
    state.align()
    state.check_unit()
    advance(1)
    state.check_order(np.random.default_rng(seed))
    advance(1)
    state.fit_source()
    advance(1)
    found = state.finish()
    advance(1)
    return found


@dataclass
class _Analysis:
    """What is known of a series while it is analysed."""

    series: FocalSeries
    optics: FocalOptics

    def __post_init__(self) -> None:
        series, field = self.series, self.optics.depth_of_field
        low, high = series.range
        self.depths = (low - _BEYOND * field, high + _BEYOND * field)
        cone = 1e-3 * self.optics.microscope.semiangle_cutoff
        self.radius = float(np.clip(2.5 + cone * (high - low) / 2, 3.5, 7.0))
        source = self.optics.source_size
        self.source = _SOURCE if source is None else source
        span = (self.depths[0] - high, self.depths[1] - low)
        self.template: AtomTemplate = make_template(
            self.optics.element, self.optics.microscope, series.sampling, span, self.radius
        ).blurred(self.source)
        if min(series.images.shape[1:]) * series.sampling < 4 * self.radius:
            raise InputError(
                f"{series.name}: frames of {min(series.images.shape[1:]) * series.sampling:.0f} Å are too small; an "
                f"atom out of focus is {2 * self.radius:.0f} Å wide"
            )
        self.drift = image_drift(list(series.images))
        self.fits = self._first()

    @property
    def frames(self) -> NDArray[np.float32]:
        return aligned(self.series.images, self.drift)

    def model(self, noise: FocalNoise) -> FocalModel:
        return FocalModel(self.template, self.series.foci, noise, self.depths, self.radius)

    def search(self, model: FocalModel, white: NDArray[np.float32]) -> list[AtomAt]:
        return search_atoms(model, white, STEP * self.optics.depth_of_field, FOUND)

    def _first(self) -> AtomFits:
        """Find atoms, and fit them on noise that is taken as counting alone."""
        frames = self.frames
        # The atoms are part of the noise that is measured here, and still stand out; counting alone hides texture.
        whole = measure_noise(frames, self.series.sampling, np.empty((0, 2)))
        atoms = self.search(self.model(whole), whole.whiten(frames))
        if not atoms:
            raise InputError(f"{self.series.name}: {_NONE}")
        noise = white_noise(frames, self.series.sampling)
        fits = AtomFits(self.model(noise), noise.whiten(frames), atoms)
        fits.run(1)
        return fits

    def align(self) -> None:
        """Improve the drift by the atoms."""
        for _ in range(_DRIFTS):
            fits = self.fits
            shift = model_drift(fits.model, fits.rest, fits.atoms)
            self.drift = self.drift + shift / self.series.sampling
            frames = self.frames
            self.fits = AtomFits(fits.model, fits.model.noise.whiten(frames), fits.atoms)
            self.fits.run(1)
            if np.abs(shift).max() < 0.1 * self.series.sampling:
                break

    def check_unit(self) -> None:
        """Refuse foci that suit the atoms far better ten times as large, as those in nm do."""
        low, high = self.series.range
        field, fits = self.optics.depth_of_field, self.fits
        if high - low > _NARROW * field:
            return
        foci = self.series.foci - (low + high) / 2
        far = _NANOMETRE * (high - low) / 2 + _BEYOND * field
        span = far + _NANOMETRE * (high - low) / 2
        template = make_template(
            self.optics.element, self.optics.microscope, self.series.sampling, (-span, span), self.radius
        ).blurred(self.source)
        given, larger = (
            explained_squares(
                FocalModel(template, factor * foci, fits.model.noise, (-far, far), self.radius),
                fits.whole(),
                fits.atoms[:_ORDERING],
            )
            for factor in (1.0, _NANOMETRE)
        )
        if larger > given + max(_UNIT_CLEAR * len(fits.atoms[:_ORDERING]), _UNIT_SHARE * given):
            raise InputError(
                f"{self.series.name}: the atoms blur as if the foci, {low:g} to {high:g} Å, were ten times as far from "
                "each other; are they in nm? Give them in Å"
            )

    def check_order(self, rng: np.random.Generator) -> None:
        """Refuse frames that show something else, and frames whose sharpness does not follow their foci."""
        fits, name = self.fits, self.series.name
        share, error = fits.frame_shares()
        strange = np.flatnonzero((share < _LEAST_SHARE) & (share + _CERTAIN * error < 1))
        if len(strange):
            listed = ", ".join(map(str, strange.tolist()))
            raise InputError(
                f"{name}: the atoms of the other frames are not on frame {listed} (counted from 0): it shows another "
                "place, drifted too far to be followed, or has another focus than given"
            )
        self.chance = order_chance(fits.model, fits.whole(), fits.atoms[:_ORDERING], rng)
        if self.chance > CHANCE:
            raise InputError(
                f"{name}: the atoms do not sharpen and blur as the foci say: {100 * self.chance:.0f} % of random "
                "orders suit them better; check that foci and frames are in the same order"
            )

    def fit_source(self) -> None:
        """Find the source that suits the brightest atoms best, where it is not given."""
        if self.optics.source_size is not None:
            return
        fits = self.fits
        noise, frames = fits.model.noise, self.frames
        white, bright = noise.whiten(frames), sorted(fits.atoms, key=lambda one: -one.amplitude)[:_BRIGHT]

        def left(source: float) -> float:
            self.template = self.template.blurred(source)
            tried = AtomFits(self.model(noise), white, bright)
            tried.run(1)
            return tried.chi2

        best = minimize_scalar(left, bounds=_SOURCES, method="bounded", options={"xatol": 0.1})
        self.source = float(best.x)
        self.template = self.template.blurred(self.source)
        self.fits = AtomFits(self.model(noise), white, fits.atoms)
        self.fits.run(1)

    def finish(self) -> Depths:
        """Measure the noise beside the atoms, find atoms anew, and fit them on it."""
        fits, frames = self.fits, self.frames
        empty = frames.copy()
        for atom in fits.atoms:
            patch = fits.model.patch(empty, fits.model.pixel(atom))
            patch -= np.float32(atom.amplitude) * fits.model.raw(atom)
        places = np.array([(atom.x, atom.y) for atom in fits.atoms]) / self.series.sampling
        noise = measure_noise(empty, self.series.sampling, places)
        model, filtered = self.model(noise), noise.whiten(frames)
        found = AtomFits(model, filtered, self.search(model, filtered))
        found.run(2)
        found.measure_gain()
        found.run(2)
        atoms = tuple(self._atom(found, number) for number in range(len(found.atoms)))
        if not atoms:
            raise InputError(f"{self.series.name}: {_NONE}")
        return Depths(self.series, self.optics, atoms, self.drift, self.source, frames.mean(0), self.chance)

    def _atom(self, fits: AtomFits, number: int) -> AtomDepth:
        return AtomDepth(fits.fits[number], fits.profile(number), fits.overlap(number), fits.focusing(number))
