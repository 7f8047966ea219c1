# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
__version__: str

from .annotations import Annotations
from .corpus import Corpus, CorpusWriter
from .errors import (
    AnnotationsError,
    CorpusError,
    InputError,
    MicrographError,
    RecipeError,
    UnfinishedError,
    WeightsError,
)
from .micrograph import Micrograph
from .readers import read_micrograph, read_stack
from .recipe import Settings
from .sample import Sample, Structure
from .verify import Fault, verify_corpus

__all__ = [
    "Annotations",
    "AnnotationsError",
    "Corpus",
    "CorpusError",
    "CorpusWriter",
    "Fault",
    "InputError",
    "Micrograph",
    "MicrographError",
    "RecipeError",
    "Sample",
    "Settings",
    "Structure",
    "UnfinishedError",
    "WeightsError",
    "__version__",
    "read_micrograph",
    "read_stack",
    "verify_corpus",
]
