"""The commands of this folder: ``stemforge train …``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stemforge.overrides import Overrides, parse_overrides


def sac_cnn(
    *overrides: Overrides,
    data: Annotated[list[Path], Parameter(consume_multiple=True, negative=())],
    out: Path,
    recipe: Path | None = None,
    init: Path | None = None,
    resume: bool = False,
    accelerator: str = "auto",
    devices: str = "auto",
    num_nodes: int = 1,
    strategy: str = "auto",
    precision: str = "32-true",
    num_workers: int = 1,
    quiet: bool = False,
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
    init
        Weights to start from, to fine-tune them.
    resume
        Go on with the last checkpoint in the folder.
    accelerator, devices, num_nodes, strategy, precision
        Passed to Lightning's Trainer.
    num_workers
        Processes that degrade and crop images; 0 does it in between training steps.
    quiet
        Show no progress.
    """
    from stemforge.progress import console
    from stemforge.train.fit import fit_sac_cnn
    from stemforge.train.recipe import SACCNNRecipe

    values = parse_overrides(overrides)
    settings = SACCNNRecipe.from_file(recipe or SACCNNRecipe.shipped_path(), values)
    options = {
        "accelerator": accelerator,
        "devices": devices if not devices.isdigit() else int(devices),
        "num_nodes": num_nodes,
        "strategy": strategy,
        "precision": precision,
    }
    path = fit_sac_cnn(
        data,
        out,
        settings,
        resume=resume,
        init=init,
        num_workers=num_workers,
        quiet=quiet,
        trainer_options=options,
    )
    console.print(
        f"wrote {path}; use it with: stemforge infer atoms IMAGE --weights {path} --out DIR", soft_wrap=True
    )
