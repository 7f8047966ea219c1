# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
from .base import Settings as Settings
from .described import Description as Description, describe as describe
from .distributions import (
    Choice as Choice,
    Distribution as Distribution,
    LogUniform as LogUniform,
    Normal as Normal,
    Quantiles as Quantiles,
    Uniform as Uniform,
)
from .fields import (
    ADDED_LATER as ADDED_LATER,
    Fraction as Fraction,
    NonNegative as NonNegative,
    Positive as Positive,
    Random as Random,
    within as within,
)
from .files import NamedFile as NamedFile
