# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atom_crops import AtomCrops, CutAtoms
from .augment import Augmentation, View, draw_view, shade
from .datasets import CorpusDataset, CorpusStream, RecordedImages, SimulationStream, collate
from .fit import fit_atom_net, fit_divaesr, fit_faster_rcnn, fit_sac_cnn
from .heat_maps import AtomHeatMaps
from .models.atom_net import AtomNet, AtomNetSettings
from .models.divaesr import DIVAESR, DIVAESRSettings
from .models.faster_rcnn import FasterRCNN, FasterRCNNSettings
from .models.sac_cnn import SACCNN
from .molecules import MoleculeImages, detector_input
from .preprocess import median_filter, normalise_image, prepare_idpc, prepare_image, standardise_image
from .published_pairs import read_published_pairs
from .recipe import AtomNetRecipe, Crops, DIVAESRRecipe, FasterRCNNRecipe, SACCNNRecipe
from .restoration import RestorationPairs
from .restorer import restore_image
from .run import RunOptions
from .tasks import AtomNetTask, DIVAESRTask, FasterRCNNTask, SACCNNTask
from .weights import Card, find_weights, load_weights, save_weights

__all__ = [
    "DIVAESR",
    "SACCNN",
    "AtomCrops",
    "AtomHeatMaps",
    "AtomNet",
    "AtomNetRecipe",
    "AtomNetSettings",
    "AtomNetTask",
    "Augmentation",
    "Card",
    "CorpusDataset",
    "CorpusStream",
    "Crops",
    "CutAtoms",
    "DIVAESRRecipe",
    "DIVAESRSettings",
    "DIVAESRTask",
    "FasterRCNN",
    "FasterRCNNRecipe",
    "FasterRCNNSettings",
    "FasterRCNNTask",
    "MoleculeImages",
    "RecordedImages",
    "RestorationPairs",
    "RunOptions",
    "SACCNNRecipe",
    "SACCNNTask",
    "SimulationStream",
    "View",
    "collate",
    "detector_input",
    "draw_view",
    "find_weights",
    "fit_atom_net",
    "fit_divaesr",
    "fit_faster_rcnn",
    "fit_sac_cnn",
    "load_weights",
    "median_filter",
    "normalise_image",
    "prepare_idpc",
    "prepare_image",
    "read_published_pairs",
    "restore_image",
    "save_weights",
    "shade",
    "standardise_image",
]
