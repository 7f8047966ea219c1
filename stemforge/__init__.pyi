# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
__version__: str

from .corpus.ingest import ingest_images
from .corpus.merge import merge_corpora
from .corpus.reader import Corpus
from .corpus.sample import Sample, Structure
from .corpus.verify import Fault, remove_damaged, verify_corpus
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
    "ingest_images",
    "merge_corpora",
    "read_micrograph",
    "read_stack",
    "remove_damaged",
    "verify_corpus",
]
