"""Labels: where every scattered atom is on the image, and how visible it is."""

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.annotations import Annotations
from stemforge.simulate.degrade import FWHM
from stemforge.simulate.kernels import atom_image
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan
from stemforge.structures import Tag

# Atoms nearer in defocus than this share one image [Å].
_DEFOCUS_STEP = 5.0
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
        Dose [e/Å²] and source [FWHM Å] at which ``contrast`` and ``cnr`` are quoted; :func:`visibility` gives
        them at others.
    thermal_sigma
        Root mean square thermal displacement along one direction [Å].

    Returns
    -------
    Annotations
        Points (x, y) [pixel] and columns ``element`` (atomic number), ``tag``, ``z_angstrom``,
        ``defocus_angstrom`` (depth below the focal plane), ``scattering`` (sum of the atom's image [Å²]),
        ``width_angstrom`` (standard deviation of the Gaussian with the image's sum and peak, without source),
        ``background`` (fraction of electrons beside the atom), ``contrast`` and ``cnr``.
    """
    chosen = np.isin(atoms.get_tags(), (Tag.SINGLE_ATOM, Tag.CLUSTER_ATOM))
    origin = np.array(scan.origin((atoms.cell[0, 0], atoms.cell[1, 1])))
    points = (atoms.positions[chosen, :2] - origin) / scan.sampling
    within = Annotations(points).inside(signal.shape[1:])
    points = points[within]
    z = atoms.positions[chosen, 2][within]
    numbers = atoms.numbers[chosen][within]
    defocus = z - focus

    detector = next(iter(microscope.detectors))
    scattering = np.zeros(len(points))
    width = np.ones(len(points))
    steps = np.rint(defocus / _DEFOCUS_STEP).astype(int)
    for number, step in sorted({*zip(numbers.tolist(), steps.tolist(), strict=True)}):
        which = (numbers == number) & (steps == step)
        depth = step * _DEFOCUS_STEP
        image = atom_image(
            chemical_symbols[number], microscope, detector, depth, scan.sampling, thermal_sigma
        )
        scattering[which] = image.sum() * scan.sampling**2
        width[which] = np.sqrt(image.sum() * scan.sampling**2 / (2 * np.pi * image.max()))
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
            "width_angstrom": width,
            "background": background.astype(float),
        },
    )
    contrast, cnr = visibility(labels, reference_dose, source_size)
    return Annotations(points, columns={**labels.columns, "contrast": contrast, "cnr": cnr})


def visibility(
    labels: Annotations, dose: float, source_size: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say how visible labelled atoms are at a dose and source size.

    An atom's image, of sum S and standard deviation σ after blurring by the source, stands on a background B.
    Its contrast is its peak over the background, S/(2πσ²B). An ideal observer who knows the image and the
    background finds it with the contrast-to-noise of the matched filter, √(D Σk²/B) = S √(D/(4πσ²B)) at dose D.

    Parameters
    ----------
    labels
        From :func:`label_atoms`.
    dose
        Incident electrons per area [e/Å²].
    source_size
        Full width at half maximum of the source [Å].

    Returns
    -------
    contrast, cnr
        One value an atom.
    """
    variance = labels["width_angstrom"] ** 2 + (source_size / FWHM) ** 2
    peak = labels["scattering"] / (2 * np.pi * variance)
    # In vacuum there is next to no background to count: half the atom's own peak stands in.
    background = np.maximum(labels["background"], np.maximum(peak / 2, 1e-12))
    return peak / background, labels["scattering"] * np.sqrt(dose / (4 * np.pi * variance * background))
