"""The command of this shelf: ``stemforge evaluate threshold``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate
from stemforge.console import say
from stemforge.errors import InputError
from stemforge.evaluate.results import check_results, write_result
from stemforge.options import FigureFile, Folders, Progress
from stemforge.outputs.places import check_file


def threshold(
    *,
    weights: Path,
    data: Folders,
    validation: float | None = None,
    control: Folders | None = None,
    max_false: float = 0.003,
    drawing: FigureFile = FigureFile(),
    progress: Progress = Progress(),
) -> None:
    """Choose a detector's threshold on images that it was not trained on, and store it with the weights.

    Likelihoods are calibrated first, so that seven in ten of what has a likelihood of 0.7 are atoms, or molecules in
    their boxes. An image whose likelihoods promise enough then gets its own threshold, with the highest F1 to be
    expected; the others get the one that is chosen here. Molecules are found as by `stemforge infer molecules`, with
    what the image as recorded says of their channels. `--figure` draws how reliable likelihoods were before and are
    after.

    Parameters
    ----------
    weights
        Weights file that `stemforge train` wrote.
    data
        The corpora that the network was trained on; their validation part is used.
    validation
        Share of each corpus that is used, from its end; by default what training kept for validation.
    control
        Corpora without an atom (or molecule) to be found and not trained on, such as of the recipe metal-free with
        another seed: the thresholds are then such that hardly anything is found on them.
    max_false
        How many atoms or molecules may be found on the control [1/nm²].
    """
    from stemforge.evaluate.likelihoods.words import describe_calibration

    figure = drawing.figure
    check_results({"--figure": figure})
    if weights.is_file():
        check_file(weights, "--weights")  # it is written to
    if not max_false > 0:
        raise InputError(f"--max-false must be positive, not {max_false}")
    options: dict[str, Any] = {"control": control or (), "max_false": max_false, "quiet": progress.quiet}
    found = evaluate.calibrate_threshold(weights, data, validation=validation, **options)
    say(f"{weights}: {describe_calibration(found)}")
    if figure is None:
        return
    if found.before is None or found.after is None:
        say(f"no {figure}: likelihoods are calibrated of peaks only, on ten candidates or more")
        return
    curves = (("as trained", found.before), ("calibrated", found.after))
    write_result(figure, lambda path: evaluate.draw_reliability(curves, path))
