# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .abtem_engine import abtem_signal
from .degrade import Degradation, Degraded, degrade
from .generate import simulate_corpus, simulate_sample
from .idpc import idpc_image
from .kernels import atom_image, cross_section, kernel_signal, object_function
from .labels import label_atoms, visibility
from .microscope import PRESETS, SEGMENTS, Microscope
from .molecules import label_molecules
from .plan import Plan, plan_segmented
from .recipe import SimulationRecipe, shipped_recipes
from .scan import Scan
from .segmented import segmented_signal
from .targets import atom_map

__all__ = [
    "PRESETS",
    "SEGMENTS",
    "Degradation",
    "Degraded",
    "Microscope",
    "Plan",
    "Scan",
    "SimulationRecipe",
    "abtem_signal",
    "atom_image",
    "atom_map",
    "cross_section",
    "degrade",
    "idpc_image",
    "kernel_signal",
    "label_atoms",
    "label_molecules",
    "object_function",
    "plan_segmented",
    "segmented_signal",
    "shipped_recipes",
    "simulate_corpus",
    "simulate_sample",
    "visibility",
]
