# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atom_net.data import AtomHeatMaps as AtomHeatMaps
from .atom_net.model import AtomNet as AtomNet
from .atom_net.preparation import standardise_image as standardise_image
from .atom_net.recipe import AtomNetRecipe as AtomNetRecipe
from .atom_net.settings import AtomNetSettings as AtomNetSettings
from .atom_net.task import AtomNetTask as AtomNetTask
from .card import (
    Calibration as Calibration,
    Card as Card,
    Counting as Counting,
    Inputs as Inputs,
    RestorerFile as RestorerFile,
    Sizing as Sizing,
    log_odds as log_odds,
)
from .data.augment import Augmentation as Augmentation, View as View, draw_view as draw_view, shade as shade
from .data.idpc import normalise_image as normalise_image, prepare_idpc as prepare_idpc
from .data.published import read_published_pairs as read_published_pairs
from .data.restoration import RestorationPairs as RestorationPairs
from .data.streams import (
    CorpusDataset as CorpusDataset,
    CorpusStream as CorpusStream,
    RecordedImages as RecordedImages,
    SimulationStream as SimulationStream,
    collate as collate,
)
from .divaesr.model import DIVAESR as DIVAESR
from .divaesr.recipe import DIVAESRRecipe as DIVAESRRecipe
from .divaesr.settings import DIVAESRSettings as DIVAESRSettings
from .divaesr.task import DIVAESRTask as DIVAESRTask
from .faster_rcnn.data import MoleculeImages as MoleculeImages
from .faster_rcnn.model import FasterRCNN as FasterRCNN
from .faster_rcnn.recipe import FasterRCNNRecipe as FasterRCNNRecipe
from .faster_rcnn.settings import FasterRCNNSettings as FasterRCNNSettings
from .faster_rcnn.task import FasterRCNNTask as FasterRCNNTask
from .fit import RunOptions as RunOptions, fit as fit
from .labelled import (
    LabelledImage as LabelledImage,
    labelled_image as labelled_image,
    visible_atoms as visible_atoms,
)
from .networks import (
    NETWORKS as NETWORKS,
    AtomDetector as AtomDetector,
    MoleculeDetector as MoleculeDetector,
    Network as Network,
    Restorer as Restorer,
    network as network,
)
from .recipe import Visible as Visible
from .sac_cnn.data import AtomCrops as AtomCrops, CutAtoms as CutAtoms
from .sac_cnn.model import SACCNN as SACCNN
from .sac_cnn.preparation import median_filter as median_filter, subtract_background as subtract_background
from .sac_cnn.recipe import Crops as Crops, SACCNNRecipe as SACCNNRecipe
from .sac_cnn.task import SACCNNTask as SACCNNTask
from .stitching import restore_image as restore_image
from .unet.model import UNet as UNet
from .unet.recipe import UNetRecipe as UNetRecipe
from .unet.settings import UNetSettings as UNetSettings
from .unet.task import UNetTask as UNetTask
from .weights import find_weights as find_weights, load_weights as load_weights, save_weights as save_weights
