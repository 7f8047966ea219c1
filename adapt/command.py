"""The commands of this room: ``stemforge calibrate`` and ``adapt``."""

from pathlib import Path
from typing import Any

from stemforge import adapt as room, simulate
from stemforge.console import say, show
from stemforge.errors import InputError
from stemforge.files import write_figure, write_text
from stemforge.options import (
    Device,
    Images,
    Overrides,
    Overwrite,
    Progress,
    Reading,
    Seed,
    Workers,
    parse_overrides,
)
from stemforge.outputs.folder import ResultFolder
from stemforge.train.catalogue.shipped import find_recipe


def calibrate(
    images: Images,
    /,
    *overrides: Overrides,
    out: Path,
    recipe: str = "pt-nc",
    num: int = 1200,
    randomness: Seed = Seed(),
    processes: Workers = Workers(),
    work: Path | None = None,
    replacing: Overwrite = Overwrite(),
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
        Image files, or folders of them: annular micrographs of one kind and one pixel size, at least three.
    overrides
        Fields of the recipe by dotted name.
    out
        The new recipe, a YAML file that `stemforge simulate` takes.
    recipe
        What to start from, with priors that are wide enough: a YAML file, or the name of a recipe that ships with
        stemforge.
    num
        Patches to simulate.
    work
        Folder that keeps the simulated patches, so that the same command, stopped or with other images of this size and
        scale, goes on with them; by default they are thrown away.
    """
    if out.suffix not in {".yaml", ".yml"}:
        raise InputError(f"--out {out}: must end in .yaml")
    names = [out.name, f"{out.stem}.json", f"{out.stem}.png", f"{out.stem}-patches.png"]
    folder, inputs = ResultFolder(out.parent, replacing.overwrite), [*images, Path(recipe)]
    folder.check(names, inputs)
    base = simulate.SimulationRecipe.load(recipe, parse_overrides(overrides))
    reading.refuse_auto()
    micrographs = [micrograph for path in images for micrograph in reading.read(path)]
    options: dict[str, Any] = {
        "num": num,
        "seed": randomness.seed,
        "workers": processes.workers,
        "work": work,
    }
    found = room.calibrate_recipe(micrographs, base, **options, quiet=progress.quiet)
    with folder.staged(inputs) as staging:
        write_text(staging / names[0], found.recipe.to_yaml(like=find_recipe(recipe).text))
        found.to_json(staging / names[1])
        write_figure(room.draw_posterior(found), staging / names[2])
        write_figure(room.draw_patches(found), staging / names[3])
    for line in found.lines():
        show(line)
    say(
        f"{out}: calibrated on {len(micrographs)} images; simulate with: stemforge simulate {out} --out CORPUS"
    )


def adapt(
    images: Images,
    /,
    *overrides: Overrides,
    recipe: str,
    out: Path,
    minutes: float = 30.0,
    start: Path | None = None,
    posterior: bool = True,
    grafting: bool = True,
    randomness: Seed = Seed(),
    processes: Workers = Workers(),
    reading: Reading = Reading(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> None:
    """Train a detector of single atoms for unlabelled images.

    Finds what the images say of the recipe, simulates by it, grafts simulated atoms into the images, trains from the
    weights that come with stemforge, calibrates likelihoods, and finds the atoms. Writes atom-net.safetensors,
    recipe.yaml, found/ (a table and an overlay for each image, and for some how complete they are), and report.html.
    Stopped, it goes on where it was when the same command is run again.

    Parameters
    ----------
    images
        Image files, or folders of them: annular micrographs of one kind and one pixel size, at least three.
    overrides
        Fields of the recipe by dotted name.
    recipe
        Recipe of your material, such as `stemforge new` writes: a YAML file, or the name of a recipe that ships with
        stemforge.
    out
        Folder for everything that is made.
    minutes
        Time for all of it on two cores.
    start
        Weights of an AtomNet to start from; by default those that come with stemforge and are best on simulated images
        of your material: atom-net or any-atom.
    posterior
        Find what the images say of the recipe first; without it its priors stand.
    grafting
        Learn from simulated atoms put into your own images, too.
    """
    reading.refuse_auto()
    base = simulate.SimulationRecipe.load(recipe, parse_overrides(overrides))
    micrographs = [micrograph for path in images for micrograph in reading.read(path)]
    options = room.AdaptOptions(
        minutes,
        start,
        posterior,
        grafting,
        randomness.seed,
        processes.workers,
        device.check(),
        progress.quiet,
    )
    adapted = room.adapt_detector(micrographs, base, out, options)
    report = room.write_results(adapted, out, seed=randomness.seed, quiet=progress.quiet)
    for line in (*report.scores, *report.notes):
        show(line)
    averaged = " --augment" if adapted.averaged else ""
    say(
        f"{adapted.weights}: find atoms on other images in the same way with stemforge infer atoms IMAGE{averaged} "
        f"--weights {adapted.weights}"
    )
    say(f"{out / 'report.html'}: what was found, and how much of it to believe")
