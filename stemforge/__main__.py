"""The front door: one command line that mounts each folder's commands lazily."""

import sys

from cyclopts import App, CycloptsError

from stemforge.console import console
from stemforge.errors import InputError, UnfinishedError

# Commands are named by import string: `stemforge --help` imports none of them, and nothing on the ground floor
# imports upward.
app = App(
    name="stemforge",
    help="Labelled STEM images from physics, and detectors of single atoms trained on them.",
    help_format="markdown",
)
app.command(
    "stemforge.evaluate.quickstart:quickstart",
    name="quickstart",
    help="Simulate, train, detect and score on a small scale, with a report.",
)
app.command(
    "stemforge.simulate.command:simulate", name="simulate", help="Make a labelled corpus from a recipe."
)
app.command(
    "stemforge.simulate.command:plan",
    name="plan",
    help="Say what a corpus will take before it is made: engine, error, time, memory, disk.",
)
app.command(
    "stemforge.evaluate.priors_command:calibrate",
    name="calibrate",
    help="Set a recipe's priors from unlabelled micrographs.",
)
app.command(
    "stemforge.evaluate.priors_command:compare",
    name="compare",
    help="Measure how far real micrographs and a simulated corpus are apart.",
)
app.command("stemforge.corpus.ingest:command", name="ingest", help="Make a corpus of real labelled images.")
app.command(
    "stemforge.corpus.verify:command", name="verify", help="Check every byte of a corpus, and what it lacks."
)
app.command(
    "stemforge.simulate.command:export",
    name="export",
    help="Write a corpus for other programs: COCO, TIFF, extended XYZ, HyperSpy.",
)
app.command(
    "stemforge.evaluate.corpora.inspection:inspect",
    name="inspect",
    help="Show what is in a corpus or a micrograph.",
)
app.command("stemforge.train.command:train", name="train", help="Train a network on corpora.")
infer = App(name="infer", help="Find things in real micrographs.")
infer.command("stemforge.infer.command:atoms", name="atoms", help="Find single atoms.")
infer.command(
    "stemforge.infer.command:restore",
    name="restore",
    help="Take the noise off low-dose images with DIVAESR.",
)
infer.command("stemforge.infer.command:molecules", name="molecules", help="Find molecules.")
infer.command(
    "stemforge.infer.command:lattice",
    name="lattice",
    help="Find pixel size, rotation and origin of a crystal from its lattice.",
)
evaluate = App(name="evaluate", help="Score what was found.")
evaluate.command(
    "stemforge.evaluate.command:atoms", name="atoms", help="Score detected atoms against labels."
)
evaluate.command(
    "stemforge.evaluate.command:threshold",
    name="threshold",
    help="Choose a detector's threshold on images that it was not trained on.",
)
evaluate.command(
    "stemforge.evaluate.command:molecules", name="molecules", help="Score detected molecules against labels."
)
evaluate.command(
    "stemforge.evaluate.command:framework",
    name="framework",
    help="Score raw and restored crystal images by the framework's own atom columns.",
)
app.command(
    "stemforge.evaluate.sweep_command:sweep",
    name="sweep",
    help="Score a trained model over the electron dose.",
)
for group in (infer, evaluate):
    app.command(group)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0: done. 1: a batch went on past images that failed. 2: bad input, said in one message before work started.
    """
    try:
        code = app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return 2  # cyclopts has said what is wrong
    except InputError as error:
        console.print(f"[bold red]stemforge:[/] {_escaped(str(error))}", soft_wrap=True, highlight=False)
        return 2
    except UnfinishedError as error:
        console.print(f"stemforge: {error}", soft_wrap=True, highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stemforge: stopped; what was finished is kept", highlight=False)
        return 130
    return code if isinstance(code, int) else 0


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    sys.exit(main())
