# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.curves import ThresholdCurve, best_threshold, threshold_curve
from .atoms.evaluation import evaluate_atoms
from .atoms.limits import bandwidth, ideal_recall, localisation_bound
from .atoms.matching import Match, match_boxes, match_distance
from .atoms.result import AtomEvaluation, ImageEvaluation
from .atoms.scores import AtomScore, Summary, score_atoms, summarise
from .crystals.framework import FrameworkScore, compare_framework, draw_framework, score_framework
from .crystals.molecules import BoxScore, MoleculeEvaluation, evaluate_molecules, score_boxes
from .images.baselines import Baseline, tune_baselines
from .images.bm3d import denoise_bm3d
from .images.quality import ImageQuality, image_quality
from .pairing import pair_images
from .sweep.doses import Sweep, sweep_doses
from .sweep_command import draw_conditions, draw_sweep

__all__ = [
    "AtomEvaluation",
    "AtomScore",
    "Baseline",
    "BoxScore",
    "FrameworkScore",
    "ImageEvaluation",
    "ImageQuality",
    "Match",
    "MoleculeEvaluation",
    "Summary",
    "Sweep",
    "ThresholdCurve",
    "bandwidth",
    "best_threshold",
    "compare_framework",
    "denoise_bm3d",
    "draw_conditions",
    "draw_framework",
    "draw_sweep",
    "evaluate_atoms",
    "evaluate_molecules",
    "ideal_recall",
    "image_quality",
    "localisation_bound",
    "match_boxes",
    "match_distance",
    "pair_images",
    "score_atoms",
    "score_boxes",
    "score_framework",
    "summarise",
    "sweep_doses",
    "threshold_curve",
    "tune_baselines",
]
