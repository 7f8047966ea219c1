# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atom_crops import AtomCrops
from .augment import Augmentation, View, draw_view, shade
from .fit import fit_divaesr, fit_faster_rcnn, fit_sac_cnn
from .models.divaesr import DIVAESR, DIVAESRSettings
from .models.faster_rcnn import FasterRCNN, FasterRCNNSettings
from .models.sac_cnn import SACCNN
from .molecules import MoleculeImages, detector_input
from .preprocess import median_filter, normalise_image, prepare_idpc, prepare_image
from .published_pairs import read_published_pairs
from .recipe import Crops, DIVAESRRecipe, FasterRCNNRecipe, SACCNNRecipe
from .restoration import RestorationPairs
from .restorer import restore_image
from .run import RunOptions
from .tasks import DIVAESRTask, FasterRCNNTask, SACCNNTask
from .weights import Card, load_weights, save_weights, shipped_weights

__all__ = [
    "DIVAESR",
    "SACCNN",
    "AtomCrops",
    "Augmentation",
    "Card",
    "Crops",
    "DIVAESRRecipe",
    "DIVAESRSettings",
    "DIVAESRTask",
    "FasterRCNN",
    "FasterRCNNRecipe",
    "FasterRCNNSettings",
    "FasterRCNNTask",
    "MoleculeImages",
    "RestorationPairs",
    "RunOptions",
    "SACCNNRecipe",
    "SACCNNTask",
    "View",
    "detector_input",
    "draw_view",
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
    "shipped_weights",
]
