"""From noise-free signal to the image that a detector would have written.

One pure function, used alike by training, dose sweeps and export. In order: contamination, finite source, scan
distortion, emission flicker, electron counting, the detector's decay, its gain and noise, quantisation.
"""

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import scipy  # its module signal takes a second to import, and is when it is first used
from ase.units import _e
from numpy.typing import NDArray
from pydantic import model_validator
from scipy import ndimage

from stemforge.errors import InputError
from stemforge.settings import (
    ADDED_LATER,
    Fraction,
    LogUniform,
    NonNegative,
    Positive,
    Random,
    Settings,
    within,
)
from stemforge.simulate.detectors import SEGMENTS
from stemforge.simulate.microscope import FWHM
from stemforge.simulate.recording.acquisition import Acquisition, acquire
from stemforge.simulate.recording.decay import LONGEST

# Without counting noise the dose is but a factor [e/Å²].
_NOISELESS_DOSE = 1e6


class Degradation(Settings):
    """What stands between the specimen's signal and the recorded image.

    Parameters
    ----------
    source_size
        Full width at half maximum of the effective source, as a Gaussian blur [Å].
    dose
        Incident electrons per area [e/Å²]. Give either this or ``beam_current`` and ``dwell_time``.
    beam_current
        Beam current [pA]; together with ``dwell_time`` in place of a dose.
    dwell_time
        Time the beam stays on a pixel [µs].
    counting
        Draw electron counts from the Poisson distribution; false gives their expectation.
    flicker
        Relative standard deviation of the emission current; a cold field emitter shows some 1 % as streaks
        along the scan lines.
    flicker_time
        Correlation time of the flicker [scan lines]; below 1 the streaks end within a line.
    line_jitter
        Standard deviation of each line's displacement along the line [Å].
    line_jitter_across
        Standard deviation of each line's displacement across it [Å].
    drift
        Specimen drift over the whole frame [Å].
    drift_angle
        Azimuth of the drift [rad].
    tear
        Jump along the lines [Å] when the specimen discharges.
    tear_position
        Fraction of the frame after which it jumps.
    gain
        Detector units an electron.
    offset
        Detector units at no electron.
    read_noise
        Standard deviation of the detector's units at no electron.
    decay_time
        Decay time of the detector's signal: afterglow of the scintillator, photomultiplier, amplifier [dwell times].
        Electrons leave this share of their signal, or most of it beyond one dwell time, to the pixels after theirs.
        Neighbours on a line then share noise: correlation ½ decay_time / (1 − decay_time) up to 0.3.
    pulse_spread
        Relative standard deviation s of one electron's signal, as pulse heights of a scintillator differ. ``dose`` is
        then what an ideal counter would need for the same noise: the detective quantum efficiency 1/(1 + s²) is in it,
        the variance is the mean as before, and the skewness is larger by (1 + 2s²)/(1 + s²).
    gain_spread
        Relative standard deviation between the channels' gains, such as a detector's segments have.
    contamination
        Root mean square of a smooth film's share in the signal, relative to the signal's mean. The film scatters to
        annular detectors; on four segments its phase gradient deflects.
    contamination_length
        Correlation length of the film [Å].
    bits
        Digitised to whole units and clipped to 0 … 2^bits − 1; null keeps real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> clean = np.full((1, 64, 64), 0.02, dtype="float32")
    >>> degraded = degrade(clean, Degradation(dose=2e4), sampling=0.3, rng=np.random.default_rng(0))
    >>> bool(abs(degraded.image.mean() / (2e4 * 0.3**2 * 0.02) - 1) < 0.01)
    True
    """

    source_size: NonNegative = 1.0
    dose: NonNegative | None = None
    beam_current: Positive | None = None
    dwell_time: Positive | None = None
    counting: bool = True
    flicker: NonNegative = 0.0
    flicker_time: Positive = 0.5
    line_jitter: NonNegative = 0.0
    line_jitter_across: Annotated[NonNegative, ADDED_LATER] = 0.0
    drift: NonNegative = 0.0
    drift_angle: Random = 0.0
    tear: Random = 0.0
    tear_position: Fraction = 0.5
    gain: Positive = 1.0
    offset: Random = 0.0
    read_noise: NonNegative = 0.0
    decay_time: Annotated[Random, within(0, LONGEST), ADDED_LATER] = 0.0
    pulse_spread: Annotated[Random, within(0, 2), ADDED_LATER] = 0.0
    gain_spread: NonNegative = 0.0
    contamination: NonNegative = 0.0
    contamination_length: Positive = 30.0
    bits: int | None = None

    @model_validator(mode="after")
    def _one_dose(self) -> Self:
        current = (self.beam_current is not None, self.dwell_time is not None)
        if current[0] != current[1]:
            raise ValueError("beam_current [pA] and dwell_time [µs] are given together or not at all")
        if current[0] and self.dose is not None:
            raise ValueError("give either dose [e/Å²] or beam_current and dwell_time, not both")
        if self.bits is not None and not 1 <= self.bits <= 32:
            raise ValueError(f"bits must be 1 to 32 or null, got {self.bits}")
        return self

    def at_dose(self, dose: float | tuple[float, float] | None) -> Self:
        """Return the same degradation at another dose [e/Å²], with its counting noise.

        Parameters
        ----------
        dose
            Of two values it is drawn log-uniformly between them. None: without counting noise.

        Raises
        ------
        InputError
            The dose is no positive number.

        Examples
        --------
        >>> Degradation().at_dose((1e4, 4e5)).dose.loguniform
        (10000.0, 400000.0)
        """
        number = _NOISELESS_DOSE if dose is None else dose
        if not (np.isfinite(number).all() and np.min(number) > 0):
            raise InputError(f"dose must be a positive number of e/Å², not {dose}")
        drawn = LogUniform(loguniform=number) if isinstance(number, tuple) else float(number)
        return self.replace(dose=drawn, beam_current=None, dwell_time=None, counting=dose is not None)

    def electrons_per_pixel(self, sampling: float) -> float:
        """Incident electrons a pixel of side ``sampling`` [Å]; the settings must be drawn."""
        if self.dose is not None:
            return self.dose * sampling**2
        if self.beam_current is not None and self.dwell_time is not None:
            return self.beam_current * 1e-12 * self.dwell_time * 1e-6 / _e
        raise InputError("degradation: give dose [e/Å²], or beam_current [pA] and dwell_time [µs]")


@dataclass(frozen=True)
class Degraded:
    """A degraded image, and where the scan put what it shows.

    Parameters
    ----------
    image
        Detector units, shape (channels, height, width), float32.
    displacement
        How far each line's content lies from its true place, (dx, dy) [pixel], shape (height, 2): by drift, tear and
        jitter along the line, and by the detector's decay, which moves the centre of what it smears. Jitter across
        the line is not in it: a point's height then lies on several lines or on none, and its neighbours' mean out.
    settings
        The degradation as it was drawn.

    Examples
    --------
    >>> signal = np.full((1, 64, 64), 0.05, "float32")
    >>> degraded = degrade(signal, Degradation(dose=1e4, drift=3.0), 0.3, np.random.default_rng(0))
    >>> shift = degraded.move(np.array([[20.0, 60.0]])) - [20.0, 60.0]
    >>> shift.shape, bool(np.abs(shift).max() > 1)
    ((1, 2), True)
    """

    image: NDArray[np.float32]
    displacement: NDArray[np.float64]
    settings: Degradation

    def move(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points (x, y) [pixel] of the undistorted specimen appear in the image."""
        return displaced(points, self.displacement)

    def move_boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where boxes (x0, y0, x1, y1) [pixel] appear; they follow their middles and keep their size."""
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        shift = self.move(middles) - middles
        return boxes + np.hstack([shift, shift])


def displaced(points: NDArray[np.float64], displacement: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points (x, y) [pixel] appear when each line's content is displaced, shape (height, 2) [pixel]."""
    if not len(points) or not displacement.any():
        return points
    rows = np.arange(len(displacement))
    # Line r shows specimen height r − dy(r): find the line that shows the point's height.
    shown = np.maximum.accumulate(rows - displacement[:, 1])
    line = np.interp(points[:, 1], shown, rows)
    # Beyond the first and last line a point keeps its distance: what drifts out of the frame is outside.
    line += points[:, 1] - np.clip(points[:, 1], shown[0], shown[-1])
    dx = np.interp(line, rows, displacement[:, 0])
    return np.column_stack([points[:, 0] + dx, line])


def degrade(
    signal: NDArray[np.float32],
    degradation: Degradation,
    sampling: float,
    rng: np.random.Generator,
    *,
    device: str = "cpu",
    frame: tuple[int, int] | None = None,
) -> Degraded:
    """Turn a noise-free signal into a recorded image.

    Parameters
    ----------
    signal
        Fraction of incident electrons, shape (channels, height, width).
    degradation
        What to do; fields that are distributions are drawn from ``rng`` first.
    sampling
        Pixel size [Å].
    rng
        Source of every random number.
    device
        Where blur, distortion and counting are done: ``"cpu"`` or a torch device such as ``"cuda"``. Another device
        draws other counting noise; the expected image is the same.
    frame
        Height and width of the scan [pixel], where the signal is but a patch of it: drift and the flicker's memory
        count by the whole frame and its lines.

    Returns
    -------
    Degraded
        Image in detector units, and the displacement of each scan line.

    Examples
    --------
    >>> signal = np.full((1, 64, 64), 0.05, "float32")
    >>> image = degrade(signal, Degradation(dose=2e4, source_size=1.0), 0.3, np.random.default_rng(0)).image
    >>> round(float(image.mean())), 2e4 * 0.3**2 * 0.05
    (90, 90.0)
    """
    settings = degradation.draw(rng)
    electrons = settings.electrons_per_pixel(sampling)
    values = np.asarray(signal, dtype=np.float32)
    if values.ndim != 3:
        raise InputError(f"degrade: signal must have shape (channels, height, width), not {values.shape}")
    height, width = values.shape[1:]

    if settings.contamination:
        values = _contaminate(values, settings, sampling, rng)
    sigma = settings.source_size / FWHM / sampling
    lines, line = (height, width) if frame is None else frame
    displacement = _displacement(settings, height, sampling, rng, height / lines)
    scanned = displacement
    if settings.line_jitter_across:
        across = rng.normal(0, settings.line_jitter_across / sampling, height)
        scanned = displacement + np.column_stack([np.zeros(height), across])
    flicker = _flicker(settings, height, width, rng, line) if settings.flicker else None
    acquisition = Acquisition(sigma, scanned, flicker, electrons, settings.decay_time, settings.pulse_spread)
    noise = rng if settings.counting else None
    if device == "cpu":
        counts = acquire(values, acquisition, noise)
    else:
        from stemforge.simulate.recording.device import acquire_on_device

        counts = acquire_on_device(values, acquisition, noise, device)
    gain = np.full(len(values), settings.gain)
    if settings.gain_spread:
        gain *= rng.normal(1, settings.gain_spread, len(values))
    image = counts * gain[:, None, None].astype(np.float32) + np.float32(settings.offset)
    if settings.read_noise:
        image = image + rng.normal(0, settings.read_noise, image.shape).astype(np.float32)
    if settings.bits is not None:
        image = np.clip(np.rint(image), 0, 2**settings.bits - 1)
    centre = displacement + np.array([settings.decay_time, 0.0])
    return Degraded(image.astype(np.float32), centre, settings)


def _contaminate(
    values: NDArray[np.float32], settings: Degradation, sampling: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Add what a smooth film of carbon on the specimen scatters or, on segments, deflects."""
    film = rng.normal(size=values.shape[1:])
    film = ndimage.gaussian_filter(film, settings.contamination_length / sampling, mode="wrap")
    if len(values) == len(SEGMENTS):
        down, right = np.gradient(film)
        field = np.stack([right, down, -right, -down])
    else:
        field = np.broadcast_to(film - film.min(), values.shape)
    level = float(np.sqrt((field**2).mean()))
    return values + np.float32(settings.contamination * values.mean() / max(level, 1e-30)) * field.astype(
        np.float32
    )


def _displacement(
    settings: Degradation, height: int, sampling: float, rng: np.random.Generator, share: float
) -> NDArray[np.float64]:
    """Displacement (dx, dy) [pixel] of each scan line's content, where these lines are a share of the frame."""
    time = share * np.linspace(-0.5, 0.5, height)  # labels are right for the middle of the frame
    drift, angle, tear = settings.drift, settings.drift_angle, settings.tear
    jitter = rng.normal(0, settings.line_jitter, height) if settings.line_jitter else np.zeros(height)
    torn = np.where(time + 0.5 > settings.tear_position, tear, 0.0)
    dx = drift * np.cos(angle) * time + jitter + torn
    dy = drift * np.sin(angle) * time
    return np.column_stack([dx, dy]) / sampling


def _flicker(
    settings: Degradation, height: int, width: int, rng: np.random.Generator, line: int
) -> NDArray[np.float32]:
    """Emission current over the scan: an Ornstein-Uhlenbeck process in time, mean 1; a line takes ``line`` pixels."""
    memory = np.exp(-1 / (settings.flicker_time * line))
    kicks = rng.normal(size=height * width)
    kicks[1:] *= np.sqrt(1 - memory**2)
    if line == width:
        current = scipy.signal.lfilter([1], [1, -memory], kicks).reshape(height, width)
    else:
        current = _patch_of_flicker(kicks.reshape(height, width), memory, line, rng)
    return (1 + settings.flicker * current).astype(np.float32)


def _patch_of_flicker(
    kicks: NDArray[np.float64], memory: float, line: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Run the process along each line of a patch; between one line and the next the rest of the scan line passes."""
    height, width = kicks.shape
    decay = memory ** np.arange(1, width + 1)
    current = scipy.signal.lfilter([1], [1, -memory], kicks, axis=1)
    gap = memory ** (line - width)
    passed = np.sqrt(1 - gap**2) * rng.normal(size=height)
    passed[0] = before = 0.0  # the first kick is a whole one: the process begins in its stationary state
    for row in range(height):
        state = gap * before + passed[row]
        current[row] += decay * state
        before = current[row, -1]
    return current
