# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms import Detection, detect_atoms, find_atoms, likelihood_map
from .overlay import draw_detection, draw_micrograph
from .tiles import tiles

__all__ = [
    "Detection",
    "detect_atoms",
    "draw_detection",
    "draw_micrograph",
    "find_atoms",
    "likelihood_map",
    "tiles",
]
