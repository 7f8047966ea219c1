"""Occupancy of channels from the image as it was recorded."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.errors import InputError
from stemforge.infer.crystals.domains import find_domains
from stemforge.infer.crystals.lattice import Lattice, find_lattice
from stemforge.infer.occupancy.copies import copies_of
from stemforge.infer.occupancy.crystal import GUESTS, ChannelCrystal, cell_image, finest_spacing
from stemforge.infer.occupancy.mixture import Posterior, posterior_of, tempered
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration, noise_of_cells
from stemforge.infer.occupancy.result import Occupancy
from stemforge.infer.occupancy.scores import Scores
from stemforge.infer.occupancy.templates import HALF, STEP, Surroundings, Templates
from stemforge.infer.occupancy.transfer import cell_coefficients, fit_transfer
from stemforge.micrograph.image import Micrograph

_PASSES = 3  # framework, noise and guests are known better each time
_WHOLE = 4.5  # of a channel's surroundings, which an image must show [Å]
# Within this of a channel's axis its content is not told from the framework's own image; beyond the second it is [Å].
_INNER, _OUTER = 3.0, 4.2
_CELL_STEP = 0.1  # of the framework's cell, from which it is drawn on the image [Å]
_FEW = 3  # channels
_FAINT = 0.02  # molecules a cell that are not drawn
# Steps through the cell to places between channels, at least so far from every axis [Å].
_STEPS, _BETWEEN = np.array([(0, 0.25), (0.25, 0), (0.25, 0.25), (0.25, 0.5)]), 4.0
_EDGE = 12  # pixels about an image, over which a spline's coefficients forget what is beyond


def measure_occupancy(
    micrograph: Micrograph,
    *,
    framework: str | ChannelCrystal = "mfi",
    guests: tuple[str, ...] = GUESTS,
    lattice: Lattice | None = None,
) -> Occupancy:
    """Ask of every channel of a framework whether it holds a molecule.

    The image is taken as it was recorded, since restoring draws what it expects. The framework's image is its projected
    potential, and what is quadratic in it, under a transfer that is fitted to the crystal on the image: aberrations,
    source and filters need not be known. It is registered place by place, for drift, distortion and thickness. What it
    leaves of the image is compared with molecules in many poses by matched filters over the noise that is measured
    beside the lattice, and all channels together say what share is filled, how much a filled one holds, by how much
    the framework's image is off, and whether the crystal is ordered: the same channels of every cell filled, by
    molecules that lie alike, in a pose that is then searched for. Domains displaced against each other have their own
    registration; channels at their boundaries, and where the image shows no crystal, are left out.

    Parameters
    ----------
    micrograph
        iDPC-STEM image of a crystal along its channels, bright atoms on dark, three cells along each side at least.
    framework
        One that is built in, such as ``"mfi"``, or a CIF file, seen along its channels; molecules in it are left out.
        For many images it may be made once, with its guests.
    guests
        Molecules to look for, by names that :func:`stemforge.structures.place_guest` knows.
    lattice
        As found on the image; by default it is found.

    Returns
    -------
    Occupancy
        Probability, evidence and contrast of every channel that the image shows whole.

    Raises
    ------
    InputError
        No lattice of the framework on the image, fewer than three whole channels, or a molecule that does not fit.

    Examples
    --------
    >>> from dataclasses import replace
    >>> crystal = ChannelCrystal.named("mfi", ("pyridine",))
    >>> crystal = replace(crystal, guests=crystal.guests[:2])  # two poses of 128: enough for empty channels
    >>> hk = crystal.indices(1.5)
    >>> fade = np.exp(-((hk / crystal.cell) ** 2).sum(1) / 0.18)
    >>> cell = cell_image(crystal.coefficients(hk) * fade, hk, (36, 54))
    >>> empty = np.tile(cell, (3, 3)) + np.random.default_rng(0).normal(0, cell.std() / 20, (108, 162))
    >>> found = measure_occupancy(Micrograph(empty.astype("float32")), framework=crystal)
    >>> found.count("filled"), found.count("empty")
    (0, 12)
    """
    crystal = ChannelCrystal.named(framework, tuple(guests)) if isinstance(framework, str) else framework
    lattice = find_lattice(micrograph, framework=crystal.framework) if lattice is None else lattice
    return _Fit(micrograph, crystal, lattice).occupancy()


class _Fit:
    """The passes over one image."""

    def __init__(self, micrograph: Micrograph, crystal: ChannelCrystal, lattice: Lattice) -> None:
        self.micrograph, self.crystal = micrograph, crystal
        self.domains = find_domains(micrograph, lattice, framework=crystal.framework)
        self.lattice = self.domains.lattice
        self.image = np.asarray(micrograph.image, dtype=np.float64)
        self.sampling = lattice.sampling
        self.resolution = finest_spacing(self.sampling)
        self.hk = crystal.indices(self.resolution)
        self.k = self.hk / crystal.cell
        self.potential, self.powers = crystal.coefficients(self.hk), crystal.powers(self.hk)
        self.templates = Templates.of(crystal.guests, self.resolution)
        reach = round(_WHOLE / self.sampling)
        axes = self.domains.sites(crystal.channels / crystal.cell, self.image.shape, within=reach)
        edge = np.array(self.image.shape[::-1]) - 1 - axes
        self.axes = axes[np.minimum(axes, edge).min(1) * self.sampling >= _WHOLE]
        if len(self.axes) < _FEW:
            reason = "".join(f"; {line}" for line in self.domains.remarks())
            raise InputError(
                f"{micrograph.name}: shows {len(self.axes)} whole channels; at least {_FEW} are needed{reason}"
            )
        self.site = copies_of(self.axes, self.domains, crystal)[1]
        self.outside = self._outside()

    def occupancy(self) -> Occupancy:
        """Return what is known of the channels after all passes."""
        shape: tuple[int, int] = self.image.shape
        registration = Registration.of_domains(self.domains, shape)
        displaced = registration.shift_at(self.axes)  # found with the domains, and in the axes already
        guests = np.zeros(shape)
        in_cell = np.zeros(len(self.hk), dtype=complex)
        noise: Noise | None = None
        templates, offset = self.templates, 0.0
        for number in range(_PASSES):
            straight = registration.straightened(self.image)
            measured, variance = cell_coefficients(straight, self.lattice, self.hk)
            transfer, products = fit_transfer(
                measured, variance, self.k, self.potential + in_cell, self.powers
            )
            response = transfer.at(self.k)
            cell = response * self.potential + products
            drawn = self._drawn(cell, registration)
            # What the cell shows beside channels is framework, however it comes to look so: a relaxed structure's, say.
            further, _ = cell_coefficients(
                registration.straightened(self.image - drawn - guests), self.lattice, self.hk
            )
            further *= np.maximum(0, 1 - variance / np.maximum(np.abs(further) ** 2, 1e-300))
            drawn = self._drawn(cell, registration, further)
            if noise is not None:
                left = self._centred(self.image - drawn - guests)
                registration = registration.moved_by(left, drawn, noise, self.sampling, self.resolution)
                drawn = self._drawn(cell, registration, further)
            residual = self._centred(self.image - drawn)
            noise = noise_of_cells(residual - guests, self.lattice, registration, self.hk)
            places = self.axes + registration.shift_at(self.axes) - displaced
            around = Surroundings(self._whitened(residual, noise, places), transfer, noise, self.site)
            if number:
                templates = around.refined(self.templates, offset)
            scores = around.scores(templates)
            posterior = posterior_of(scores)
            offset = float(posterior.offset.mean())
            if number < _PASSES - 1:
                guests = self._guests(places, posterior, templates.pictures(transfer))
                shown, _ = cell_coefficients(registration.straightened(guests), self.lattice, self.hk)
                # As a potential, where the transfer lets that be told.
                power = np.abs(response) ** 2
                in_cell = shown * response.conj() / (power + 1e-3 * power.max())
        explained = 1 - float(
            np.sum(np.abs(measured - response * (self.potential + in_cell) - products) ** 2)
            / np.sum(np.abs(measured) ** 2)
        )
        names = np.array([molecule.name for molecule in templates.molecules], dtype=object)
        spread = scores.spread(), self._between(residual - guests, around, places)
        return self._described(
            (places, spread), posterior, scores, names, (explained, np.array([drawn, residual]))
        )

    def _between(
        self, residual: NDArray[np.float64], around: Surroundings, places: NDArray[np.float64]
    ) -> float:
        """Return how contrasts vary over noise between channels, without the molecules that reach there."""
        cell, found = self.crystal.cell, []
        channels = self.crystal.channels
        for step in _STEPS:
            away = (channels[:, None] + step * cell) - channels
            away = np.hypot(*np.moveaxis(away - cell * np.round(away / cell), -1, 0)).min()
            if away < _BETWEEN:
                continue
            moved = places + self.lattice.matrix @ step
            edge = np.array(self.image.shape[::-1]) - 1 - moved
            whole = np.minimum(moved, edge).min(1) * self.sampling >= _WHOLE
            values = self._whitened(residual, around.noise, moved[whole])
            beside = replace(around, values=values, site=self.site[whole])
            found.append(beside.scores(self.templates).spread())
        return float(np.mean(found)) if found else float("nan")

    def _described(
        self,
        where: tuple[NDArray[np.float64], tuple[float, float]],
        posterior: Posterior,
        scores: Scores,
        names: NDArray[np.object_],
        framework: tuple[float, NDArray[np.float64]],
    ) -> Occupancy:
        (places, spread), (explained, images) = where, framework
        held = np.maximum(posterior.contents, 1e-12)
        by_name = {}
        for name in dict.fromkeys(names.tolist()):
            by_name[name] = held[:, names == name].sum(1) / held.sum(1)
        likely = tempered(np.array(list(by_name.values())))
        # By the mean of all poses: the best one for each channel would make noise a molecule.
        content = scores.mean_products / scores.mean_norm - posterior.offset
        return Occupancy(
            self.micrograph,
            self.domains,
            places,
            posterior.filled,
            posterior.evidence,
            content,
            np.full(len(places), 1 / np.sqrt(scores.mean_norm)),
            np.array(list(by_name), dtype=object)[likely.argmax(0)],
            likely.max(0),
            posterior.share,
            float(posterior.offset.mean()),
            posterior.order,
            posterior.framework_error,
            posterior.alike,
            spread,
            explained,
            float(np.sqrt(np.median(scores.norms))),
            images.astype(np.float32),
        )

    def _drawn(
        self,
        cell: NDArray[np.complex128],
        registration: Registration,
        further: NDArray[np.complex128] | None = None,
    ) -> NDArray[np.float64]:
        """Draw the framework on the image; of ``further`` what lies beside the channels."""
        shape = self.outside.shape
        picture = cell_image(cell, self.hk, shape)
        if further is not None:
            picture = picture + self.outside * cell_image(further, self.hk, shape)
        return registration.drawn(picture, self.lattice)

    def _outside(self) -> NDArray[np.float64]:
        """Weight of each place of the cell: 0 within channels, 1 beside them."""
        cell = self.crystal.cell
        width, height = np.ceil(cell / _CELL_STEP).astype(int)
        x, y = np.meshgrid(np.arange(width) / width * cell[0], np.arange(height) / height * cell[1])
        nearest = np.full(x.shape, np.inf)
        for axis in self.crystal.channels:
            beside = np.stack([x, y], -1) - axis
            beside -= cell * np.round(beside / cell)
            nearest = np.minimum(nearest, np.hypot(beside[..., 0], beside[..., 1]))
        return np.clip((nearest - _INNER) / (_OUTER - _INNER), 0, 1)

    def _around(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points of the templates' grid around a channel (x, y) [pixel]."""
        return place + (self.templates.offsets / self.crystal.cell) @ self.lattice.matrix.T

    def _whitened(
        self, residual: NDArray[np.float64], noise: Noise, places: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what the framework leaves, divided by noise, around every channel."""
        whitened = noise.divided(residual, self.sampling, self.resolution)
        # Coefficients of the spline once for all channels, over an edge as wide as map_coordinates makes it.
        spline = ndimage.spline_filter(np.pad(whitened, _EDGE, mode="edge"), order=3, mode="nearest")
        return np.array(
            [
                ndimage.map_coordinates(
                    spline, self._around(place).T[::-1] + _EDGE, order=3, mode="nearest", prefilter=False
                )
                for place in places
            ]
        )

    def _guests(
        self, places: NDArray[np.float64], posterior: Posterior, pictures: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Draw what the channels are expected to hold."""
        drawn = np.zeros(self.image.shape)
        number = int(2 * HALF / STEP)
        inverse = np.linalg.inv(self.lattice.matrix).T * self.crystal.cell
        reach = HALF / self.sampling
        for place, contents in zip(places, posterior.contents, strict=True):
            if contents.sum() < _FAINT:
                continue
            picture = (contents @ pictures).reshape(number, number)
            low = np.maximum(np.floor(place - reach).astype(int), 0)
            high = np.minimum(np.ceil(place + reach).astype(int) + 1, self.image.shape[::-1])
            y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
            beside = (np.column_stack([x.ravel(), y.ravel()]) - place) @ inverse / STEP + number // 2
            drawn[low[1] : high[1], low[0] : high[0]] += ndimage.map_coordinates(
                picture, beside.T[::-1], order=1, mode="constant"
            ).reshape(y.shape)
        return drawn

    @staticmethod
    def _centred(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return image - image.mean()
