"""Extended XYZ: structures that were simulated, or places that were found, as ASE and OVITO read them."""

import numpy as np

from stemforge.exchange.exported import LABEL, Exported, Writer, plain_name
from stemforge.files import plain

FILE = "structures.extxyz"
"""One file for all items, a frame each."""
_SHOWN = (
    "focus_angstrom",
    "thickness_angstrom",
    "sampling_angstrom",
    "scan_origin_angstrom",
    "scan_rotation_rad",
)


class XYZWriter(Writer):
    """``structures.extxyz``: every structure [Å] with its tags; where none is known, the objects' places at z = 0.

    ``scan_origin_angstrom`` is where pixel (0, 0) lies (x, y) in a structure: an atom at (x, y) is at pixel
    ((x, y) − origin) / ``sampling_angstrom``, turned back by ``scan_rotation_rad`` where that is not 0.
    """

    def add(self, item: Exported) -> None:
        """Append one frame."""
        from ase import Atoms
        from ase.data import atomic_numbers
        from ase.io import write

        if item.structure is not None:
            atoms = Atoms(**vars(item.structure), pbc=(True, True, False))
            columns = ["symbols", "positions", "tags"]
        elif item.sampling is None:
            raise TypeError(f"{item.name}: has no pixel size")
        else:
            places = item.places
            numbers = [atomic_numbers.get(str(name), 0) for name in places[LABEL]]
            if "element" in places.columns and places["element"].dtype.kind in "iuf":
                numbers = np.nan_to_num(places["element"]).astype(int).tolist()
            positions = np.column_stack([places.points, np.zeros(len(places))]) * item.sampling
            atoms = Atoms(numbers, positions, pbc=False)
            if item.image is not None:
                height, width = item.image.shape[1:]
                atoms.cell[:] = np.diag([width * item.sampling, height * item.sampling, 0.0])
            columns = ["symbols", "positions"]
            for name, values in item.attributes().items():
                name = plain_name(name)
                if values.dtype.kind in "biuf" and name not in atoms.arrays:
                    atoms.set_array(name, values)
                    columns.append(name)
        known = {key: item.facts[key] for key in _SHOWN if item.facts.get(key) is not None}
        numbered = {"sample": item.facts["sample"]} if "sample" in item.facts else {}
        atoms.info = plain({**numbered, "name": item.name, **known})
        if "scan_origin_angstrom" in known:  # an array is written as numbers, a list as JSON
            atoms.info["scan_origin_angstrom"] = np.array(known["scan_origin_angstrom"])
        write(self.out / FILE, atoms, format="extxyz", append=True, columns=columns)
