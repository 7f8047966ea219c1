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

    An atom's image k is known, and so is the background B it stands on. At the reference dose a pixel counts
    N = dose × pixel area × B electrons; the ideal observer of a known signal on a known background then finds
    the atom with contrast-to-noise √(Σ (N k/B)² / N), the matched filter's. Contrast is k's peak over B.

    Parameters
    ----------
    atoms
        Structure; atoms tagged :attr:`Tag.SINGLE_ATOM` or :attr:`Tag.CLUSTER_ATOM` are labelled.
    signal
        Noise-free image, shape (detectors, height, width); the first detector is looked at.
    microscope, scan, focus
        As given to the engine.
    reference_dose
        Dose at which ``cnr`` is quoted [e/Å²]; it grows with the square root of the dose.
    source_size
        Full width at half maximum of the source that blurs the atom's image [Å].
    thermal_sigma
        Root mean square thermal displacement along one direction [Å].

    Returns
    -------
    Annotations
        Points (x, y) [pixel] and columns ``element`` (atomic number), ``tag``, ``z_angstrom``,
        ``defocus_angstrom`` (depth below the focal plane), ``contrast`` and ``cnr``.
    """
    chosen = np.isin(atoms.get_tags(), (Tag.SINGLE_ATOM, Tag.CLUSTER_ATOM))
    origin = np.array(scan.origin((atoms.cell[0, 0], atoms.cell[1, 1])))
    points = (atoms.positions[chosen, :2] - origin) / scan.sampling
    z = atoms.positions[chosen, 2]
    numbers = atoms.numbers[chosen]
    defocus = z - focus
    columns = {"element": numbers.astype(np.uint8), "tag": atoms.get_tags()[chosen].astype(np.uint8)}
    columns |= {"z_angstrom": z, "defocus_angstrom": defocus}

    detector = next(iter(microscope.detectors))
    blur = np.hypot(source_size / FWHM, thermal_sigma)
    # The support's own texture is background too: smoothed over more than an atom's width.
    background = ndimage.gaussian_filter(signal[0], 3.0 / scan.sampling, mode="nearest")
    rows, cols = (np.clip(np.rint(points[:, i]).astype(int), 0, signal.shape[2 - i] - 1) for i in (1, 0))
    peak = np.zeros(len(points))
    power = np.zeros(len(points))
    steps = np.rint(defocus / _DEFOCUS_STEP).astype(int)
    for number, step in {*zip(numbers.tolist(), steps.tolist(), strict=True)}:
        which = (numbers == number) & (steps == step)
        image = atom_image(
            chemical_symbols[number], microscope, detector, step * _DEFOCUS_STEP, scan.sampling, float(blur)
        )
        peak[which] = image.max()
        power[which] = float(np.sum(image.astype(float) ** 2))
    # In vacuum there is no background to count: half the atom's own peak stands in.
    level = np.maximum(background[rows, cols] if len(points) else np.zeros(0), peak / 2)
    level = np.maximum(level, 1e-12)
    columns["contrast"] = peak / level
    columns["cnr"] = np.sqrt(reference_dose * scan.sampling**2 * power / level)
    labels = Annotations(points, columns=columns)
    return labels.where(labels.inside(signal.shape[1:]))
