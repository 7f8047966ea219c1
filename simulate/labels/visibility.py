"""How visible atoms are: against counting noise, and against the support's own texture."""

from dataclasses import dataclass

import numpy as np
import scipy  # its module stats takes a second to import, and is when it is first used
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.microscope import FWHM

# Side of the windows in which texture is measured [Å].
_WINDOW = 19.0
# Atoms whose image is wider than this are spread over as much as texture is [Å].
_COMPACT = 3.0
# Share of an image beside its atoms' places from which on their surroundings are known; the multiple of these'
# standard deviation that is too much to be texture; and how much of an atom's Gaussian a column that guides the probe
# leaves, in root mean square.
_FREE, _LEFT, _GUIDED = 0.25, 2.0, 2.0
# Windows darker than this share of the bright ones are vacuum, or its edge.
_VACUUM = 0.2
# Spatial frequencies in units of 1/width; beyond the last a Gaussian's power is below 1e-10 of its peak.
_FREQUENCIES = np.linspace(0, 0.8, 161)


@dataclass(frozen=True)
class Texture:
    """Granularity of a support: as the power of its image, in units of the counting noise at unit dose.

    A support is a sum of many independent grains, so that the variance of its image grows with its mean B as that of
    counts does: the power is B·c(q), beside B/D from counting at dose D.

    Parameters
    ----------
    frequency
        Spatial frequency q [1/Å], shape (n,).
    power
        c(q) [Å²], shape (n,).

    Examples
    --------
    >>> columns = {"scattering": 0.03, "noise_width_angstrom": 1.0, "peak_width_angstrom": 1.0, "background": 0.01}
    >>> labels = Annotations([[50, 50]], columns={name: [value] for name, value in columns.items()})
    >>> grainy = Texture(frequency=np.array([0.0, 1.0]), power=np.array([1e-4, 1e-4]))
    >>> [float(visibility(labels, 1e4, 0.0, one)[1][0].round(1)) for one in (None, grainy)]
    [8.5, 6.0]
    """

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]

    @classmethod
    def of(cls, signal: ArrayLike, sampling: float, labels: Annotations | None = None) -> "Texture":
        """Measure a noise-free image.

        The power is averaged over rings, and over windows without the tenths at both ends: odd places do not count.

        Parameters
        ----------
        signal
            Fraction of the electrons that are detected, shape (height, width).
        sampling
            Pixel size [Å].
        labels
            From :func:`stemforge.simulate.label_atoms`. The atoms among them that are near focus are taken away
            first, as Gaussians, and what these leave of them where a crystal's columns guide the probe: what is looked
            for is no texture. Spread ones stay, as they are clutter.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> grains = rng.poisson(400, (256, 256)) / 2e4  # as if counted at 2e4 electrons a pixel
        >>> texture = Texture.of(grains, 0.5)
        >>> expected = 0.5**2 / 2e4
        >>> bool(abs(np.median(texture.power[4:]) / expected - 1) < 0.1)
        True
        """
        values = np.array(signal, dtype=np.float32)
        side = min(*values.shape, max(8, round(_WINDOW / sampling)))
        step = max(1, side // 2)

        def cut() -> NDArray[np.float32]:
            views = np.lib.stride_tricks.sliding_window_view(values, (side, side))[::step, ::step]
            return views.reshape(-1, side, side)

        before = cut().mean((1, 2))
        if labels is not None:
            _take_away(values, sampling, labels)
        windows = cut()
        mean = windows.mean((1, 2))
        # Where atoms lie on vacuum, what their Gaussians leave of them is all there is, and no texture.
        chosen = mean > np.maximum(_VACUUM * np.percentile(mean, 95), 0.1 * before)
        if not chosen.any():
            return cls(np.array([0.0, 1.0]), np.zeros(2))
        windows, mean = windows[chosen], mean[chosen]
        # Thickness varies from window to window, and across it: a plane is no texture.
        along = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / np.sqrt(side**2 * (side**2 - 1) / 12)
        flat = windows - mean[:, None, None]
        flat -= np.einsum("nij,i->n", windows, along)[:, None, None] * along[:, None]
        flat -= np.einsum("nij,j->n", windows, along)[:, None, None] * along
        taper = np.outer(*2 * [np.hanning(side + 2)[1:-1].astype(np.float32)])
        power = np.abs(fft.fft2(flat * taper)) ** 2 * np.float32(sampling**2 / (taper**2).sum())
        steps = np.fft.fftfreq(side) * side
        ring = np.rint(np.hypot(steps[:, None], steps)).astype(int)
        numbers = np.arange(side // 2 + 1)
        # A matrix product takes the means of all rings of all windows at once.
        share = (ring.ravel()[:, None] == numbers).astype(np.float32)
        rings = power.reshape(len(power), -1) @ (share / share.sum(0))
        power = scipy.stats.trim_mean(rings / mean[:, None], 0.1, axis=0)
        # As slow as the windows are long there is no telling: the plane took most of that away.
        power[:2] = power[2]
        return cls(numbers / (side * sampling), power)


def _take_away(values: NDArray[np.float32], sampling: float, labels: Annotations) -> None:
    """Subtract the Gaussians of compact atoms from an image, in place, and what they leave of atoms on guiding columns.

    A crystal's columns guide the probe, so that an atom on one scatters up to twice what it does by itself: what is
    left of it would be taken for a texture that hides it. Its place is filled with the level of its border, where much
    more is left than the surroundings vary, and no more than such an atom leaves.
    """
    height, width = values.shape
    # Points lie in the image, and no spot is narrower than its pixels can draw.
    spread = np.maximum(labels["noise_width_angstrom"] / sampling, 0.5)
    rows = zip(labels.points, spread, labels["scattering"] / sampling**2, strict=True)
    places, free = [], np.ones(values.shape, dtype=bool)
    subtracted = []
    for (x, y), sigma, total in rows:
        if sigma * sampling > _COMPACT:
            continue
        reach = int(np.ceil(4 * sigma))
        i = np.arange(max(0, round(y) - reach), min(height, round(y) + reach + 1))
        j = np.arange(max(0, round(x) - reach), min(width, round(x) + reach + 1))
        down, across = (np.exp(-((n - at) ** 2) / (2 * sigma**2)) for n, at in ((i, y), (j, x)))
        place = np.s_[i[0] : i[-1] + 1, j[0] : j[-1] + 1]
        spot = total / (2 * np.pi * sigma**2) * np.outer(down, across)
        values[place] -= spot
        places.append(place)
        subtracted.append(float(np.sqrt(np.mean(spot**2))))
        free[place] = False
    if free.mean() < _FREE:
        return
    for place, spot_rms in zip(places, subtracted, strict=True):
        part = values[place]
        level = np.median(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]))
        left = float(np.sqrt(np.mean((part - level) ** 2)))
        if left > _GUIDED * spot_rms:
            continue
        wide = tuple(slice(max(0, 2 * one.start - one.stop), 2 * one.stop - one.start) for one in place)
        around = values[wide][free[wide]]
        if len(around) >= part.size and left > _LEFT * around.std():
            values[place] = level


def visibility(
    labels: Annotations, dose: float, source_size: float, texture: Texture | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say how visible labelled atoms are at a dose and source size.

    An atom's image k, of sum S, stands on a background B. Its contrast is its peak over the background, S/(2πσ²B). An
    ideal linear observer, who knows k and the noise's power P(q), finds it with the contrast-to-noise of the
    prewhitening matched filter, √∫|k(q)|²/P(q) d²q (Barrett & Myers 2004, Foundations of Image Science, ch. 13).
    Counting at dose D has P = B/D and gives S √(D/(4πσ²B)); a textured support has P = B (1/D + c(q)), so that beyond
    some dose more electrons show no more atoms. The widths σ, one for the peak and one for the sum of squares, grow
    with the source in quadrature: exact at the source size for which the labels were made. The decay of the detector's
    signal acts on atom and noise alike, which this observer undoes.

    Parameters
    ----------
    labels
        From :func:`stemforge.simulate.label_atoms`.
    dose
        Incident electrons per area [e/Å²].
    source_size
        Full width at half maximum of the source [Å].
    texture
        That of the image the atoms are on; without it, counting is all the noise there is.

    Returns
    -------
    contrast, cnr
        One value an atom. Where the background is less than half the atom's peak, half the peak stands in for it in
        both: a contrast is at most 2.

    Examples
    --------
    >>> columns = {"scattering": 0.03, "noise_width_angstrom": 1.0, "peak_width_angstrom": 1.0, "background": 0.01}
    >>> labels = Annotations([[50, 50]], columns={name: [value] for name, value in columns.items()})
    >>> contrast, cnr = visibility(labels, dose=1e4, source_size=0.0)
    >>> contrast.round(2), cnr.round(2), visibility(labels, dose=4e4, source_size=0.0)[1].round(2)
    (array([0.48]), array([8.46]), array([16.93]))
    """
    if dose == 0:
        return np.zeros(len(labels)), np.zeros(len(labels))
    source = (source_size / FWHM) ** 2
    peak = labels["scattering"] / (2 * np.pi * (labels["peak_width_angstrom"] ** 2 + source))
    # In vacuum there is next to no background to count: half the atom's own peak stands in.
    background = np.maximum(labels["background"], np.maximum(peak / 2, 1e-12))
    scale = labels["scattering"] / np.sqrt(background)
    if texture is None:
        variance = labels["noise_width_angstrom"] ** 2 + source
        return peak / background, scale * np.sqrt(dose / (4 * np.pi * variance))
    q, spectrum = detectability_spectrum(labels, dose, source_size, texture)
    return peak / background, scale * np.sqrt(np.trapezoid(spectrum, q, axis=1))


def detectability_spectrum(
    labels: Annotations, dose: float, source_size: float, texture: Texture | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where in frequency atoms are seen: q [1/Å] and 2πq |k(q)|²/P(q) for S²/B = 1, shape (atoms, n).

    Arguments as for :func:`visibility`; the integral over q is the contrast-to-noise squared, over S²/B.
    """
    width = np.hypot(labels["noise_width_angstrom"], source_size / FWHM)
    q = _FREQUENCIES / width[:, None]
    noise = noise_power(q, dose, source_size, texture)
    return q, 2 * np.pi * q * np.exp(-4 * np.pi**2 * _FREQUENCIES**2) / noise


def noise_power(
    q: NDArray[np.float64], dose: float, source_size: float, texture: Texture | None = None
) -> NDArray[np.float64]:
    """Return the noise's power over its background, P(q)/B = 1/D + c(q) [Å²], at spatial frequencies q [1/Å]."""
    noise = np.full(q.shape, 1 / dose)
    if texture is not None:
        # The source blurs the texture as it does atoms.
        blur = np.exp(-4 * np.pi**2 * (source_size / FWHM) ** 2 * q**2)
        noise += np.interp(q, texture.frequency, texture.power) * blur
    return noise
