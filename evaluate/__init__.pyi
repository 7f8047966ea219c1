# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.curves import ThresholdCurve, best_threshold, threshold_curve
from .atoms.evaluation import evaluate_atoms
from .atoms.limits import bandwidth, ideal_recall, localisation_bound
from .atoms.matching import Match, match_boxes, match_distance
from .atoms.result import AtomEvaluation, ImageEvaluation
from .atoms.scores import AtomScore, Summary, score_atoms, summarise
from .corpora.comparison import ImageComparison, compare_images
from .corpora.image_statistics import ImageStatistics, image_statistics
from .corpora.inspection import Inspection, inspect
from .corpora.priors import FittedPriors, fit_priors
from .corpora.two_sample import TwoSample, two_sample_test
from .crystals.comparison import (
    RestorationEvaluation,
    compare_framework,
    draw_framework,
    evaluate_restoration,
)
from .crystals.framework import FrameworkMatch, FrameworkScore, score_framework
from .crystals.molecules import BoxScore, MoleculeEvaluation, evaluate_molecules, score_boxes
from .images.baselines import Baseline, tune_baselines
from .images.bm3d import denoise_bm3d
from .images.quality import ImageQuality, image_quality
from .likelihoods.calibration import calibrate_threshold
from .likelihoods.reliability import Reliability, draw_reliability
from .pairing import pair_images
from .quickstart import run_quickstart
from .report import Report
from .sweep.doses import Sweep, sweep_doses
from .sweep.figure import draw_conditions, draw_sweep
from .sweep.recipe import sweep_recipe

__all__ = [
    "AtomEvaluation",
    "AtomScore",
    "Baseline",
    "BoxScore",
    "FittedPriors",
    "FrameworkMatch",
    "FrameworkScore",
    "ImageComparison",
    "ImageEvaluation",
    "ImageQuality",
    "ImageStatistics",
    "Inspection",
    "Match",
    "MoleculeEvaluation",
    "Reliability",
    "Report",
    "RestorationEvaluation",
    "Summary",
    "Sweep",
    "ThresholdCurve",
    "TwoSample",
    "bandwidth",
    "best_threshold",
    "calibrate_threshold",
    "compare_framework",
    "compare_images",
    "denoise_bm3d",
    "draw_conditions",
    "draw_framework",
    "draw_reliability",
    "draw_sweep",
    "evaluate_atoms",
    "evaluate_molecules",
    "evaluate_restoration",
    "fit_priors",
    "ideal_recall",
    "image_quality",
    "image_statistics",
    "inspect",
    "localisation_bound",
    "match_boxes",
    "match_distance",
    "pair_images",
    "run_quickstart",
    "score_atoms",
    "score_boxes",
    "score_framework",
    "summarise",
    "sweep_doses",
    "sweep_recipe",
    "threshold_curve",
    "tune_baselines",
    "two_sample_test",
]
