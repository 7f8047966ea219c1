"""Labels: where every scattered atom is on the image, and how visible it is."""

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.engines.kernels import atom_image
from stemforge.simulate.labels.visibility import visibility
from stemforge.simulate.microscope import FWHM, Microscope
from stemforge.simulate.scan import Scan
from stemforge.structures import Tag
from stemforge.structures.atoms.columns import column_heights, outer_depths
from stemforge.structures.tags import SITE_ARRAY

# Atoms of about the same defocus share one image: within 5 Å near focus, within a tenth of it far away.
_DEFOCUS_STEP = 5.0
_DEFOCUS_SHARE = 0.1
# Width of the smoothing that estimates the background [Å].
_BACKGROUND_SIGMA = 3.0


def label_atoms(
    atoms: Atoms,
    signal: NDArray[np.float32],
    microscope: Microscope,
    scan: Scan,
    focus: float,
    *,
    reference_dose: float,
    source_size: float = 1.0,
    thermal_sigma: float = 0.08,
) -> Annotations:
    """Describe the scattered atoms in the field of view.

    Parameters
    ----------
    atoms
        Structure; atoms tagged :attr:`Tag.SINGLE_ATOM` or :attr:`Tag.CLUSTER_ATOM` are labelled.
    signal
        Noise-free image, shape (detectors, height, width); the first detector is looked at.
    microscope, scan, focus
        As given to the engine.
    reference_dose, source_size
        Dose [e/Å²] and source [FWHM Å] at which ``contrast`` and ``cnr`` are quoted, against counting noise alone;
        :func:`stemforge.simulate.visibility` gives them at others, and against texture.
    thermal_sigma
        Root mean square thermal displacement along one direction [Å].

    Returns
    -------
    Annotations
        Points (x, y) [pixel] and columns ``element`` (atomic number), ``tag``, ``z_angstrom``,
        ``defocus_angstrom`` (depth below the focal plane), ``scattering`` (sum of the atom's image [Å²]),
        ``background`` (fraction of electrons beside the atom), ``contrast`` (at most 2: see
        :func:`stemforge.simulate.visibility`) and ``cnr``, and
        ``site`` (:class:`stemforge.structures.tags.Site`), ``column_height`` (atoms in the atom's column, itself
        included, see :func:`stemforge.structures.atoms.columns.column_heights`), ``depth_angstrom`` (below the surface
        at which the beam enters the support, negative on it, nan beside it), and
        ``peak_width_angstrom``, ``noise_width_angstrom``, the standard deviations of the Gaussians with the
        image's sum and its peak, or its sum of squares; the source's is taken out of both.

    Examples
    --------
    >>> from stemforge.simulate import Kernels
    >>> atoms = Atoms("CPt", [[8, 8, 1], [8, 6, 4]], tags=[Tag.SUPPORT, Tag.SINGLE_ATOM], cell=[16, 16, 6])
    >>> optics, scan = Microscope(), Scan(shape=(32, 32), sampling=0.25, margin=4)
    >>> signal = Kernels().image(atoms, optics, scan, focus=2.0)
    >>> labels = label_atoms(atoms, signal, optics, scan, focus=2.0, reference_dose=2e4)
    >>> labels.points.tolist(), labels["element"].tolist(), labels["defocus_angstrom"].tolist()
    ([[16.0, 8.0]], [78], [2.0])
    """
    chosen = np.isin(atoms.get_tags(), (Tag.SINGLE_ATOM, Tag.CLUSTER_ATOM))
    cell = (float(atoms.cell[0, 0]), float(atoms.cell[1, 1]))
    places = atoms.positions[chosen, :2]
    straight = (places - np.array(scan.origin(cell))) / scan.sampling
    points = straight if scan.straight else scan.pixels(places, cell)
    within = Annotations(points).inside(signal.shape[1:])
    points = points[within]
    z = atoms.positions[chosen, 2][within]
    numbers = atoms.numbers[chosen][within]
    defocus = z - focus

    detector = microscope.channels[0]
    source = source_size / FWHM
    blur = float(np.hypot(source, thermal_sigma))
    area = scan.sampling**2
    scattering, peak_width, noise_width = np.zeros(len(points)), np.ones(len(points)), np.ones(len(points))
    scale = _DEFOCUS_STEP / _DEFOCUS_SHARE
    steps = np.rint(np.arcsinh(defocus / scale) / _DEFOCUS_SHARE).astype(int)
    for number, step in sorted({*zip(numbers.tolist(), steps.tolist(), strict=True)}):
        which = (numbers == number) & (steps == step)
        depth = float(scale * np.sinh(step * _DEFOCUS_SHARE))
        # Blurred by the source already: a defocused probe is no Gaussian, and only the step from this source
        # size to another takes it for one.
        image = atom_image(chemical_symbols[number], microscope, detector, depth, scan.sampling, blur)
        image = image.astype(float)
        scattering[which] = total = image.sum() * area
        peak_width[which] = _without(total / (2 * np.pi * image.max()), source)
        noise_width[which] = _without(total**2 / (4 * np.pi * np.sum(image**2) * area), source)
    # The support's own texture is background too: smoothed over more than an atom's width.
    smooth = ndimage.gaussian_filter(signal[0], _BACKGROUND_SIGMA / scan.sampling, mode="nearest")
    columns, rows = np.rint(points).astype(int).T
    background = smooth[np.clip(rows, 0, signal.shape[1] - 1), np.clip(columns, 0, signal.shape[2] - 1)]
    labels = Annotations(
        points,
        columns={
            "element": numbers.astype(np.uint8),
            "tag": atoms.get_tags()[chosen][within].astype(np.uint8),
            "z_angstrom": z,
            "defocus_angstrom": defocus,
            "scattering": scattering,
            "peak_width_angstrom": peak_width,
            "noise_width_angstrom": noise_width,
            "background": background.astype(float),
            **_surroundings(atoms, np.flatnonzero(chosen)[within]),
        },
    )
    contrast, cnr = visibility(labels, reference_dose, source_size)
    return Annotations(points, columns={**labels.columns, "contrast": contrast, "cnr": cnr})


def _surroundings(atoms: Atoms, labelled: NDArray[np.int_]) -> dict[str, NDArray[np.generic]]:
    """Columns that say where labelled atoms sit in the structure."""
    sites = atoms.arrays.get(SITE_ARRAY, np.zeros(len(atoms), dtype=int))
    # Without the other arrays, which take longer to copy than to look at.
    of_support = atoms.get_tags() == Tag.SUPPORT
    support = Atoms(numbers=atoms.numbers[of_support], positions=atoms.positions[of_support], cell=atoms.cell)
    return {
        "site": sites[labelled].astype(np.uint8),
        "column_height": column_heights(atoms, labelled).astype(np.uint16),
        "depth_angstrom": outer_depths(support, atoms.positions[labelled])[:, 0],
    }


def _without(variance: float, source: float) -> float:
    """Width that is left of a variance without the source's, kept above nothing."""
    return float(np.sqrt(max(variance - source**2, 1e-4)))
