# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms import (
    Choice,
    Detection,
    atom_finder,
    choose_atoms,
    detect_atoms,
    likelihood_map,
    map_atoms,
)
from .decision import CANDIDATE, Decision, best_expected_f1, calibrated, decide, log_odds
from .figures import draw_lattice, draw_molecules, draw_restoration
from .framework import Columns, Framework
from .lattice import Lattice, find_lattice
from .molecules import MoleculeDetection, detect_boxes, detect_molecules, read_molecules
from .overlay import draw_detection, draw_micrograph
from .peaks import find_atoms, find_peaks, find_spots
from .restore import Restoration, restore_micrograph
from .tiles import tiles

__all__ = [
    "CANDIDATE",
    "Choice",
    "Columns",
    "Decision",
    "Detection",
    "Framework",
    "Lattice",
    "MoleculeDetection",
    "Restoration",
    "atom_finder",
    "best_expected_f1",
    "calibrated",
    "choose_atoms",
    "decide",
    "detect_atoms",
    "detect_boxes",
    "detect_molecules",
    "draw_detection",
    "draw_lattice",
    "draw_micrograph",
    "draw_molecules",
    "draw_restoration",
    "find_atoms",
    "find_lattice",
    "find_peaks",
    "find_spots",
    "likelihood_map",
    "log_odds",
    "map_atoms",
    "read_molecules",
    "restore_micrograph",
    "tiles",
]
