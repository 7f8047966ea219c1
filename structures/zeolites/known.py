"""Frameworks that are built in: cell, space group and asymmetric unit of MFI, FAU, CHA, MOR and BEA."""

from dataclasses import dataclass

from stemforge.structures.zeolites import silicalite

__all__ = ["KNOWN", "KnownFramework"]

Sites = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class KnownFramework:
    """The asymmetric unit of a framework type of pure silica, and the direction of its widest channels.

    Parameters
    ----------
    title : str
        What it is called.
    space_group : int
        Number in the International Tables.
    setting : int
        ASE's: 2 for the origin at the inversion centre where there are two, else 1.
    cell : tuple of float
        Lengths [Å] and angles [degrees].
    silicon, oxygen : tuple
        Fractional coordinates of T and O sites, in the order of their numbers.
    zone_axis : (int, int, int)
        Direction ``[u v w]`` along which its channels are widest: how it is seen by default.
    source : str
        Where the coordinates are published.
    silicon_u, oxygen_u : float or None
        Isotropic mean square displacements [Å²]; None where the source has none.
    """

    title: str
    space_group: int
    setting: int
    cell: tuple[float, float, float, float, float, float]
    silicon: Sites
    oxygen: Sites
    zone_axis: tuple[int, int, int]
    source: str
    silicon_u: float | None = None
    oxygen_u: float | None = None


_ATLAS = (
    "Ch. Baerlocher, L.B. McCusker, Database of Zeolite Structures, www.iza-structure.org; DLS76, pure SiO2"
)

KNOWN = {
    "mfi": KnownFramework(
        "silicalite-1",
        silicalite.SPACE_GROUP,
        1,
        silicalite.CELL,
        silicalite.SILICON_SITES,
        silicalite.OXYGEN_SITES,
        (0, 1, 0),
        "C. Lamberti et al., J. Am. Chem. Soc. 123, 2204 (2001); COD 4115456",
        silicalite.SILICON_U,
        silicalite.OXYGEN_U,
    ),
    "fau": KnownFramework(
        "faujasite",
        227,  # F d -3 m
        2,
        (24.345, 24.345, 24.345, 90.0, 90.0, 90.0),
        ((-0.0531, 0.1251, 0.0364),),
        (
            (0.0, -0.1042, 0.1042),
            (-0.0331, 0.0762, 0.0762),
            (-0.0034, 0.1429, -0.0034),
            (-0.0717, 0.1770, 0.0730),
        ),
        (1, 1, 0),
        _ATLAS,
    ),
    "cha": KnownFramework(
        "chabazite",
        166,  # R -3 m, hexagonal axes
        1,
        (13.675, 13.675, 14.767, 90.0, 90.0, 120.0),
        ((-0.0003, 0.2264, 0.1051),),
        ((-0.098, 0.098, 0.1227), (-0.0233, 0.31003, 1 / 6), (0.12025, 0.2405, 0.1315), (0.0, 0.2577, 0.0)),
        (2, 1, 1),  # a rhombohedral axis
        _ATLAS,
    ),
    "mor": KnownFramework(
        "mordenite",
        63,  # C m c m
        1,
        (18.256, 20.534, 7.542, 90.0, 90.0, 90.0),
        (
            (0.3057, 0.0736, 0.0435),
            (0.3028, 0.3106, 0.0437),
            (0.0848, 0.3791, 0.25),
            (0.0848, 0.2227, 0.25),
        ),
        (
            (0.2811, 0.0, 0.0),
            (0.3268, 0.0795, 0.25),
            (0.3757, 0.0924, 0.9243),
            (0.2391, 0.1223, 0.9992),
            (0.3253, 0.3089, 0.25),
            (0.25, 0.25, 0.0),
            (0.3757, 0.3058, 0.9242),
            (0.0, 0.4005, 0.25),
            (0.0906, 0.3009, 0.25),
            (0.0, 0.2013, 0.25),
        ),
        (0, 0, 1),
        _ATLAS,
    ),
    "bea": KnownFramework(
        "zeolite beta, polymorph A",
        91,  # P 41 2 2
        1,
        (12.6614, 12.6614, 26.4061, 90.0, 90.0, 90.0),
        (
            (0.33694, 0.79277, 0.05619),
            (0.33711, 0.54031, 0.05606),
            (0.71647, 0.79300, 0.05872),
            (0.71656, 0.54076, 0.05884),
            (0.95425, 0.79364, 0.05555),
            (0.95434, 0.54040, 0.05556),
            (0.14278, 0.85722, 0.125),
            (0.52836, 0.85702, 0.12552),
            (0.52842, 0.47158, 0.125),
        ),
        (
            (0.33623, 0.66652, 0.06515),
            (0.33454, 0.81732, -0.00385),
            (0.23433, 0.84457, 0.08279),
            (0.44268, 0.84276, 0.08069),
            (0.33456, 0.51612, -0.00402),
            (0.23464, 0.48822, 0.08264),
            (0.44301, 0.49038, 0.08043),
            (0.71891, 0.66690, 0.06809),
            (0.83544, 0.83902, 0.06074),
            (0.64609, 0.84874, 0.10222),
            (0.83559, 0.49490, 0.06084),
            (0.64627, 0.48518, 0.10242),
            (0.0, 0.82149, 0.0),
            (0.95304, 0.66702, 0.06321),
            (0.02844, 0.84708, 0.09824),
            (0.0, 0.51256, 0.0),
            (0.02874, 0.48708, 0.09821),
        ),
        (1, 0, 0),
        "J.M. Newsam, M.M.J. Treacy, W.T. Koetsier, C.B. de Gruyter, Proc. R. Soc. Lond. A 420, 375 (1988)",
    ),
}
"""By their codes, in small letters. Beta is disordered; its polymorph A is one of the ordered ends."""
