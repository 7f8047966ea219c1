# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.decision import CANDIDATE, Decision, best_expected_f1, calibrated, decide, log_odds
from .atoms.detection import (
    Choice,
    Detection,
    atom_finder,
    choose_atoms,
    detect_atoms,
    likelihood_map,
    map_atoms,
)
from .atoms.peaks import find_atoms, find_peaks, find_spots
from .crystals.figures import draw_lattice, draw_molecules, draw_restoration
from .crystals.framework import Columns, Framework
from .crystals.lattice import Lattice, find_lattice
from .crystals.molecules import MoleculeDetection, detect_boxes, detect_molecules, read_molecules
from .crystals.restoration import Restoration, restore_micrograph
from .drawing import draw_detection, draw_micrograph
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
