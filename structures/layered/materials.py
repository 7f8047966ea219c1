"""What sheets are made of: lattice constants, and how one sheet lies on the next."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import graphene, mx2

__all__ = ["MATERIALS", "Material"]


@dataclass(frozen=True)
class Material:
    """A layered material with a hexagonal sheet.

    Parameters
    ----------
    formula
        As :func:`ase.build.graphene` (flat sheets) or :func:`ase.build.mx2` take it.
    lattice_constant
        Edge of the sheet's hexagonal cell [Å].
    thickness
        Distance between the outer planes of a sheet [Å]; 0 for a flat one.
    interlayer_distance
        From a sheet to the next, half of the bulk's c [Å].
    stackings
        Those that are known, the one of the bulk first.
    symmetry
        Angle after which the sheet looks the same [degrees].
    """

    formula: str
    lattice_constant: float
    thickness: float
    interlayer_distance: float
    stackings: tuple[str, ...]
    symmetry: float

    @property
    def bond_length(self) -> float:
        """Distance between neighbours of the two kinds [Å]."""
        return float(np.hypot(self.lattice_constant / np.sqrt(3), self.thickness / 2))

    def unit(self, stacking: str, layer: int) -> Atoms:
        """Return the cell of one sheet of a stack, its middle at z = 0.

        Its two sites and the empty one lie at 0, τ and 2τ along the long diagonal. AA′ and 2H turn every second
        sheet by 180°, which exchanges its sites; AB moves every second one by τ, ABC and 3R each by τ beyond the
        last.

        Examples
        --------
        >>> from stemforge.structures.layered.materials import MATERIALS
        >>> MATERIALS["h-BN"].unit("AA'", 1).positions[:, :2].round(3).tolist()
        [[1.252, 0.723], [0.0, 0.0]]
        """
        build = mx2 if self.thickness else graphene
        unit = build(self.formula, a=self.lattice_constant, thickness=self.thickness)
        unit.cell[2, 2] = self.interlayer_distance
        unit.positions[:, 2] -= unit.positions[0, 2]
        tau = unit.positions[1, :2].copy()
        if stacking in ("AA'", "2H") and layer % 2:
            unit.positions[:, :2] = tau - unit.positions[:, :2]
        steps = {"AB": layer % 2, "ABC": layer % 3, "3R": layer % 3}.get(stacking, 0)
        unit.positions[:, :2] += steps * tau
        return unit


# AMCSD: entry of the American Mineralogist Crystal Structure Database in which it was read.
# tests/structures/crystals/test_known.py compares all with other measurements.
# Graphite: Baskin and Meyer, Phys. Rev. 100, 544 (1955), doi:10.1103/PhysRev.100.544, could not be read. Within 0.12 %
# of Trucano and Chen, Nature 258, 136 (1975): a 2.464, c 6.711 Å (AMCSD 0014675).
# h-BN: Pease, Acta Cryst. 5, 356 (1952), doi:10.1107/S0365110X52001064, could not be read. Wyckoff, Crystal Structures,
# vol. 1 (1963): a 2.50399, c 6.6612 Å (AMCSD 0011675).
# MoS₂: a and c of Wyckoff (1963), p. 280 (AMCSD 0011823). z(S) 0.621 of Bronsema, de Boer and Jellinek, Z. anorg. allg.
# Chem. 540, 15 (1986), doi:10.1002/zaac.19865400904, could not be read. Two that could give thinner sheets than its
# 3.17 Å: Schönfeld, Huang and Moss, Acta Cryst. B39, 404 (1983), 3.01 Å (AMCSD 0009788), and Wyckoff, 2.98 Å. Kept, as
# WS₂, whose metal is as large, has 3.14 Å, and ase.build.mx2 3.19 Å.
# WS₂: Schutte, de Boer and Jellinek, J. Solid State Chem. 70, 207 (1987), doi:10.1016/0022-4596(87)90057-0, 2H (AMCSD
# 0013601).
MATERIALS = {
    "graphene": Material("C2", 2.4612, 0.0, 6.7079 / 2, ("AB", "ABC", "AA"), 60.0),
    "h-BN": Material("BN", 2.504, 0.0, 6.661 / 2, ("AA'", "AB", "AA"), 120.0),
    "MoS2": Material("MoS2", 3.1604, 2 * (0.75 - 0.621) * 12.295, 12.295 / 2, ("2H", "3R", "AA"), 120.0),
    "WS2": Material("WS2", 3.1532, 2 * (0.75 - 0.6225) * 12.323, 12.323 / 2, ("2H", "3R", "AA"), 120.0),
}
