"""The front door: one command line that mounts each folder's commands lazily."""

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError
from rich.markup import escape

from stemforge import __version__
from stemforge.cache import set_font_cache
from stemforge.console import console, flush_streams, results, say, set_up_streams
from stemforge.errors import InputError, UnfinishedError
from stemforge.memory import collect_seldom
from stemforge.options import named_as_options, option_names, resolve_images

GROUPS = {
    "structures": "Build structures.",
    "recipe": "List recipes that ship, show them, and explain their fields.",
    "infer": "Find things in real micrographs.",
    "evaluate": "Score what was found.",
}
# Commands are named by import string: `stemforge --help` imports none of them, and nothing on the ground floor
# imports upward.
COMMANDS = (
    ("quickstart", "stemforge.evaluate.command:quickstart",
     "Simulate, train, detect and score on a small scale, with a report."),
    ("doctor", "stemforge.installation.command:doctor",
     "Say what this installation can do here, and what is missing for which feature."),
    ("new", "stemforge.simulate.command:new", "Write a recipe for your specimen and microscope."),
    ("recipe list", "stemforge.train.catalogue.command:list_recipes",
     "List the recipes that come with stemforge, and which commands take them."),
    ("recipe show", "stemforge.train.catalogue.command:show",
     "Show a recipe with its comments, as it is or with other values."),
    ("recipe explain", "stemforge.train.catalogue.command:explain",
     "Explain a field of a recipe: meaning, unit, values, default, and how it is set."),
    ("structures candidates", "stemforge.structures.command:make_candidates",
     "Make a zeolite's acid sites with a molecule at each, relaxed: candidates for what an image shows."),
    ("simulate", "stemforge.simulate.command:simulate", "Make a labelled corpus from a recipe."),
    ("plan", "stemforge.simulate.command:plan",
     "Say what a corpus will take before it is made: engine, error, time, memory, disk."),
    ("calibrate", "stemforge.adapt.command:calibrate",
     "Find what of a recipe unlabelled micrographs determine, in place of its priors."),
    ("adapt", "stemforge.adapt.command:adapt", "Train a detector of single atoms for unlabelled images."),
    ("compare", "stemforge.evaluate.corpora.command:compare",
     "Measure how much real micrographs and a simulated corpus differ."),
    ("ingest", "stemforge.command:ingest", "Make a corpus of real labelled images."),
    ("audit", "stemforge.evaluate.audit.command:audit",
     "Find labels that do not lie on the atoms of their image, and say where they belong."),
    ("verify", "stemforge.command:verify", "Check every byte of a corpus, and what it lacks."),
    ("export", "stemforge.simulate.command:export",
     "Write a corpus, results or images for ImageJ, napari, QuPath, HyperSpy, OME, COCO and ASE."),
    ("inspect", "stemforge.evaluate.corpora.command:inspect", "Show what is in a corpus or a micrograph."),
    ("train", "stemforge.train.command:train", "Train a network on corpora."),
    ("export-model", "stemforge.infer.portable.command:export_model",
     "Write a detector of atoms for other programs: ONNX, torch.export, bioimage.io."),
    ("imagej-macro", "stemforge.infer.portable.command:imagej_macro",
     "Put \"Find Atoms\" into the menu of ImageJ or Fiji."),
    ("infer atoms", "stemforge.infer.command:atoms", "Find single atoms."),
    ("infer restore", "stemforge.infer.command:restore",
     "Take the noise off low-dose images with DIVAESR or a U-Net."),
    ("infer molecules", "stemforge.infer.command:molecules", "Find molecules."),
    ("infer lattice", "stemforge.infer.command:lattice",
     "Find pixel size, rotation and origin of a crystal from its lattice."),
    ("infer occupancy", "stemforge.infer.command:occupancy",
     "Say which channels of a zeolite hold a molecule, and how sure that is."),
    ("infer columns", "stemforge.infer.command:columns",
     "Find every atom column of a zeolite's framework, and say what it holds."),
    ("infer conformation", "stemforge.infer.command:conformation",
     "Say which of several candidate structures an image of a zeolite shows."),
    ("evaluate atoms", "stemforge.evaluate.atoms.command:atoms", "Score detected atoms against labels."),
    ("evaluate completeness", "stemforge.evaluate.command:completeness",
     "Say how many atoms of each visibility a detector finds on micrographs, and how many found are none."),
    ("evaluate threshold", "stemforge.evaluate.likelihoods.command:threshold",
     "Choose a detector's threshold on images that it was not trained on."),
    ("evaluate molecules", "stemforge.evaluate.crystals.command:molecules", "Score detected molecules against labels."),
    ("evaluate framework", "stemforge.evaluate.crystals.command:framework",
     "Score raw and restored crystal images by the atom columns of the framework."),
    ("triage", "stemforge.evaluate.triage.command:triage",
     "Sort many images by whether they are worth opening, or as a microscope writes them."),
    ("analyse", "stemforge.evaluate.statistics.command:analyse",
     "Say where atoms stand that were found: densities, neighbours, pairs and clusters, against random places."),
    ("report", "stemforge.evaluate.reports.command:report",
     "From micrographs to one page: how many atoms, how dense, how they stand, and how sure that is."),
    ("track", "stemforge.evaluate.series.command:track",
     "Follow single atoms through a time series: what moved, came, left, or was only missed."),
    ("depth", "stemforge.evaluate.depth.command:depth",
     "Say how deep each atom lies, from frames of one area at several foci."),
    ("sweep", "stemforge.evaluate.sweep.command:sweep", "Score a trained model over the electron dose."),
    ("app", "stemforge.app.command:serve", "See, correct and count atoms on a page in the browser."),
    ("shortcut", "stemforge.app.command:shortcut", "Put an icon on the desktop that starts the page."),
)  # fmt: skip


def command_line(arguments: Sequence[str] = ()) -> App:
    """Return the command line with every command.

    Lists show the table's line of each; a command that ``arguments`` name shows its whole docstring instead.
    """
    text = "Labelled STEM images from physics, and detectors of single atoms trained on them."
    app = App(name="stemforge", help=text, version=__version__, help_format="markdown", console=results)
    app.register_install_completion_command(
        help="Let the shell complete commands and options; once for each shell."
    )
    groups = {name: App(name=name, help=text) for name, text in GROUPS.items()}
    for words, function, text in COMMANDS:
        *group, name = words.split()
        chosen = list(arguments[: len(group) + 1]) == [*group, name]
        (groups[group[0]] if group else app).command(function, name=name, help=None if chosen else text)
    for group_app in groups.values():
        app.command(group_app)
    return app


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0: done. 1: a batch went on past images that failed. 2: bad input, refused with one message before work started.
    """
    set_up_streams()
    collect_seldom()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(words)
    except BrokenPipeError:  # `stemforge … | head`: nobody wants to read on
        return 0
    finally:
        flush_streams()


def _run(words: list[str]) -> int:
    try:
        command, bound, _ = command_line(words).parse_args(words, exit_on_error=False, print_error=True)
        set_font_cache()
        with named_as_options(option_names(command)):
            resolve_images(command, bound.arguments)
            code = command(*bound.args, **bound.kwargs)
    except CycloptsError:
        return 2  # cyclopts has printed what is wrong
    except InputError as error:
        console.print(f"[bold red]stemforge:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        return 2
    except UnfinishedError as error:
        say(f"stemforge: {error}")
        return 1
    except BrokenPipeError:
        raise
    except (
        OSError
    ) as error:  # a file that went away, a disk that broke: nothing that a traceback would explain
        say(f"stemforge: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        return 2
    except KeyboardInterrupt as stop:
        say(f"stemforge: stopped; what was finished is kept{f' ({stop})' if str(stop) else ''}")
        return 130
    return code if isinstance(code, int) else 0


def program() -> NoReturn:
    """Run the command line as the program ``stemforge``, and end it with the exit code.

    Threads are waited for, and what was registered for the end runs, as in every program and in the processes of
    `multiprocessing`. Only torch's million objects are not freed one by one, which takes 0.15 s: mypy ends so, too.
    """
    code = main()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    flush_streams()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())  # as Python ends: `python -m cProfile -m stemforge` still has to print
