"""What an adaptation shows: tables and overlays of the user's images, and one page."""

from pathlib import Path

import numpy as np

from stemforge.adapt.adapting import ADAPTED, Adaptation
from stemforge.adapt.posterior.figure import draw_patches, draw_posterior
from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.evaluate.reports.page import Report
from stemforge.files import write_json
from stemforge.infer import draw_detection
from stemforge.infer.completeness.analysis import measure_completeness
from stemforge.infer.completeness.figure import draw_completeness
from stemforge.train import load_weights

MEASURED = 3
"""Images whose completeness is measured: it takes some ten seconds each."""
_SHOWN = 4  # images on the page


def write_results(adaptation: Adaptation, out: Path, *, seed: int = 0, quiet: bool = False) -> Report:
    """Write what was found on the images, how complete it is, and report.html.

    Parameters
    ----------
    adaptation
        From :func:`stemforge.adapt.adapt_detector`.
    out
        Folder: ``found/`` gets a table and an overlay for each image.
    seed
        Of the grafts by which completeness is measured.
    quiet
        Show no progress.

    Returns
    -------
    Report
        As it was written.

    Examples
    --------
    >>> from stemforge import Annotations, Micrograph
    >>> from stemforge.adapt.training.comparison import Comparison
    >>> from stemforge.evaluate.likelihoods.choosing import ThresholdCalibration
    >>> from stemforge.infer import Detection
    >>> from stemforge.simulate import SimulationRecipe
    >>> from stemforge.train.weights import find_weights
    >>> image = Micrograph(np.arange(1024.0).reshape(32, 32), 0.3, name="area")  # too small for grafts
    >>> found = Detection(image, Annotations([[9, 9]], columns={"score": [0.8]}), image.image, 0.3, 0.5)
    >>> scores = Comparison({"atom-net": 0.69, ADAPTED: 0.74}, 12)
    >>> threshold = ThresholdCalibration((0.5,), (0.74,), (0.04,), 12)
    >>> recipe, weights = SimulationRecipe.shipped("pt-nc"), find_weights("atom-net")
    >>> adaptation = Adaptation(weights, None, recipe, threshold, None, scores, False, (found,))
    >>> report = write_results(adaptation, Path(), quiet=True)
    >>> sorted(path.name for path in Path().glob("**/*.*"))
    ['area.csv', 'area.png', 'report.html']
    """
    title = "stemforge adapt"
    report = Report(title, "your images → posterior → simulation and grafts → detector")
    compared = adaptation.comparison
    start = next(name for name in compared.f1 if name != ADAPTED)
    report.answer(
        f"On {compared.images} simulated images of your material that no training saw",
        f"F1 {compared.f1[ADAPTED]:.3f}",
        f"the detector it started from, {Path(start).stem}: {compared.f1[start]:.3f}",
    )
    if compared.best != ADAPTED:
        report.note(
            "The detector that training started from was better on simulated images of your material; it was kept."
        )
    report.note(_likelihoods(adaptation))
    if adaptation.calibration is not None:
        calibration = adaptation.calibration
        for line in calibration.warnings():
            report.note(line)
        caption = (
            "Real patches above, simulated ones below. Where they differ, the detector has not met the like."
        )
        report.add("Your images and the simulation", draw_patches(calibration), caption)
        caption = "What the images say of each parameter, beside what was assumed before."
        report.add("Posterior", draw_posterior(calibration), caption)
    folder = out / "found"
    folder.mkdir(exist_ok=True)
    for number, detection in enumerate(adaptation.detections):
        name = detection.micrograph.name
        detection.atoms.to_csv(folder / f"{name}.csv", detection.micrograph.sampling)
        figure = draw_detection(detection, folder / f"{name}.png")
        if number < _SHOWN:
            report.add(
                name,
                figure,
                f"{len(detection.atoms)} atoms from a likelihood of {detection.threshold:.2f} on.",
            )
    counts = [len(detection.atoms) for detection in adaptation.detections]
    report.answer(
        "Atoms found", str(sum(counts)), f"on {len(counts)} images, median {np.median(counts):g} an image"
    )
    _completeness(adaptation, report, folder, seed, quiet)
    report.write(out / "report.html")
    return report


def _likelihoods(adaptation: Adaptation) -> str:
    fitted = adaptation.likelihoods
    if fitted is None:
        return (
            "The likelihoods come from simulated images and could not be checked on yours: these have too few "
            "candidates, or candidates that the simulation does not make. Use them to sort the atoms, not to count "
            "them."
        )
    even = float(fitted.calibration.likelihood(0.0))
    return (
        f"The likelihoods were adjusted to your images: a candidate with 0.50 on simulated images has {even:.2f} on "
        f"yours, where there are {fitted.excess:.2f} times as many false candidates."
    )


def _completeness(adaptation: Adaptation, report: Report, folder: Path, seed: int, quiet: bool) -> None:
    """Measure by injection how complete and pure the first images' atoms are."""
    model, card = load_weights(adaptation.weights)
    chosen = adaptation.detections[:MEASURED]
    with progress("completeness", len(chosen), "images", quiet) as advance:
        for detection in chosen:
            micrograph = detection.micrograph
            try:
                result = measure_completeness(
                    micrograph,
                    model,
                    card,
                    np.random.default_rng(seed),
                    detection=detection,
                    augment=adaptation.averaged,
                )
            except InputError as error:
                report.note(f"{micrograph.name}: completeness not measured: {error}")
            else:
                write_json(folder / f"{micrograph.name}_completeness.json", result.summary())
                report.add(
                    f"How much of it to believe: {micrograph.name}",
                    draw_completeness(result, folder / f"{micrograph.name}_completeness.png"),
                    "By simulated atoms put into this image: how many of each brightness are found, and how many of "
                    "those found are none.",
                )
            advance(1)
