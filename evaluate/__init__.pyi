# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.curves import (
    ThresholdCurve as ThresholdCurve,
    best_threshold as best_threshold,
    threshold_curve as threshold_curve,
)
from .atoms.evaluation import evaluate_atoms as evaluate_atoms
from .atoms.limits import (
    bandwidth as bandwidth,
    ideal_recall as ideal_recall,
    localisation_bound as localisation_bound,
)
from .atoms.matching import Match as Match, match_boxes as match_boxes, match_distance as match_distance
from .atoms.result import AtomEvaluation as AtomEvaluation, ImageEvaluation as ImageEvaluation
from .atoms.scores import (
    AtomScore as AtomScore,
    Summary as Summary,
    score_atoms as score_atoms,
    summarise as summarise,
)
from .crystals.framework import (
    FrameworkScore as FrameworkScore,
    compare_framework as compare_framework,
    draw_framework as draw_framework,
    score_framework as score_framework,
)
from .crystals.molecules import (
    BoxScore as BoxScore,
    MoleculeEvaluation as MoleculeEvaluation,
    evaluate_molecules as evaluate_molecules,
    score_boxes as score_boxes,
)
from .images.baselines import Baseline as Baseline, tune_baselines as tune_baselines
from .images.bm3d import denoise_bm3d as denoise_bm3d
from .images.quality import ImageQuality as ImageQuality, image_quality as image_quality
from .pairing import pair_images as pair_images
from .sweep.doses import Sweep as Sweep, sweep_doses as sweep_doses
from .sweep_command import draw_conditions as draw_conditions, draw_sweep as draw_sweep
