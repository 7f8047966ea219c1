# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms import evaluate_atoms
from .atoms_result import AtomEvaluation, ImageEvaluation
from .matching import Match, match_boxes, match_distance
from .pairing import pair_images
from .scores import AtomScore, Summary, score_atoms, summarise
from .thresholds import ThresholdCurve, best_threshold, threshold_curve

__all__ = [
    "AtomEvaluation",
    "AtomScore",
    "ImageEvaluation",
    "Match",
    "Summary",
    "ThresholdCurve",
    "best_threshold",
    "evaluate_atoms",
    "match_boxes",
    "match_distance",
    "pair_images",
    "score_atoms",
    "summarise",
    "threshold_curve",
]
