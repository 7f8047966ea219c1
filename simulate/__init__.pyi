# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .detectors import SEGMENTS, Rings, Segments
from .engines.auto import Auto
from .engines.kernels import Kernels, atom_image, cross_section, object_function
from .engines.multislice import Multislice
from .engines.prism import Prism
from .engines.segmented import segmented_signal
from .export.corpus import Export, export_corpus
from .labels.atoms import label_atoms
from .labels.molecules import label_molecules
from .labels.visibility import Texture, visibility
from .microscope import PRESETS, Microscope
from .planning.deviation import EngineError, check_engine, choose_engine
from .recipe import SimulationRecipe, shipped_recipes
from .recording.degrade import Degradation, Degraded, degrade
from .recording.idpc import idpc_image
from .recording.record import Recording, corpus_degradation, record
from .recording.targets import atom_map
from .running.corpus import simulate_corpus
from .running.cost import CorpusPlan, plan_corpus
from .sample import simulate_sample
from .scan import Scan

__all__ = [
    "PRESETS",
    "SEGMENTS",
    "Auto",
    "CorpusPlan",
    "Degradation",
    "Degraded",
    "EngineError",
    "Export",
    "Kernels",
    "Microscope",
    "Multislice",
    "Prism",
    "Recording",
    "Rings",
    "Scan",
    "Segments",
    "SimulationRecipe",
    "Texture",
    "atom_image",
    "atom_map",
    "check_engine",
    "choose_engine",
    "corpus_degradation",
    "cross_section",
    "degrade",
    "export_corpus",
    "idpc_image",
    "label_atoms",
    "label_molecules",
    "object_function",
    "plan_corpus",
    "record",
    "segmented_signal",
    "shipped_recipes",
    "simulate_corpus",
    "simulate_sample",
    "visibility",
]
