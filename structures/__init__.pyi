# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.scatter import scatter_single_atoms
from .from_file import structure_from_file
from .supports.carbon import amorphous_carbon
from .supports.carbon_nitride import carbon_nitride
from .supports.particle import carbon_particle
from .tags import CLUSTER_ATOM, GUEST, IMPURITY, LIGAND, SINGLE_ATOM, SUPPORT, Tag
from .view import draw_structure
from .zeolites.aluminium import substitute_aluminium
from .zeolites.channels import find_channels
from .zeolites.frameworks import mfi, zeolite
from .zeolites.guests import guests_from_cell, place_guest

__all__ = [
    "CLUSTER_ATOM",
    "GUEST",
    "IMPURITY",
    "LIGAND",
    "SINGLE_ATOM",
    "SUPPORT",
    "Tag",
    "amorphous_carbon",
    "carbon_nitride",
    "carbon_particle",
    "draw_structure",
    "find_channels",
    "guests_from_cell",
    "mfi",
    "place_guest",
    "scatter_single_atoms",
    "structure_from_file",
    "substitute_aluminium",
    "zeolite",
]
