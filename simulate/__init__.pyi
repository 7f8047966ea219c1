# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .abtem_engine import abtem_signal
from .degrade import Degradation, Degraded, degrade
from .engine_check import EngineError, check_engine, choose_engine
from .export import export_corpus
from .generate import simulate_corpus
from .idpc import idpc_image
from .kernels import atom_image, cross_section, kernel_signal, object_function
from .labels import label_atoms
from .microscope import PRESETS, SEGMENTS, Microscope
from .molecules import label_molecules
from .plan import Plan, plan_segmented
from .recipe import SimulationRecipe, shipped_recipes
from .recording import Recording, corpus_degradation, record
from .sample import simulate_sample
from .scan import Scan
from .segmented import segmented_signal
from .targets import atom_map
from .visibility import Texture, visibility

__all__ = [
    "PRESETS",
    "SEGMENTS",
    "Degradation",
    "Degraded",
    "EngineError",
    "Microscope",
    "Plan",
    "Recording",
    "Scan",
    "SimulationRecipe",
    "Texture",
    "abtem_signal",
    "atom_image",
    "atom_map",
    "check_engine",
    "choose_engine",
    "corpus_degradation",
    "cross_section",
    "degrade",
    "export_corpus",
    "idpc_image",
    "kernel_signal",
    "label_atoms",
    "label_molecules",
    "object_function",
    "plan_segmented",
    "record",
    "segmented_signal",
    "shipped_recipes",
    "simulate_corpus",
    "simulate_sample",
    "visibility",
]
