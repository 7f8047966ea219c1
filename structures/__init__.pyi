# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .carbon import amorphous_carbon
from .carbon_nitride import carbon_nitride
from .from_file import structure_from_file
from .particle import carbon_particle
from .single_atoms import scatter_single_atoms
from .tags import CLUSTER_ATOM, LIGAND, SINGLE_ATOM, SUPPORT, Tag
from .view import draw_structure

__all__ = [
    "CLUSTER_ATOM",
    "LIGAND",
    "SINGLE_ATOM",
    "SUPPORT",
    "Tag",
    "amorphous_carbon",
    "carbon_nitride",
    "carbon_particle",
    "draw_structure",
    "scatter_single_atoms",
    "structure_from_file",
]
