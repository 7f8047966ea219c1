# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
from .base import Settings as Settings
from .described import Description as Description, describe as describe, summary as summary
from .distributions import (
    Choice as Choice,
    Distribution as Distribution,
    LogUniform as LogUniform,
    Normal as Normal,
    Quantiles as Quantiles,
    Uniform as Uniform,
)
from .explained import (
    Field as Field,
    Member as Member,
    fields_of as fields_of,
    find_fields as find_fields,
    nearest_fields as nearest_fields,
    value_at as value_at,
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
