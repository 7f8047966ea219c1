# ruff: noqa: TID252 - lazy_loader reads this stub and wants relative imports
from .inputs import (
    Calibration as Calibration,
    ChosenFrame as ChosenFrame,
    ChosenSignal as ChosenSignal,
    Files as Files,
    Folders as Folders,
    Images as Images,
    Labels as Labels,
    Numbers as Numbers,
    Overrides as Overrides,
    PairedImages as PairedImages,
    Places as Places,
    Reading as Reading,
    Words as Words,
    resolve_images as resolve_images,
)
from .names import named_as_options as named_as_options, option_names as option_names
from .overrides import parse_overrides as parse_overrides
from .results import (
    FigureFile as FigureFile,
    JsonFile as JsonFile,
    Output as Output,
    Overwrite as Overwrite,
    Progress as Progress,
)
from .work import (
    AtomDetector as AtomDetector,
    Augmentation as Augmentation,
    Boxes as Boxes,
    CrystalCalibration as CrystalCalibration,
    Device as Device,
    Framework as Framework,
    Restorer as Restorer,
    ScoredBoxes as ScoredBoxes,
    Scoring as Scoring,
    Seed as Seed,
    Tiles as Tiles,
    Workers as Workers,
)
