# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
__version__: str

from .annotations import Annotations
from .corpus import Corpus, CorpusWriter, Sample, Structure
from .errors import AnnotationsError, CorpusError, InputError, MicrographError, RecipeError, WeightsError
from .micrograph import Micrograph
from .readers import read_micrograph, read_stack
from .recipe import Settings

__all__ = [
    "Annotations",
    "AnnotationsError",
    "Corpus",
    "CorpusError",
    "CorpusWriter",
    "InputError",
    "Micrograph",
    "MicrographError",
    "RecipeError",
    "Sample",
    "Settings",
    "Structure",
    "WeightsError",
    "__version__",
    "read_micrograph",
    "read_stack",
]
