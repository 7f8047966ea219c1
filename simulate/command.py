"""The command of this folder: ``stemforge simulate``."""

from pathlib import Path

from stemforge.overrides import Overrides, parse_overrides


def simulate(
    recipe: str,
    /,
    *overrides: Overrides,
    out: Path,
    num: int | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> None:
    """Make a labelled corpus from a recipe, or what of it is still missing.

    Any field of the recipe can be set: `--microscope.energy 80e3 --scan.shape [256,256]`.

    Parameters
    ----------
    recipe
        A YAML file, or the name of a recipe that ships with stemforge: pt-nc, fe-c3n4, zsm5-idpc,
        quickstart.
    overrides
        Fields of the recipe by dotted name.
    out
        Folder of the corpus. Finished parts of the same recipe are kept.
    num
        Number of images; the recipe's by default. A larger number extends an existing corpus.
    workers
        Processes; by default one for each core.
    quiet
        Show no progress.
    """
    from stemforge.progress import console
    from stemforge.simulate.generate import simulate_corpus
    from stemforge.simulate.recipe import SimulationRecipe

    values = parse_overrides(overrides)
    if num is not None:
        values["num_samples"] = num
    corpus = simulate_corpus(SimulationRecipe.load(recipe, values), out, workers=workers, quiet=quiet)
    labels = sum(len(sample.labels) for sample in corpus)
    kind = "molecules" if corpus[0].labels.boxes is not None else "atoms"
    console.print(
        f"{out}: {len(corpus)} images, {labels} labelled {kind}; look at them with: stemforge inspect {out}",
        highlight=False,
        soft_wrap=True,
    )
