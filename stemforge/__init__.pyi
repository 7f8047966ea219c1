# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
__version__: str

from .corpus.merge import merge_corpora
from .corpus.reader import Corpus
from .corpus.sample import Sample, Structure
from .corpus.verify import Fault, verify_corpus
from .corpus.writer import CorpusWriter
from .errors import (
    AnnotationsError,
    CorpusError,
    InputError,
    MicrographError,
    RecipeError,
    UnfinishedError,
    WeightsError,
    WriteError,
)
from .micrograph.annotations import Annotations
from .micrograph.image import Micrograph
from .micrograph.readers import read_micrograph, read_stack
from .settings import Settings

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
    "WriteError",
    "__version__",
    "merge_corpora",
    "read_micrograph",
    "read_stack",
    "verify_corpus",
]
