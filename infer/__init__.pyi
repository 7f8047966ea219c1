# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.decision import CANDIDATE, Decision, best_expected_f1, decide
from .atoms.detection import Chosen, Detection, atom_finder, choose_atoms, detect_atoms, map_image
from .atoms.files import detect_atoms_in_files
from .atoms.overlay import draw_detection
from .atoms.peaks import find_peaks, find_regions, find_spots
from .batch import Batch, Outcome
from .crystals.figures import draw_lattice, draw_molecules, draw_restoration
from .crystals.files import detect_molecules_in_files, find_lattices_in_files, restore_files
from .crystals.framework import Columns, Framework
from .crystals.lattice import Lattice, find_lattice
from .crystals.molecules import MoleculeDetection, detect_boxes, detect_molecules, read_molecules
from .crystals.restoration import Restoration, restore_micrograph
from .drawing import draw_micrograph
from .maxima import parabola_vertex
from .tiles import tiles

__all__ = [
    "CANDIDATE",
    "Batch",
    "Chosen",
    "Columns",
    "Decision",
    "Detection",
    "Framework",
    "Lattice",
    "MoleculeDetection",
    "Outcome",
    "Restoration",
    "atom_finder",
    "best_expected_f1",
    "choose_atoms",
    "decide",
    "detect_atoms",
    "detect_atoms_in_files",
    "detect_boxes",
    "detect_molecules",
    "detect_molecules_in_files",
    "draw_detection",
    "draw_lattice",
    "draw_micrograph",
    "draw_molecules",
    "draw_restoration",
    "find_lattice",
    "find_lattices_in_files",
    "find_peaks",
    "find_regions",
    "find_spots",
    "map_image",
    "parabola_vertex",
    "read_molecules",
    "restore_files",
    "restore_micrograph",
    "tiles",
]
