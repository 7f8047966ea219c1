# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.curves import (
    ThresholdCurve as ThresholdCurve,
    best_threshold as best_threshold,
    threshold_curve as threshold_curve,
)
from .atoms.evaluation import evaluate_atoms as evaluate_atoms
from .atoms.matching import Match as Match, match_boxes as match_boxes, match_distance as match_distance
from .atoms.result import AtomEvaluation as AtomEvaluation
from .atoms.scores import (
    AtomScore as AtomScore,
    ImageEvaluation as ImageEvaluation,
    Summary as Summary,
    score_atoms as score_atoms,
    summarise as summarise,
)
from .audit.files import audit_files as audit_files
from .audit.findings import Fault as Fault, Verdict as Verdict
from .audit.labels import audit_labels as audit_labels
from .audit.result import Audit as Audit
from .corpora.comparison import ImageComparison as ImageComparison, compare_images as compare_images
from .corpora.image_statistics import ImageStatistics as ImageStatistics, image_statistics as image_statistics
from .corpora.inspection import Inspection as Inspection, inspect as inspect
from .corpora.two_sample import TwoSample as TwoSample, two_sample_test as two_sample_test
from .crystals.comparison import (
    RestorationEvaluation as RestorationEvaluation,
    compare_framework as compare_framework,
    draw_framework as draw_framework,
    evaluate_restoration as evaluate_restoration,
    evaluate_restorations as evaluate_restorations,
)
from .crystals.framework import (
    FrameworkMatch as FrameworkMatch,
    FrameworkScore as FrameworkScore,
    score_framework as score_framework,
)
from .crystals.molecules import (
    BoxScore as BoxScore,
    MoleculeEvaluation as MoleculeEvaluation,
    evaluate_molecules as evaluate_molecules,
    score_boxes as score_boxes,
)
from .depth.analysis import measure_depths as measure_depths
from .depth.files import FocalReading as FocalReading, depth_files as depth_files
from .depth.optics import focal_optics as focal_optics
from .depth.result import AtomDepth as AtomDepth, Depths as Depths
from .depth.series import FocalOptics as FocalOptics, FocalSeries as FocalSeries
from .images.baselines import Baseline as Baseline, tune_baselines as tune_baselines
from .images.bm3d import denoise_bm3d as denoise_bm3d
from .images.differences import Comparison as Comparison, draw_differences as draw_differences
from .images.invariance import denoise_noise2self as denoise_noise2self
from .images.quality import (
    ImageQuality as ImageQuality,
    image_quality as image_quality,
    summed_absolute_error as summed_absolute_error,
)
from .likelihoods.calibration import calibrate_threshold as calibrate_threshold
from .likelihoods.reliability import Reliability as Reliability, draw_reliability as draw_reliability
from .pairing import pair_images as pair_images
from .quickstart import run_quickstart as run_quickstart
from .reports.files import report_files as report_files
from .reports.page import Report as Report
from .series.analysis import track_atoms as track_atoms
from .series.detections import Series as Series
from .series.files import Following as Following, track_files as track_files
from .series.motion import Diffusion as Diffusion, diffusion as diffusion
from .series.movie import write_movie as write_movie
from .series.presence import Presence as Presence, fit_presence as fit_presence
from .series.rates import Estimate as Estimate
from .series.result import Tracks as Tracks
from .series.track import Track as Track
from .statistics.arrangement import Arrangement as Arrangement, analyse_pattern as analyse_pattern
from .statistics.bonds import (
    BondedFraction as BondedFraction,
    bond_length as bond_length,
    bonded_fraction as bonded_fraction,
)
from .statistics.clusters import ClusterSizes as ClusterSizes, clusters as clusters
from .statistics.curves import Curve as Curve, pair_correlation as pair_correlation, ripley as ripley
from .statistics.density import (
    Count as Count,
    counted_density as counted_density,
    pooled_density as pooled_density,
)
from .statistics.envelopes import Envelope as Envelope, rank_envelope as rank_envelope
from .statistics.files import analyse_files as analyse_files
from .statistics.intensities.atoms import (
    AtomIntensities as AtomIntensities,
    measure_intensities as measure_intensities,
)
from .statistics.intensities.mixture import (
    IntensityMixture as IntensityMixture,
    mix_intensities as mix_intensities,
)
from .statistics.neighbours import (
    ClarkEvans as ClarkEvans,
    NeighbourDistances as NeighbourDistances,
    clark_evans as clark_evans,
    nearest_neighbours as nearest_neighbours,
)
from .statistics.overlap import SharedArea as SharedArea, shared_areas as shared_areas
from .statistics.survey import Survey as Survey, survey_patterns as survey_patterns
from .statistics.voronoi import VoronoiAreas as VoronoiAreas, voronoi_areas as voronoi_areas
from .statistics.window import PointPattern as PointPattern, Window as Window
from .sweep.doses import sweep_doses as sweep_doses
from .sweep.figure import (
    draw_conditions as draw_conditions,
    draw_restorations as draw_restorations,
    draw_sweep as draw_sweep,
)
from .sweep.recipe import check_sweep as check_sweep, sweep_recipe as sweep_recipe
from .sweep.result import Sweep as Sweep
from .triage.files import triage_folders as triage_folders
from .triage.measuring import triage_micrograph as triage_micrograph
from .triage.result import ImageTriage as ImageTriage
from .triage.spectrum import ImageSpectrum as ImageSpectrum, image_spectrum as image_spectrum
