# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .engines.kernels import atom_image, cross_section, kernel_signal, object_function
from .engines.reference import abtem_signal
from .engines.segmented import segmented_signal
from .export.corpus import export_corpus
from .labels.atoms import label_atoms
from .labels.molecules import label_molecules
from .labels.visibility import Texture, visibility
from .microscope import PRESETS, SEGMENTS, Microscope
from .planning.deviation import EngineError, check_engine, choose_engine
from .planning.segmented import Plan, plan_segmented
from .recipe import SimulationRecipe, shipped_recipes
from .recording.degrade import Degradation, Degraded, degrade
from .recording.idpc import idpc_image
from .recording.record import Recording, corpus_degradation, record
from .recording.targets import atom_map
from .running.corpus import simulate_corpus
from .sample import simulate_sample
from .scan import Scan

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
