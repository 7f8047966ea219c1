# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .engines.kernels import (
    atom_image as atom_image,
    cross_section as cross_section,
    kernel_signal as kernel_signal,
    object_function as object_function,
)
from .engines.reference import abtem_signal as abtem_signal
from .engines.segmented import segmented_signal as segmented_signal
from .export.corpus import export_corpus as export_corpus
from .labels.atoms import label_atoms as label_atoms
from .labels.molecules import label_molecules as label_molecules
from .labels.visibility import Texture as Texture, visibility as visibility
from .microscope import PRESETS as PRESETS, SEGMENTS as SEGMENTS, Microscope as Microscope
from .planning.deviation import (
    EngineError as EngineError,
    check_engine as check_engine,
    choose_engine as choose_engine,
)
from .planning.segmented import Plan as Plan, plan_segmented as plan_segmented
from .recipe import SimulationRecipe as SimulationRecipe, shipped_recipes as shipped_recipes
from .recording.degrade import Degradation as Degradation, Degraded as Degraded, degrade as degrade
from .recording.idpc import idpc_image as idpc_image
from .recording.record import (
    Recording as Recording,
    corpus_degradation as corpus_degradation,
    record as record,
)
from .recording.targets import atom_map as atom_map
from .running.corpus import simulate_corpus as simulate_corpus
from .sample import simulate_sample as simulate_sample
from .scan import Scan as Scan
