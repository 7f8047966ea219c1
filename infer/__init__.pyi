# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .atoms.detection import (
    Chosen as Chosen,
    Detection as Detection,
    choose_atoms as choose_atoms,
    detect_atoms as detect_atoms,
)
from .atoms.detector import Detector as Detector
from .atoms.figure import draw_sampling as draw_sampling
from .atoms.files import detect_atoms_in_files as detect_atoms_in_files
from .atoms.maps import atom_finder as atom_finder, map_image as map_image
from .atoms.overlay import draw_detection as draw_detection
from .atoms.peaks import find_peaks as find_peaks, find_regions as find_regions, find_spots as find_spots
from .atoms.places.refinement import refine_places as refine_places
from .atoms.sampling import (
    SamplingCurve as SamplingCurve,
    SamplingEstimate as SamplingEstimate,
    common_estimate as common_estimate,
    estimate_sampling as estimate_sampling,
    sampling_curve as sampling_curve,
    size_of as size_of,
)
from .batch import Batch as Batch, Outcome as Outcome
from .columns.analysis import find_columns as find_columns
from .columns.figure import draw_columns as draw_columns
from .columns.files import columns_of_files as columns_of_files
from .columns.result import MeasuredColumns as MeasuredColumns
from .completeness.analysis import measure_completeness as measure_completeness
from .completeness.figure import draw_completeness as draw_completeness
from .completeness.files import (
    add_completeness as add_completeness,
    completeness_of_files as completeness_of_files,
)
from .completeness.result import Completeness as Completeness
from .conformation.analysis import identify_conformation as identify_conformation
from .conformation.candidates import Candidate as Candidate, read_candidates as read_candidates
from .conformation.figure import draw_conformation as draw_conformation
from .conformation.files import conformation_of_files as conformation_of_files
from .conformation.result import Conformation as Conformation
from .conformation.sites.figure import draw_acid_site as draw_acid_site
from .conformation.sites.folder import (
    CandidateFolder as CandidateFolder,
    read_candidate_folder as read_candidate_folder,
)
from .conformation.sites.posterior import (
    AcidSitePosterior as AcidSitePosterior,
    locate_acid_site as locate_acid_site,
)
from .crystals.domains import Domains as Domains, find_domains as find_domains
from .crystals.figures import (
    draw_lattice as draw_lattice,
    draw_restoration as draw_restoration,
)
from .crystals.files import (
    find_lattices_in_files as find_lattices_in_files,
    restore_files as restore_files,
)
from .crystals.framework import Columns as Columns, Framework as Framework
from .crystals.lattice import Lattice as Lattice, find_lattice as find_lattice
from .crystals.residual import (
    Residual as Residual,
    draw_residual as draw_residual,
    restoration_residual as restoration_residual,
)
from .crystals.restoration import Restoration as Restoration, restore_micrograph as restore_micrograph
from .decision import (
    CANDIDATE as CANDIDATE,
    Decision as Decision,
    best_expected_f1 as best_expected_f1,
    decide as decide,
)
from .maxima import parabola_vertex as parabola_vertex
from .molecules.channels import ChannelCheck as ChannelCheck, check_channels as check_channels
from .molecules.detection import (
    MoleculeDetection as MoleculeDetection,
    detect_boxes as detect_boxes,
    detect_molecules as detect_molecules,
    read_molecules as read_molecules,
)
from .molecules.figure import draw_molecules as draw_molecules
from .molecules.files import detect_molecules_in_files as detect_molecules_in_files
from .occupancy.analysis import measure_occupancy as measure_occupancy
from .occupancy.blocks import BlockAverages as BlockAverages, average_occupancy as average_occupancy
from .occupancy.figure import draw_blocks as draw_blocks, draw_occupancy as draw_occupancy
from .occupancy.files import occupancy_of_files as occupancy_of_files
from .occupancy.result import Occupancy as Occupancy
from .portable.formats import Exported as Exported, export_detector as export_detector
from .portable.graph import DetectorGraph as DetectorGraph
from .portable.macro import write_macros as write_macros
from .resampling import (
    PIXEL_SIZES as PIXEL_SIZES,
    check_sampling as check_sampling,
    resampled_white as resampled_white,
    sampling_remark as sampling_remark,
)
from .specimen.mask import Specimen as Specimen, find_specimen as find_specimen
from .tiles import tiles as tiles
