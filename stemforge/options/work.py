"""Options that say how the work is done: by which weights, where, and with what."""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from stemforge.errors import InputError


@Parameter(name="*")
@dataclass(frozen=True)
class Seed:
    """Where random numbers start.

    Parameters
    ----------
    seed
        Start of the random numbers: the same seed gives the same result.
    """

    seed: int = 0


@Parameter(name="*")
@dataclass(frozen=True)
class Workers:
    """How many processes share the work.

    Parameters
    ----------
    workers
        Processes that work at the same time on this machine; by default one for each core.
    """

    workers: int | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Device:
    """Where networks run.

    Parameters
    ----------
    device
        Where the networks run: cpu, cuda, cuda:1 or mps.
    """

    device: str = "cpu"

    def check(self) -> str:
        """Return the device; one that cannot be used here is refused."""
        import torch

        try:
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"--device {self.device}: cannot be used here ({reason}); cpu always works"
            ) from error
        return self.device


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AtomDetector:
    """What finds atoms, and what counts as found.

    Parameters
    ----------
    weights
        A stemforge weights file, the published checkpoint, or the name of weights that come with stemforge: any-atom,
        trained on many simulated specimens and microscopes; atom-net or sac-cnn, trained on simulated Pt on thick
        carbon at 60 kV.
    threshold
        Likelihood from which a candidate is an atom, the same for all images. By default each image has its own, with
        the highest F1 to be expected; where that is low, as on images without atoms, the one stored with the weights.
    """

    weights: Path = Path("any-atom")
    threshold: float | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Augmentation:
    """Whether detectors look at an image in several orientations.

    Parameters
    ----------
    augment
        Average over the eight orientations of each image: eight times the work.
    """

    augment: bool = False


@Parameter(name="*")
@dataclass(frozen=True)
class Tiles:
    """How large images are worked through.

    Parameters
    ----------
    tile
        Side of the tiles in which large images are worked through, which one may exceed by half [pixel].
    """

    tile: int = 512


@Parameter(name="*")
@dataclass(frozen=True)
class Framework:
    """Which crystal the images show.

    Parameters
    ----------
    framework
        Framework of the zeolite: mfi, fau, cha, mor or bea, or a CIF file; images are taken along its channels.
    """

    framework: str = "mfi"


@Parameter(name="*")
@dataclass(frozen=True)
class CrystalCalibration:
    """Whether a crystal tells the pixel size.

    Parameters
    ----------
    lattice
        Find the pixel size of images without calibration from the lattice of the framework; an image without one is
        left out.
    """

    lattice: bool = False


@Parameter(name="*")
@dataclass(frozen=True)
class Restorer:
    """What restores images.

    Parameters
    ----------
    weights
        Weights of a divaesr or unet: a stemforge weights file, or the name of weights that come with stemforge.
    """

    weights: Path = Path("divaesr")


@Parameter(name="*")
@dataclass(frozen=True)
class Scoring:
    """What is scored.

    Parameters
    ----------
    min_score
        Count only predictions with at least this score; by default all in the tables.
    unlabelled
        Leave predictions without labels out instead of refusing them.
    """

    min_score: float | None = None
    unlabelled: bool = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Boxes:
    """What the box of a molecule is.

    Parameters
    ----------
    boxes
        What the box of a molecule is: van-der-waals, round the spheres of its heavy atoms, or a distance round their
        centres [Å]. By default as in the predictions, or as the weights were trained; in exports of a corpus
        van-der-waals. Other boxes are converted.
    """

    boxes: str | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ScoredBoxes(Boxes):
    """What the box of a molecule is, and which are small, in scores.

    Parameters
    ----------
    small
        Side below which the box of a molecule counts as small [pixel]; from three times as much on it counts as large.
    """

    small: float = 16.0
