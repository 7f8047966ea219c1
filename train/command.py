"""The commands of this folder: ``stemforge train …``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stemforge.options import Overrides, parse_overrides

Data = Annotated[list[Path], Parameter(consume_multiple=True, negative=())]


@Parameter(name="*")
@dataclass(frozen=True)
class RunFlags:
    """How the run goes about its work; the same for every network.

    Parameters
    ----------
    init
        Weights to start from, to fine-tune them: a file, or the name of weights that come with stemforge. Their
        calibration and thresholds are kept until `evaluate threshold` sets others.
    resume
        Go on with the last checkpoint in the folder.
    half
        Store the weights as 16-bit floats, in half the space.
    accelerator
        What to train on: cpu, gpu, mps; Lightning's choice by default.
    devices
        How many, or which.
    num_nodes
        Machines that train together.
    strategy
        How devices share the work, such as ddp.
    precision
        Of the arithmetic, such as bf16-mixed.
    num_workers
        Processes that prepare images; 0 does it in between training steps.
    quiet
        Show no progress.
    """

    init: Path | None = None
    resume: bool = False
    half: bool = False
    accelerator: str = "auto"
    devices: str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    num_workers: int = 1
    quiet: bool = False

    def options(self) -> dict[str, Any]:
        """Return the flags as the training functions take them."""
        trainer = {
            "accelerator": self.accelerator,
            "devices": int(self.devices) if self.devices.isdigit() else self.devices,
            "num_nodes": self.num_nodes,
            "strategy": self.strategy,
            "precision": self.precision,
        }
        own = {name: getattr(self, name) for name in ("resume", "init", "num_workers", "quiet", "half")}
        return {**own, "trainer_options": trainer}


def sac_cnn(
    *overrides: Overrides,
    data: Data,
    out: Path,
    recipe: str | None = None,
    flags: RunFlags | None = None,
) -> None:
    """Train SAC-CNN, the detector of single atoms.

    Any field of the recipe can be set: `--epochs 10 --crops.min_cnr 5`. On several GPUs or machines Lightning's
    own flags apply: `--accelerator gpu --devices 4 --strategy ddp`.

    Parameters
    ----------
    overrides
        Fields of the recipe by dotted name.
    data
        Corpora of simulated or measured images.
    out
        Folder of the run; must be new, unless the run is resumed.
    recipe
        YAML file with the settings; the published ones by default.
    """
    from stemforge.train.fit import fit_sac_cnn
    from stemforge.train.recipe import SACCNNRecipe

    settings = SACCNNRecipe.load(recipe, parse_overrides(overrides))
    path = fit_sac_cnn(data, out, settings, **(flags or RunFlags()).options())
    _tell(path, f"stemforge infer atoms IMAGE --weights {path} --out DIR")


def atom_net(
    *overrides: Overrides,
    data: Data,
    out: Path,
    recipe: str | None = None,
    flags: RunFlags | None = None,
) -> None:
    """Train AtomNet, which maps single atoms with sub-pixel places and their uncertainty.

    Any field of the recipe can be set: `--epochs 10 --crops.min_cnr 5`. On several GPUs or machines Lightning's
    own flags apply: `--accelerator gpu --devices 4 --strategy ddp`.

    Parameters
    ----------
    overrides
        Fields of the recipe by dotted name.
    data
        Corpora of simulated or measured images.
    out
        Folder of the run; must be new, unless the run is resumed.
    recipe
        YAML file, or one of atom-net (the default) and atom-net-fine-tuning, which goes with `--init` and a few
        labelled images beside simulated ones.
    """
    from stemforge.train.fit import fit_atom_net
    from stemforge.train.recipe import AtomNetRecipe

    settings = AtomNetRecipe.load(recipe, parse_overrides(overrides))
    path = fit_atom_net(data, out, settings, **(flags or RunFlags()).options())
    _tell(path, f"stemforge infer atoms IMAGE --weights {path} --out DIR")


def divaesr(
    *overrides: Overrides,
    data: Data,
    out: Path,
    recipe: str | None = None,
    flags: RunFlags | None = None,
) -> None:
    """Train DIVAESR, which restores low-dose iDPC images, or one of its ablations.

    Any field of the recipe can be set: `--lambda_l1 0.1 --network.mode sr`. On several GPUs or machines
    Lightning's own flags apply: `--accelerator gpu --devices 4 --strategy ddp`.

    Parameters
    ----------
    overrides
        Fields of the recipe by dotted name.
    data
        Corpora of segment signals, or zip files of pairs as published in `stem-sr.zip`.
    out
        Folder of the run; must be new, unless the run is resumed.
    recipe
        YAML file, or one of divaesr (as published, the default), divaesr-small, vae, sr and vae-sr.
    """
    from stemforge.train.fit import fit_divaesr
    from stemforge.train.recipe import DIVAESRRecipe

    settings = DIVAESRRecipe.load(recipe, parse_overrides(overrides))
    path = fit_divaesr(data, out, settings, **(flags or RunFlags()).options())
    _tell(path, f"stemforge infer restore IMAGE --weights {path} --out DIR")


def faster_rcnn(
    *overrides: Overrides,
    data: Data,
    out: Path,
    recipe: str | None = None,
    restorer: Path | None = None,
    flags: RunFlags | None = None,
) -> None:
    """Train Faster R-CNN, the detector of molecules in iDPC images.

    Any field of the recipe can be set: `--one_class true --doses [1000,1e4]`. On several GPUs or machines
    Lightning's own flags apply: `--accelerator gpu --devices 4 --strategy ddp`.

    Parameters
    ----------
    overrides
        Fields of the recipe by dotted name.
    data
        Corpora of segment signals with molecule boxes.
    out
        Folder of the run; must be new, unless the run is resumed.
    recipe
        YAML file, or one of faster-rcnn (as published, the default) and faster-rcnn-small.
    restorer
        Weights of a DIVAESR that restores every image before the detector sees it.
    """
    from stemforge.train.fit import fit_faster_rcnn
    from stemforge.train.recipe import FasterRCNNRecipe

    settings = FasterRCNNRecipe.load(recipe, parse_overrides(overrides))
    path = fit_faster_rcnn(data, out, settings, restorer=restorer, **(flags or RunFlags()).options())
    _tell(path, f"stemforge infer molecules IMAGE --weights {path} --out DIR")


def _tell(path: Path, use: str) -> None:
    from stemforge.console import console

    console.print(f"wrote {path}; use it with: {use}", soft_wrap=True)
