# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
__version__: str

from .corpus.ingest import ingest_images as ingest_images
from .corpus.merge import merge_corpora as merge_corpora
from .corpus.reader import Corpus as Corpus
from .corpus.sample import Sample as Sample, Structure as Structure
from .corpus.verify import Fault as Fault, remove_damaged as remove_damaged, verify_corpus as verify_corpus
from .corpus.writer import CorpusWriter as CorpusWriter
from .errors import (
    AnnotationsError as AnnotationsError,
    CorpusError as CorpusError,
    InputError as InputError,
    MicrographError as MicrographError,
    RecipeError as RecipeError,
    UnfinishedError as UnfinishedError,
    WeightsError as WeightsError,
    WriteError as WriteError,
)
from .micrograph.annotations import Annotations as Annotations
from .micrograph.drawing import draw_micrograph as draw_micrograph
from .micrograph.image import Micrograph as Micrograph
from .micrograph.readers import read_micrograph as read_micrograph, read_stack as read_stack
from .settings import Settings as Settings
