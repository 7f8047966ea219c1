"""The command of this room: ``stemforge train NETWORK``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stemforge.options import Folders, Overrides, Progress, named_as_options, parse_overrides
from stemforge.train.networks import NETWORKS

if TYPE_CHECKING:
    from stemforge.train.fit import RunOptions

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(NETWORKS)]
_HELP = "Which network: " + "; ".join(f"{name}, {row.summary}" for name, row in NETWORKS.items()) + "."


@Parameter(name="*")
@dataclass(frozen=True)
class Run:
    """How the run goes about its work; the same for every network.

    Parameters
    ----------
    init
        Weights to start from, to fine-tune them: a file, or the name of weights that come with stemforge. Their
        calibration and thresholds are kept until `evaluate threshold` sets others.
    resume
        Go on with the last checkpoint in the folder; begin where there is none yet, so that the script of a job can be
        submitted again as it is.
    half
        Store the weights as 16-bit floats, in half the space.
    accelerator
        Kind of the devices: cpu, or gpu (NVIDIA or Apple); by default what Lightning finds.
    device
        Where the network is trained: one device by its name (cpu, cuda, cuda:1, mps), how many (4), or which ("0,2");
        by default what Lightning finds.
    num_nodes
        Machines that train together.
    strategy
        How devices share the work, such as ddp.
    precision
        Precision of the arithmetic, such as bf16-mixed.
    workers
        Processes that prepare images; 0 does it in between training steps.
    """

    init: Path | None = None
    resume: bool = False
    half: bool = False
    accelerator: str = "auto"
    device: Annotated[str, Parameter(name=("--device", "--devices"))] = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    workers: int = 1

    def options(self, quiet: bool) -> "RunOptions":
        """Return what the training function takes."""
        from stemforge.train.fit import RunOptions
        from stemforge.train.running.devices import trainer_devices

        with named_as_options(["device"]):
            devices = trainer_devices(self.device, self.accelerator)
        trainer = {
            **devices,
            "num_nodes": self.num_nodes,
            "strategy": self.strategy,
            "precision": self.precision,
        }
        return RunOptions(self.resume, self.init, self.workers, quiet, self.half, trainer)


def train(
    network: Annotated[Name, Parameter(help=_HELP)],
    /,
    *overrides: Overrides,
    data: Folders,
    out: Path,
    recipe: str | None = None,
    run: Run = Run(),
    progress: Progress = Progress(),
) -> None:
    """Train a network on corpora.

    Any field of the recipe can be set: `--epochs 10 --visible.min_cnr 5`, `--network.mode sr`,
    `--restorer divaesr`. On several GPUs: `--accelerator gpu --device 4 --strategy ddp`, with `--num-nodes` on several
    machines.

    Parameters
    ----------
    overrides
        Fields of the recipe by dotted name.
    data
        Corpora that the network learns from: of annular images, simulated or measured, for sac-cnn and atom-net; of
        segment signals for restorers, which take zip files of published pairs too, and, with molecules, for
        faster-rcnn.
    out
        Folder of the run; must be new, unless the run is resumed.
    recipe
        YAML file with the settings, or the name of a recipe that ships with stemforge, such as atom-net-fine-tuning or
        divaesr-small; by default the one with the network's name.
    """
    from stemforge.console import say
    from stemforge.train.fit import fit, is_first_process
    from stemforge.train.networks import network as named

    kind = named(network)
    settings = kind.recipe.load(recipe, parse_overrides(overrides))
    path = fit(settings, data, out, run.options(progress.quiet))
    # Where several processes train together, each comes here.
    if is_first_process():
        say(f"wrote {path}; use it with: {kind.use.format(weights=path)}")
