"""What an atom is for: the integer tags that every builder writes and every label reads."""

from enum import IntEnum

__all__ = [
    "CLUSTER_ATOM",
    "GUEST",
    "IMPURITY",
    "LIGAND",
    "PARTICLE",
    "SINGLE_ATOM",
    "SUPPORT",
    "VACANCY",
    "Tag",
]


class Tag(IntEnum):
    """The role of an atom, as found in ``atoms.get_tags()``.

    ASE's tag is the only thing that tells a platinum atom that was scattered from a platinum atom of
    the support; element symbols cannot. Labels are made from tags alone.

    Examples
    --------
    >>> from ase import Atoms
    >>> from stemforge.structures.tags import Tag
    >>> atoms = Atoms("CPt", positions=[(0, 0, 0), (0, 0, 2)], tags=[Tag.SUPPORT, Tag.SINGLE_ATOM])
    >>> atoms[atoms.get_tags() == Tag.SINGLE_ATOM].symbols
    Symbols('Pt')
    """

    SUPPORT = 0
    """Atom of the support (ASE's default tag)."""
    SINGLE_ATOM = 1
    """Scattered atom with no other scattered atom bonded to it."""
    CLUSTER_ATOM = 2
    """Atom of the scattered element that belongs to a dimer or small cluster."""
    LIGAND = 3
    """Atom bonded to a scattered atom, such as Cl, or O and H of a hydroxyl."""
    GUEST = 4
    """Atom of a guest molecule in the pore of a framework."""
    IMPURITY = 5
    """Scattered atom that nobody looks for, such as zinc in a carbonised ZIF: on the image, not among the labels."""
    PARTICLE = 10
    """Atom of a nanoparticle: on the image, not among the labels of single atoms."""
    VACANCY = 11
    """Where an atom of the support is missing. No atom has this tag: it is a value of labels, for those who ask."""


SUPPORT = Tag.SUPPORT
SINGLE_ATOM = Tag.SINGLE_ATOM
CLUSTER_ATOM = Tag.CLUSTER_ATOM
LIGAND = Tag.LIGAND
GUEST = Tag.GUEST
IMPURITY = Tag.IMPURITY
PARTICLE = Tag.PARTICLE
VACANCY = Tag.VACANCY
