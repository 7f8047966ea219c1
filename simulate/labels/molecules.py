"""Labels of molecules: a box around each, its species and how it lies."""

import numpy as np
from ase import Atoms
from ase.data import vdw_radii
from numpy.typing import NDArray

from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.scan import Scan


def molecule_box(
    numbers: NDArray[np.int_], places: NDArray[np.float64], sampling: float = 1.0
) -> NDArray[np.float64]:
    """Return the box (x0, y0, x1, y1) around the van der Waals spheres of a molecule's heavy atoms.

    Hydrogen hardly scatters: nobody sees on which sides of a ring it is, and a box that depended on it could not be
    found. Radii of Bondi (1964), doi:10.1021/j100785a001; 1.7 Å where he has none.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n,). A molecule of nothing but hydrogen is taken as it is.
    places
        (x, y) of the atoms [pixel], shape (n, 2).
    sampling
        Å a pixel.

    Examples
    --------
    >>> molecule_box(np.array([6, 1]), np.array([[0.0, 0.0], [1.09, 0.0]])).tolist()
    [-1.7, -1.7, 1.7, 1.7]
    """
    kept = numbers > 1 if (numbers > 1).any() else numbers > 0
    room = np.nan_to_num(vdw_radii[numbers[kept], None], nan=1.7) / sampling
    return np.concatenate([(places[kept] - room).min(0), (places[kept] + room).max(0)])


def label_molecules(atoms: Atoms, scan: Scan) -> tuple[Annotations, list[str]]:
    """Describe the molecules whose centre lies in the field of view.

    Parameters
    ----------
    atoms
        Structure with the array ``molecule`` and ``info["molecules"]``, as :func:`stemforge.structures.place_guest`
        gives; without them there is nothing to label.
    scan
        Raster.

    Returns
    -------
    labels, species
        Points (the mean of a molecule's atoms) and boxes [pixel], see :func:`molecule_box`, cut at the frame; columns
        ``species`` (index into the list of names), ``angle_degrees`` (direction from ring centre to heteroatom on the
        image, from x towards y), ``tilt_degrees`` (of the molecule's normal to the beam), ``z_angstrom`` and ``count``
        (molecules one behind the other).
    """
    listed = atoms.info.get("molecules", [])
    names = sorted({entry["name"] for entry in listed})
    cell = (float(atoms.cell[0, 0]), float(atoms.cell[1, 1]))
    height, width = scan.shape
    owner = atoms.arrays.get("molecule", np.full(len(atoms), -1))
    turned = float(np.degrees(scan.rotation))
    rows, boxes, points = [], [], []
    for number, entry in enumerate(listed):
        places = scan.pixels(atoms.positions[owner == number, :2], cell)
        centre = places.mean(0)
        if not Annotations([centre]).inside(scan.shape)[0]:
            continue
        box = molecule_box(atoms.numbers[owner == number], places, scan.sampling)
        boxes.append(np.clip(box, -0.5, [width - 0.5, height - 0.5] * 2))
        points.append(centre)
        angle = (entry["angle_degrees"] - turned + 180) % 360 - 180
        rows.append(
            (names.index(entry["name"]), angle, entry["tilt_degrees"], entry["centre"][2], entry["count"])
        )
    table = np.array(rows, dtype=float).reshape(-1, 5)
    labels = Annotations(
        points,
        boxes,
        {
            "species": table[:, 0].astype(np.uint8),
            "angle_degrees": table[:, 1],
            "tilt_degrees": table[:, 2],
            "z_angstrom": table[:, 3],
            "count": table[:, 4].astype(np.uint8),
        },
    )
    return labels, names
