# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atom_net.data import AtomHeatMaps
from .atom_net.model import AtomNet, AtomNetSettings
from .atom_net.preparation import standardise_image
from .atom_net.recipe import AtomNetRecipe
from .atom_net.task import AtomNetTask
from .card import Calibration, Card, Counting, Inputs, RestorerFile, log_odds
from .data.augment import Augmentation, View, draw_view, shade
from .data.idpc import normalise_image, prepare_idpc
from .data.streams import CorpusDataset, CorpusStream, RecordedImages, SimulationStream, collate
from .divaesr.data import RestorationPairs
from .divaesr.model import DIVAESR, DIVAESRSettings
from .divaesr.pairs import read_published_pairs
from .divaesr.recipe import DIVAESRRecipe
from .divaesr.stitching import restore_image
from .divaesr.task import DIVAESRTask
from .faster_rcnn.data import MoleculeImages
from .faster_rcnn.model import FasterRCNN, FasterRCNNSettings
from .faster_rcnn.recipe import FasterRCNNRecipe
from .faster_rcnn.task import FasterRCNNTask
from .fit import RunOptions, fit
from .labelled import LabelledImage, labelled_image, visible_atoms
from .networks import NETWORKS, Network, network
from .recipe import Visible
from .sac_cnn.data import AtomCrops, CutAtoms
from .sac_cnn.model import SACCNN
from .sac_cnn.preparation import median_filter, subtract_background
from .sac_cnn.recipe import Crops, SACCNNRecipe
from .sac_cnn.task import SACCNNTask
from .weights import find_weights, load_weights, save_weights

__all__ = [
    "DIVAESR",
    "NETWORKS",
    "SACCNN",
    "AtomCrops",
    "AtomHeatMaps",
    "AtomNet",
    "AtomNetRecipe",
    "AtomNetSettings",
    "AtomNetTask",
    "Augmentation",
    "Calibration",
    "Card",
    "CorpusDataset",
    "CorpusStream",
    "Counting",
    "Crops",
    "CutAtoms",
    "DIVAESRRecipe",
    "DIVAESRSettings",
    "DIVAESRTask",
    "FasterRCNN",
    "FasterRCNNRecipe",
    "FasterRCNNSettings",
    "FasterRCNNTask",
    "Inputs",
    "LabelledImage",
    "MoleculeImages",
    "Network",
    "RecordedImages",
    "RestorationPairs",
    "RestorerFile",
    "RunOptions",
    "SACCNNRecipe",
    "SACCNNTask",
    "SimulationStream",
    "View",
    "Visible",
    "collate",
    "draw_view",
    "find_weights",
    "fit",
    "labelled_image",
    "load_weights",
    "log_odds",
    "median_filter",
    "network",
    "normalise_image",
    "prepare_idpc",
    "read_published_pairs",
    "restore_image",
    "save_weights",
    "shade",
    "standardise_image",
    "subtract_background",
    "visible_atoms",
]
