"""The command that fits a recipe to unlabelled images."""

from pathlib import Path

from stemforge import adapt, simulate
from stemforge.console import say, show
from stemforge.errors import InputError
from stemforge.files import write_figure, write_text
from stemforge.options import Images, Overrides, Progress, Reading, parse_overrides
from stemforge.outputs.folder import ResultFolder


def calibrate(
    images: Images,
    /,
    *overrides: Overrides,
    out: Path,
    recipe: str = "pt-nc",
    num: int = 1200,
    seed: int = 0,
    workers: int | None = None,
    work: Path | None = None,
    overwrite: bool = False,
    reading: Reading = Reading(),
    progress: Progress = Progress(),
) -> None:
    """Find what of a recipe unlabelled annular micrographs determine, and put it in the place of its priors.

    Simulates patches with parameters from the priors, trains networks that give a patch's posterior, checks them on
    patches that they never met, and reads the micrographs. Says which parameters the images do not determine, and which
    run into the end of their prior. Writes the recipe, and beside it the posteriors as JSON and PNG and, as
    NAME-patches.png, real patches above simulated ones. Minutes on two cores.

    Parameters
    ----------
    images
        Micrographs of one kind and one pixel size, at least three.
    overrides
        Fields of the base recipe by dotted name.
    out
        The new recipe, a YAML file that `stemforge simulate` takes.
    recipe
        What to start from, with priors that are wide enough: a YAML file, or the name of a recipe that ships with
        stemforge.
    num
        Patches to simulate.
    seed
        Root of the randomness.
    workers
        Processes that simulate; by default one for each core.
    work
        Folder that keeps the simulated patches, so that the same command, stopped or with other images of this size and
        scale, goes on with them; by default they are thrown away.
    overwrite
        Replace a recipe that exists, with what stands beside it.
    """
    if out.suffix not in {".yaml", ".yml"}:
        raise InputError(f"--out {out}: must end in .yaml")
    names = [out.name, f"{out.stem}.json", f"{out.stem}.png", f"{out.stem}-patches.png"]
    folder, inputs = ResultFolder(out.parent, overwrite), [*images, Path(recipe)]
    folder.check(names, inputs)
    base = simulate.SimulationRecipe.load(recipe, parse_overrides(overrides))
    reading.refuse_auto()
    micrographs = [micrograph for path in images for micrograph in reading.read(path)]
    found = adapt.calibrate_recipe(
        micrographs, base, num=num, seed=seed, workers=workers, work=work, quiet=progress.quiet
    )
    with folder.staged(inputs) as staging:
        write_text(staging / names[0], found.recipe.to_yaml())
        found.to_json(staging / names[1])
        write_figure(adapt.draw_posterior(found), staging / names[2])
        write_figure(adapt.draw_patches(found), staging / names[3])
    for line in found.lines():
        show(line)
    say(
        f"{out}: calibrated on {len(micrographs)} images; simulate with: stemforge simulate {out} --out CORPUS"
    )
