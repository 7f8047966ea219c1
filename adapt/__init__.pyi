# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .adapting import Adaptation as Adaptation, adapt_detector as adapt_detector
from .posterior.figure import draw_patches as draw_patches, draw_posterior as draw_posterior
from .posterior.inference import calibrate_recipe as calibrate_recipe
from .posterior.parameters import Parameters as Parameters
from .posterior.population import fit_population as fit_population
from .posterior.result import Calibration as Calibration, Estimate as Estimate
from .report import write_results as write_results
from .training.options import AdaptOptions as AdaptOptions
