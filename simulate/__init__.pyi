# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .composing.compose import ComposedRecipe as ComposedRecipe, compose_recipe as compose_recipe
from .composing.fixed import fixed_recipe as fixed_recipe
from .composing.preview import draw_preview as draw_preview
from .composing.request import RecipeRequest as RecipeRequest
from .detectors import SEGMENTS as SEGMENTS, Rings as Rings, Segments as Segments
from .engines.auto import Auto as Auto
from .engines.kernels import Kernels as Kernels, atom_image as atom_image, cross_section as cross_section
from .engines.multislice import Multislice as Multislice
from .engines.prism import Prism as Prism
from .engines.scattering import object_function as object_function
from .engines.segmented import segmented_signal as segmented_signal
from .export.corpus import Export as Export, export_corpus as export_corpus
from .grafting.graft import Grafted as Grafted, electrons_for as electrons_for, graft as graft
from .grafting.host import Host as Host
from .grafting.places import free_places as free_places
from .grafting.spots import Spots as Spots
from .labels.atoms import label_atoms as label_atoms
from .labels.boxes import (
    BoxDefinition as BoxDefinition,
    convert_boxes as convert_boxes,
    sample_molecule_boxes as sample_molecule_boxes,
)
from .labels.limits import (
    bandwidth as bandwidth,
    ideal_recall as ideal_recall,
    localisation_bound as localisation_bound,
)
from .labels.molecules import label_molecules as label_molecules
from .labels.visibility import Texture as Texture, visibility as visibility
from .microscope import PRESETS as PRESETS, Microscope as Microscope
from .planning.deviation import (
    EngineError as EngineError,
    check_engine as check_engine,
    choose_engine as choose_engine,
)
from .planning.guests import GuestVisibility as GuestVisibility, guest_visibility as guest_visibility
from .recipe import SimulationRecipe as SimulationRecipe, shipped_recipes as shipped_recipes
from .recipe_set import RecipeSet as RecipeSet, load_recipes as load_recipes
from .recording.degrade import Degradation as Degradation, Degraded as Degraded, degrade as degrade
from .recording.idpc import idpc_image as idpc_image
from .recording.record import (
    Recording as Recording,
    corpus_degradation as corpus_degradation,
    record as record,
)
from .recording.targets import atom_map as atom_map
from .running.corpus import simulate_corpus as simulate_corpus
from .running.cost import CorpusPlan as CorpusPlan, plan_corpus as plan_corpus
from .sample import check_recipe as check_recipe, simulate_sample as simulate_sample
from .scan import Scan as Scan
