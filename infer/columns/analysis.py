"""All atom columns of a framework on an image."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.columns.averaging import AveragedCells, average_cells
from stemforge.infer.columns.classes import classify
from stemforge.infer.columns.fit import ColumnFit, fit_columns
from stemforge.infer.columns.guests.result import GuestColumns
from stemforge.infer.columns.guests.search import find_guests
from stemforge.infer.columns.image import FrameworkImage
from stemforge.infer.columns.peaks import Pictures, Stamps
from stemforge.infer.columns.result import MeasuredColumns
from stemforge.infer.columns.sites import column_sites
from stemforge.infer.columns.white import Grid, Whitening
from stemforge.infer.crystals.domains import Domains, find_domains
from stemforge.infer.crystals.lattice import Lattice, find_lattice
from stemforge.infer.occupancy.analysis import measure_occupancy
from stemforge.infer.occupancy.crystal import ChannelCrystal, Crystal
from stemforge.infer.occupancy.registration import Registration, border_distance, noise_weight
from stemforge.micrograph.image import Micrograph

_PASSES = 4  # average cell, registration and noise are known better each time
_MARGIN = 3.0  # beyond the image, from where columns reach into it [Å]
_EDGE = 1.5  # within which columns are not stated: half of them is not shown [Å]
_WHOLE = 2.5  # from where columns are shown whole [Å]
_BORDER = 5.0  # from the border of a domain, whose place is known no better, within which columns are not stated [Å]


def find_columns(
    micrograph: Micrograph,
    *,
    framework: str | Crystal = "mfi",
    lattice: Lattice | None = None,
    cells: int = 1,
    guests: tuple[str, ...] = (),
) -> MeasuredColumns:
    """Find every atom column of a framework on an image along its channels.

    The framework's columns are known from the crystal, and where they are expected from the lattice on the image, place
    by place. What an image shows of a column follows from the transfer that is fitted to the crystal, together with
    places and strengths in the average cell, and from the noise that is measured between the crystal's reflections. How
    copies of a column differ from the average cell's is one least-squares fit of all columns to the white image, with a
    prior on places: how far copies are from each other is learnt. What a column is follows from its intensity and from
    what the lattice has at its place. Domains displaced against each other have each their own columns; those at their
    boundaries, and where the image shows no crystal, are left out.

    Molecules in the channels have columns, too, where the crystal is ordered (:func:`measure_occupancy` tells): in a
    channel that holds a molecule in all cells a rigid molecule is moved and turned until it explains the average cell
    best, by least squares over the noise and all that framework and transfer may be. Columns are stated where it is
    probable that molecules lie alike, and not empty channels or poses without an order explain the cell as well.

    Parameters
    ----------
    micrograph
        iDPC-STEM image of a crystal along its channels, bright atoms on dark, three cells along each side at least, not
        restored.
    framework
        One that is built in, such as ``"mfi"``, or a CIF file, seen along its channels; molecules in it are left out.
        For many images it may be made once.
    lattice
        As found on the image; by default it is found.
    cells
        Blocks of so many cells along each side are averaged into one first.
    guests
        Molecules whose columns are looked for, by names that :func:`stemforge.structures.place_guest` knows; of a
        framework that was made once, those that it was made with. Not with averaged cells.

    Returns
    -------
    MeasuredColumns
        Place, intensity and class of every column, with errors and probabilities. A shift of all columns alike, which
        no image tells from one that the microscope makes, is in no error.

    Raises
    ------
    InputError
        No lattice of the framework on the image, no crystal along it, too few cells to average, or guests that cannot
        be looked for.

    References
    ----------
    Figure 5 of Yang et al., Adv. Sci. 2024, doi:10.1002/advs.202408629, shows such columns, coloured by element.

    Examples
    --------
    >>> from stemforge.infer.occupancy.crystal import cell_image
    >>> crystal = Crystal.named("mfi")
    >>> hk = crystal.indices(1.5)
    >>> fade = np.exp(-((hk / crystal.cell) ** 2).sum(1) / 0.18)
    >>> cell = cell_image(crystal.coefficients(hk) * fade, hk, (36, 54))
    >>> empty = np.tile(cell, (3, 3)) + np.random.default_rng(0).normal(0, cell.std() / 20, (108, 162))
    >>> found = find_columns(Micrograph(empty.astype("float32")), framework=crystal)
    >>> found.count("T") > 150, found.count("none")
    (True, 0)
    """
    if cells < 1:
        raise InputError(f"cells must be 1 or more, not {cells}")
    crystal = crystal_with(framework, guests, cells) if isinstance(framework, str) else framework
    if guests and not isinstance(crystal, ChannelCrystal):
        raise InputError("guests are looked for in a ChannelCrystal, which has channels")
    lattice = find_lattice(micrograph, framework=crystal.framework) if lattice is None else lattice
    domains = find_domains(micrograph, lattice, framework=crystal.framework)
    if not len(domains.displacements):
        raise InputError(f"{micrograph.name}: no part of it shows the framework along the lattice")
    averaged = average_cells(micrograph, domains, cells) if cells > 1 else None
    found = _Search(micrograph, crystal, domains, averaged)
    if not guests or not isinstance(crystal, ChannelCrystal):
        return found.columns()
    columns = found.columns()
    occupancy = measure_occupancy(micrograph, framework=crystal, lattice=lattice)
    search = find_guests(found.shown, crystal, occupancy)
    return replace(
        columns, guests=GuestColumns.placed(search, crystal, found.shown.cell.moved, found.grid, found.copies)
    )


def crystal_with(framework: str, guests: tuple[str, ...], cells: int) -> Crystal:
    """Return a framework with the molecules that are looked for.

    Raises
    ------
    InputError
        As for :func:`find_columns`.
    """
    if guests and cells > 1:
        raise InputError(
            "columns of guests are those of the average of all cells: ask for them without cells"
        )
    return ChannelCrystal.named(framework, guests) if guests else Crystal.named(framework)


@dataclass(frozen=True)
class _Places:
    """Columns that are looked for: points (x, y) [pixel], and the number of the site each is a copy of, ascending."""

    points: NDArray[np.float64]
    site: NDArray[np.intp]

    @classmethod
    def of(cls, lattice: Lattice, sites: NDArray[np.float64], shape: tuple[int, int]) -> "_Places":
        """Return all copies of sites, in fractions of the axes; those just beyond an image too."""
        beyond = _MARGIN / lattice.sampling
        origin = np.array(lattice.origin_px) + beyond
        wider = replace(lattice, origin_px=(float(origin[0]), float(origin[1])))
        height, width = (int(n + 2 * beyond) for n in shape)
        each = [wider.sites(site[None], (height, width)) - beyond for site in sites]
        return cls(np.concatenate(each), np.repeat(np.arange(len(each)), [len(points) for points in each]))


class _Search:
    """The passes over one image."""

    def __init__(
        self,
        micrograph: Micrograph,
        crystal: Crystal,
        domains: Domains,
        averaged: AveragedCells | None = None,
    ) -> None:
        self.crystal, self.domains, self.averaged = crystal, domains, averaged
        self.micrograph = micrograph if averaged is None else averaged.micrograph
        self.lattice = domains.lattice if averaged is None else averaged.lattice
        shape: tuple[int, int] = self.micrograph.shape
        self.labels = domains.map(shape) if averaged is None else np.zeros(shape, dtype=np.int64)
        self.grid = Grid.of(self.lattice, shape)
        self.sites = column_sites(crystal.atoms)
        self.shown = FrameworkImage(
            np.asarray(self.micrograph.image, dtype=np.float64),
            crystal,
            self.lattice,
            self.sites,
            # Averaged cells were cut along their domains.
            Registration.of_domains(domains, shape) if averaged is None else Registration.none(shape),
            noise_weight(self.labels, self.lattice.sampling),
        )

    def columns(self) -> MeasuredColumns:
        """Return what is known of the columns after all passes."""
        self.shown.improve()
        explained = self.shown.cell.explained
        for _ in range(_PASSES - 1):
            self.shown.improve()
        places, fit = self._fit()
        return self._described(places, fit, explained)

    @property
    def _white(self) -> Whitening:
        return Whitening(self.shown.noise, self.grid, self.shown.resolution)

    def _registered(self) -> _Places:
        """Return the framework's columns where each domain has them, as it is registered now."""
        sites = np.array([site.place for site in self.sites]) / self.crystal.cell
        shape: tuple[int, int] = self.micrograph.shape
        if self.averaged is not None:
            return self._bent(_Places.of(self.lattice, sites, shape))
        found = []
        for label in range(len(self.domains.displacements)):
            places = self._bent(_Places.of(self.domains.moved(label), sites, shape))
            inside = self.domains.at(places.points) == label
            found.append(_Places(places.points[inside], places.site[inside]))
        points, site = (
            np.concatenate([one.points for one in found]),
            np.concatenate([one.site for one in found]),
        )
        order = np.argsort(site, kind="stable")
        return _Places(points[order], site[order])

    def _bent(self, places: _Places) -> _Places:
        return _Places(places.points + self.shown.registration.bend_at(places.points), places.site)

    def copies(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all points (x, y) [pixel] of the image at a place of the cell (x, y) [Å], domains as registered."""
        shape: tuple[int, int] = self.micrograph.shape
        found = [np.zeros((0, 2))]
        for label in range(len(self.domains.displacements)):
            places = self._bent(
                _Places.of(self.domains.moved(label), (place / self.crystal.cell)[None], shape)
            )
            found.append(places.points[self.domains.at(places.points) == label])
        return np.concatenate(found)

    def stamps(self) -> tuple[_Places, Stamps, NDArray[np.float64]]:
        """Return the framework's columns where it is registered now, what the image shows of each, and how strongly."""
        places = self._registered()
        white = self._white
        pictures = Pictures.of(self.sites, self.shown.cell.appearance, self.shown.resolution, white.weight)
        stamps = Stamps.at(white.points(places.points), places.site, pictures, white.coarse)
        scale = self._at(self.shown.registration.strength, places.points) * np.sqrt(white.coarse.area)
        return places, stamps, scale

    def _fit(self) -> tuple[_Places, ColumnFit]:
        """Fit the framework's columns where it is registered now."""
        places, stamps, scale = self.stamps()
        cell = np.column_stack([self.shown.cell.strength, self.shown.cell.moved])
        fit = fit_columns(
            self._white.of(self.shown.left).ravel(),
            stamps,
            self._angstroms(places.points),
            scale,
            start=cell[places.site],
            whole=self._inside(places.points) >= _WHOLE,
        )
        # All copies of a site are off alike where the average cell is.
        every = np.arange(3)
        fit.covariance[:, every, every] += self.shown.cell.doubt[places.site]
        return places, fit

    def _at(self, field: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a field's value at the pixels nearest to points."""
        height, width = self.micrograph.shape
        x, y = np.rint(points).astype(int).clip(0, [width - 1, height - 1]).T
        return field[y, x]

    def _inside(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far points (x, y) [pixel] are from the border of the image [Å], negative beyond it."""
        beyond = np.array(self.micrograph.shape[::-1]) - 1 - points
        return np.asarray(np.minimum(points, beyond).min(1) * self.lattice.sampling)

    def _angstroms(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return points @ np.linalg.inv(self.grid.axes).T

    def _described(self, places: _Places, fit: ColumnFit, explained: float) -> MeasuredColumns:
        strength = np.array([site.strength for site in self.sites])[places.site]
        error = np.sqrt(fit.covariance[:, 0, 0])
        found = classify(fit.strength * strength, error * strength, places.site, self.sites)
        points = places.points + fit.moved @ self.grid.axes.T
        stated = self._inside(points) >= _EDGE
        stated &= self._at(border_distance(self.labels), points) * self.lattice.sampling >= _BORDER
        turned = self.grid.axes @ fit.covariance[:, 1:, 1:] @ self.grid.axes.T
        return MeasuredColumns(
            self.micrograph,
            self.domains,
            self.lattice,
            points[stated],
            np.sqrt(np.einsum("nii->ni", turned))[stated],
            (fit.strength * strength)[stated],
            (error * strength)[stated],
            places.site[stated],
            found.probability[stated],
            self.shown.cell.way,
            fit.spread,
            found.other,
            explained,
            self.shown.cell.appearance.fine_detail,
            self.averaged,
        )
