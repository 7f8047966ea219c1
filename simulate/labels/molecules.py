"""Labels of molecules: a box around each, its species and how it lies."""

import numpy as np
from ase import Atoms

from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.labels.boxes import SPHERES
from stemforge.simulate.scan import Scan


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
        Points (the mean of a molecule's atoms) and boxes [pixel] round van der Waals spheres, cut at the frame
        (:func:`~stemforge.simulate.sample_molecule_boxes` makes those of other definitions); columns
        ``species`` (index into the list of names), ``angle_degrees`` (direction from ring centre to heteroatom on the
        image, from x towards y), ``tilt_degrees`` (of the molecule's normal to the beam), ``z_angstrom``, ``count``
        (molecules one behind the other) and ``channel`` (the same number for molecules in the same channel; −1 where a
        molecule lies in none along the beam).

    Examples
    --------
    >>> from stemforge.structures import mfi, place_guest
    >>> rng = np.random.default_rng(0)
    >>> loaded = place_guest(mfi(), "pyridine", rng=rng)
    >>> labels, species = label_molecules(loaded, Scan(shape=(64, 64), sampling=0.25, margin=2))
    >>> species, labels.boxes.shape == (len(labels), 4), sorted(labels.columns)
    (['pyridine'], True, ['angle_degrees', 'channel', 'count', 'species', 'tilt_degrees', 'z_angstrom'])
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
        box = SPHERES.box(atoms.numbers[owner == number], places, scan.sampling)
        boxes.append(np.clip(box, -0.5, [width - 0.5, height - 0.5] * 2))
        points.append(centre)
        angle = (entry["angle_degrees"] - turned + 180) % 360 - 180
        rows.append(
            (
                names.index(entry["name"]),
                angle,
                entry["tilt_degrees"],
                entry["centre"][2],
                entry["count"],
                entry.get("channel", -1),
            )
        )
    table = np.array(rows, dtype=float).reshape(-1, 6)
    labels = Annotations(
        points,
        boxes,
        {
            "species": table[:, 0].astype(np.uint8),
            "angle_degrees": table[:, 1],
            "tilt_degrees": table[:, 2],
            "z_angstrom": table[:, 3],
            "count": table[:, 4].astype(np.uint8),
            "channel": table[:, 5].astype(np.int32),
        },
    )
    return labels, names
