# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .data import AtomCrops
from .fit import fit_sac_cnn
from .models.sac_cnn import SACCNN
from .preprocess import median_filter, prepare_image
from .recipe import Crops, SACCNNRecipe
from .tasks import SACCNNTask
from .weights import Card, load_weights, save_weights

__all__ = [
    "SACCNN",
    "AtomCrops",
    "Card",
    "Crops",
    "SACCNNRecipe",
    "SACCNNTask",
    "fit_sac_cnn",
    "load_weights",
    "median_filter",
    "prepare_image",
    "save_weights",
]
