# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .abtem_engine import abtem_signal
from .degrade import Degradation, Degraded, degrade
from .generate import simulate_corpus, simulate_sample
from .kernels import atom_image, cross_section, kernel_signal, object_function
from .labels import label_atoms, visibility
from .microscope import PRESETS, Microscope
from .recipe import SimulationRecipe, shipped_recipes
from .scan import Scan

__all__ = [
    "PRESETS",
    "Degradation",
    "Degraded",
    "Microscope",
    "Scan",
    "SimulationRecipe",
    "abtem_signal",
    "atom_image",
    "cross_section",
    "degrade",
    "kernel_signal",
    "label_atoms",
    "object_function",
    "shipped_recipes",
    "simulate_corpus",
    "simulate_sample",
    "visibility",
]
