# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atom_net.data import AtomHeatMaps
from .atom_net.model import AtomNet, AtomNetSettings
from .data.augment import Augmentation, View, draw_view, shade
from .data.streams import CorpusDataset, CorpusStream, RecordedImages, SimulationStream, collate
from .divaesr.data import RestorationPairs
from .divaesr.model import DIVAESR, DIVAESRSettings
from .divaesr.pairs import read_published_pairs
from .divaesr.stitching import restore_image
from .faster_rcnn.data import MoleculeImages, detector_input
from .faster_rcnn.model import FasterRCNN, FasterRCNNSettings
from .fit import fit_atom_net, fit_divaesr, fit_faster_rcnn, fit_sac_cnn
from .preprocess import median_filter, normalise_image, prepare_idpc, prepare_image, standardise_image
from .recipe import AtomNetRecipe, Crops, DIVAESRRecipe, FasterRCNNRecipe, SACCNNRecipe
from .run import RunOptions
from .sac_cnn.data import AtomCrops, CutAtoms
from .sac_cnn.model import SACCNN
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
