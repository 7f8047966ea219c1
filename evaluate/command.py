"""The commands of this folder, mounted by the front door: ``stemforge evaluate …``, ``sweep``, ``inspect``, ….

More than 400 lines, as each of the ten commands explains its options in its docstring.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import stemforge
from stemforge import evaluate, infer, simulate
from stemforge.console import say, show
from stemforge.errors import InputError
from stemforge.files import write_figure
from stemforge.options import (
    Device,
    Folders,
    Images,
    Labels,
    Output,
    Places,
    Progress,
    Reading,
)
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.places import PICTURES, check_file, check_folder


def atoms(
    *,
    pred: Path,
    truth: Path,
    json: Path | None = None,
    csv: Path | None = None,
    figure: Path | None = None,
    sampling: float | None = None,
    threshold: float | None = None,
    unlabelled: bool = False,
    labelling: Labels = Labels(),
) -> None:
    """Score detected atoms against labels.

    Matches predictions and labels one to one, by the published criterion (two 21 px boxes with IoU above
    0.5) and within 0.5, 1 and 2 Å, and prints precision, recall and F1 of each image with their mean ± sd.

    Parameters
    ----------
    pred
        Folder that `stemforge infer atoms` wrote, one CSV an image.
    truth
        Folder of labels (CSV with columns X,Y or x_px,y_px), or a corpus. Images pair by name, or by a
        number before the first underscore: 021_Results.csv belongs to 021_HAADF_15nm.csv.
    json
        Write everything, curves over the threshold included, to this file.
    csv
        Write one row per image and criterion to this file.
    figure
        Draw the scores into this file (PNG, PDF, SVG, JPG).
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one. Where it is not known, criteria in Å
        are left out.
    threshold
        Count only predictions with at least this score. By default all in the tables.
    unlabelled
        Leave predictions without labels out instead of refusing them.
    """
    _check_results({"--json": json, "--csv": csv, "--figure": figure}, [pred, truth])
    options: dict[str, Any] = {"sampling": sampling, "threshold": threshold, "unlabelled": unlabelled}
    options["label_unit"] = labelling.label_unit
    evaluation = evaluate.evaluate_atoms(pred, truth, **options)
    show(evaluation.table())
    for note in evaluation.notes:
        show(note, style="dim")
    _write(json, evaluation.to_json)
    _write(csv, evaluation.to_csv)
    _write(figure, lambda path: write_figure(evaluation.figure(), path, dpi=150))


def molecules(
    *,
    pred: Path,
    truth: Path,
    json: Path | None = None,
    one_class: bool = False,
    small: float = 16.0,
    threshold: float | None = None,
    unlabelled: bool = False,
    boxes: str | None = None,
) -> None:
    """Score detected molecules against labels.

    COCO's average precision and recall over all images, for each class, and by size of the boxes; every detection
    counts, not the best hundred alone.

    Parameters
    ----------
    pred
        Folder that `stemforge infer molecules` wrote, one CSV an image.
    truth
        Folder of labels (CSV with columns x0_px,y0_px,x1_px,y1_px,label), or a corpus. Images pair by name.
    json
        Write everything to this file.
    one_class
        Take all classes as one.
    small
        Side below which a molecule's box counts as small [pixel]; from three times as much on it counts as large.
    threshold
        Count only predictions with at least this score. By default all in the tables.
    unlabelled
        Leave predictions without labels out instead of refusing them.
    boxes
        What a box is in the score: van-der-waals, round the spheres of a molecule's heavy atoms, or a distance round
        their centres [Å]; by default as in the predictions. Others are converted.
    """
    _check_results({"--json": json}, [pred, truth])
    options: dict[str, Any] = {
        "boxes": _definition(boxes),
        "one_class": one_class,
        "small": small,
        "unlabelled": unlabelled,
    }
    evaluation = evaluate.evaluate_molecules(pred, truth, threshold=threshold, **options)
    show(evaluation.table())
    _write(json, evaluation.to_json)


def framework(
    images: Images,
    /,
    *,
    weights: Path = Path("divaesr"),
    framework: str = "mfi",
    tolerance: float = 0.6,
    merge: float = 1.0,
    bend: bool = True,
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Score raw and restored images of a crystal, without labels: by the atom columns of its framework.

    The lattice is found (see `stemforge infer lattice`), which says where the framework's columns are; local maxima
    of the raw and of the restored image are scored against them. For each image NAME_framework.json and
    NAME_framework.png.

    Parameters
    ----------
    images
        Image files of the crystal along its channels.
    weights
        Of the restorer: a file, or the name of weights that come with stemforge.
    framework
        mfi, fau, cha, mor or bea, or a CIF file; seen along its channels.
    tolerance
        Largest distance between a maximum and its column [Å].
    merge
        Columns closer than this count as one [Å].
    bend
        Follow distortion and displaced domains, measured on the raw image; what shows no crystal is left out.
    """
    endings = ("_framework.json", "_framework.png")
    out = output.folder("framework")
    reading.refuse_auto()
    batch = infer.Batch(images, out, endings, reading, output.overwrite, progress.quiet)
    options: dict[str, Any] = {"tolerance": tolerance, "merge": merge, "bend": bend}
    options["framework"] = framework
    return evaluate.evaluate_restorations(batch, weights, **options, device=device.check()).exit_code


def completeness(
    images: Images,
    /,
    *,
    weights: Path = Path("any-atom"),
    threshold: float | None = None,
    grafts: int = 300,
    tile: int = 512,
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Say of micrographs how many atoms of each visibility a detector finds on them, and how many found are none.

    No labels are needed. Simulated atoms are put into each image with counting noise of their own, and looked for: this
    gives recall over contrast-to-noise with intervals, beside the ideal observer, and the error of their places, beside
    the Cramér-Rao bound. How many of the atoms found are none follows from backgrounds of the image's own spectrum and
    from the likelihoods. Both correct the density. All of it is about atoms that lie singly; of clusters, fewer are
    found.

    For each image NAME_completeness.csv, .json and .png; a 512 × 512 image takes about four seconds.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), as recorded.
    weights
        A stemforge weights file, or the name of weights that come with stemforge.
    threshold
        Likelihood from which a candidate is an atom; by default each image has its own, as for `infer atoms`.
    grafts
        Simulated atoms put into each image in all; a few tens at a time, far from each other.
    tile
        Side of the tiles in which large images are worked through [pixel].
    """
    from stemforge.infer.completeness.files import ENDINGS

    batch = infer.Batch(
        images, output.folder("completeness"), ENDINGS, reading, output.overwrite, progress.quiet
    )
    options: dict[str, Any] = {"threshold": threshold, "grafts": grafts, "tile": tile}
    return infer.completeness_of_files(batch, weights, **options, device=device.check()).exit_code


def threshold(
    *,
    weights: Path,
    data: Folders,
    validation: float | None = None,
    control: Folders | None = None,
    max_false: float = 0.003,
    figure: Path | None = None,
    progress: Progress = Progress(),
) -> None:
    """Choose a detector's threshold on images that it was not trained on, and store it with the weights.

    Likelihoods are calibrated first, so that seven in ten of what has a likelihood of 0.7 are atoms, or molecules in
    their boxes. An image whose likelihoods promise enough then gets its own threshold, with the highest F1 to be
    expected; the others get the one that is chosen here. Molecules are found as by `stemforge infer molecules`, with
    what the image as recorded says of their channels.

    Parameters
    ----------
    weights
        File that `stemforge train` wrote.
    data
        The corpora it was trained on; their validation part is used.
    validation
        Share of each corpus to use, from its end; by default the share that training kept for validation.
    control
        Corpora without an atom (or molecule) to be found and not trained on, such as of the recipe metal-free with
        another seed: the thresholds are then such that hardly anything is found on them.
    max_false
        Atoms or molecules a nm² of the control that may be found.
    figure
        Draw the likelihoods' reliability before and after into this file (PNG, PDF, SVG, JPG).
    """
    from stemforge.evaluate.likelihoods.words import describe_calibration

    _check_results({"--figure": figure})
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
    _write(figure, lambda path: evaluate.draw_reliability(curves, path))


def compare(
    images: Images,
    /,
    *,
    corpus: Path,
    num: int = 44,
    seed: int = 0,
    reading: Reading = Reading(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> None:
    """Measure how much real micrographs and a simulated corpus differ.

    Prints every statistic's median and quartiles on both sides, how well a small network on the pixels and a linear
    discriminant on statistics of patches distinguish them, on images that they were not fitted to (50 % is perfect
    likeness, the better one counts), and which statistics separate most. Writes compare.json and compare.png.

    Parameters
    ----------
    images
        Annular micrographs, at least four.
    corpus
        Simulated; its images are degraded as its recipe says.
    num
        Most images to take from the corpus.
    seed
        Root of the randomness.
    """
    reading.refuse_auto()
    folder = output.results("compare", ("compare.json", "compare.png"), images)
    micrographs = [micrograph for path in images for micrograph in reading.read(path)]
    simulated = stemforge.Corpus(corpus)
    comparison = evaluate.compare_images(micrographs, simulated, num=num, seed=seed, quiet=progress.quiet)
    say("\n".join(comparison.lines()))
    with folder.staged(images) as staging:
        comparison.to_json(staging / "compare.json")
        write_figure(comparison.figure(), staging / "compare.png")
    say(f"wrote {folder.path}/compare.json, compare.png")


def analyse(
    tables: Images,
    /,
    *,
    places: Places = Places(),
    sampling: float | None = None,
    labelling: Labels = Labels(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> None:
    """Say where atoms stand that were found: densities, neighbours, pairs, clusters, each against random places.

    Of each image and of all together: density, distances to nearest neighbours corrected for edges beside those of
    random places, Clark and Evans' index, Ripley's L, pair correlation, areas of Voronoi cells, and with a bond
    length the share of bonded atoms, dimers and trimers without coincidences of projection. Envelopes are those of
    random places in the image's own mask. Writes statistics.csv, statistics.json, curves.csv and overview.png of all
    images, and of each a table of its atoms (_places.csv) and a sheet (_places.png). Where tables have intensities, as
    those of `stemforge infer atoms`, intensities.csv and .png say whether these are single atoms, some of them in line,
    or several kinds. docs/statistics.md defines each statistic.

    Parameters
    ----------
    tables
        Tables that `stemforge infer atoms` wrote, or of ImageJ (X,Y), or folders of them.
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    """
    from stemforge.evaluate.statistics.files import result_names, write_survey
    from stemforge.evaluate.statistics.reading import Sources, find_tables

    files = find_tables(tables)
    folder = output.results("analyse", result_names(files), files)
    survey = evaluate.analyse_files(
        files,
        Sources(places.images or (), places.masks or (), sampling, labelling.label_unit, places.closest),
        element=places.element,
        length=places.bond,
        recall=places.recall,
        purity=places.purity,
        simulations=places.simulations,
        seed=places.seed,
        quiet=progress.quiet,
    )
    say("\n".join(survey.lines()))
    names = write_survey(survey, folder, files)
    say(f"wrote {folder.path}/{', '.join(names)}, and each image's _places.csv and _places.png")


def audit(
    images: Images,
    /,
    *,
    labels: Folders,
    out: Path | None = None,
    overwrite: bool = False,
    sampling: float | None = None,
    labelling: Labels = Labels(),
    weights: Path = Path("atom-net"),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Find labels that do not lie on the atoms of their image, and say where they belong.

    Labels may be those of another image, as a whole or from some row on; transposed, mirrored, turned, shifted, scaled
    or in another unit; off the image; or given twice. Each file is compared with its image and all others. Atoms must
    be bright. Exits with 0 if no fault was found, with 1 if faults were found.

    Parameters
    ----------
    images
        Image files, or folders of them.
    labels
        Tables with columns X,Y or x_px,y_px (CSV, TSV or text of ImageJ), or folders of them. A table belongs to the
        image of the same name, or with the same number before the first underscore.
    out
        Write audit.json, repaired tables of all files with a certain mend, and a picture of each image with faults into
        this folder. By default nothing is written.
    overwrite
        Write into a folder that is not empty.
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    weights
        Of a network that finds atoms, whose evidence counts beside that of bright spots: a file, or the name of weights
        that come with stemforge.
    """
    if out is not None:
        check_folder(out, "--out")
        if out.exists() and any(out.iterdir()) and not overwrite:
            raise InputError(f"--out {out}: is not empty; choose another folder or say --overwrite")
    options: dict[str, Any] = {"sampling": sampling, "label_unit": labelling.label_unit, "weights": weights}
    found = evaluate.audit_files(images, labels, **options, device=device.check(), quiet=progress.quiet)
    for line in found.lines():
        show(line)
    if out is not None:
        with ResultFolder(out, overwrite, "--out").staged(images) as staging:
            names = [path.name for path in found.write(staging)]
        show(f"wrote {out}/{', '.join(names)}")
    return 0 if found.sound else 1


def inspect(
    path: Path,
    /,
    *,
    out: Path | None = None,
    frame: int | None = None,
    signal: str | None = None,
    overwrite: bool = False,
) -> None:
    """Show what is in a corpus or a micrograph.

    Parameters
    ----------
    path
        Folder of a corpus, or an image file.
    out
        Draw a contact sheet of the corpus with histograms, or the micrograph with its histogram, into this file (PNG,
        PDF, SVG, JPG).
    frame
        Which frame of a stack to look at, counted from 0.
    signal
        Which of several images in a file (EMD, DM4, HSPY, EMI): its title, such as HAADF, or its number; by default the
        only one, or that called HAADF.
    overwrite
        Replace a picture that exists.
    """
    if out is not None:
        check_file(out, "--out", PICTURES, overwrite=overwrite, inputs=[path])
    found = evaluate.inspect(path, frame=frame, signal=signal)
    for line in found.lines():
        show(line)
    if out is not None:
        write_figure(found.figure(), out)
        show(f"{'picture':<14} {out}")


def sweep(
    data: str,
    /,
    *,
    weights: Path,
    doses: str = "100,300,500,1000,1500,3000,6000,1000000",
    restorer: Path | None = None,
    num: int | None = None,
    validation: float | None = None,
    baselines: str = "gaussian,wiener,tv,bm3d",
    scaling: str = "affine",
    drawn_dose: float | None = None,
    small: float = 16.0,
    boxes: str | None = None,
    seed: int = 0,
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> None:
    """Score a trained model over the electron dose: degrade, run the model, score.

    AtomNet and SAC-CNN by F1, precision, recall and localisation error, beside what is physically possible; restorers
    by SSIM, PSNR, VIF and MSE beside the raw image and classical baselines; Faster R-CNN by AP, AP50 and AR. Writes
    sweep.json, sweep.csv and sweep.png, mean and standard deviation over the images; for atoms also
    sweep-conditions.png, F1 over dose and thickness, density and defocus; for restorers sweep-differences.png, one
    image as each method restored it, how that differs from the truth and from the image, and grey values.

    Parameters
    ----------
    data
        A corpus, or a recipe, of which a corpus is then simulated for this sweep alone, with another seed than the
        recipe's: its structures are none that a model was trained on.
    weights
        Of the model: a file, or the name of weights that come with stemforge, such as atom-net.
    doses
        Doses with commas between them [e/Å²].
    restorer
        Weights of the restorer of what Faster R-CNN is given.
    num
        Number of images, where a recipe is simulated; at least two.
    validation
        Share of the corpus that is scored, from its end; by default what training kept for validation, and of a
        recipe 0.9: the rest is for tuning the baselines.
    baselines
        Which ones of gaussian, wiener, tv, bm3d, noise2self, pca and ica, with commas between them; none for none. The
        last two need stemforge[components].
    scaling
        How images are fitted to their target before they are compared: affine, minmax or none.
    drawn_dose
        Of restorers: dose of the image in sweep-differences.png, one of the doses; by default the middle one.
    small
        Side below which a molecule's box counts as small [pixel]; from three times as much on it counts as large.
    boxes
        What a molecule's box is in the score: van-der-waals, round the spheres of its heavy atoms, or a distance round
        their centres [Å]; by default as the weights were trained.
    seed
        Root of the noise.
    """
    from stemforge.evaluate.sweep.figure import check_drawn_dose, draw_sweep_figures
    from stemforge.evaluate.sweep.table import sweep_lines

    amounts = parse_doses(doses)
    names = [] if baselines == "none" else [name.strip() for name in baselines.split(",") if name.strip()]
    checked: dict[str, Any] = {"restorer": restorer, "baselines": names, "scaling": scaling}
    pictures = ("sweep.png", "sweep-conditions.png", "sweep-differences.png")
    check_drawn_dose(drawn_dose, amounts)
    folder = output.results("sweep", ("sweep.json", "sweep.csv", *pictures))
    options = checked | {
        "small": small,
        "boxes": _definition(boxes),
        "seed": seed,
        "device": device.check(),
        "quiet": progress.quiet,
    }
    evaluate.check_sweep(weights, **checked, drawn_dose=drawn_dose)
    if Path(data).is_dir():
        if num is not None:
            raise InputError("--num: is for a recipe; of a corpus --validation chooses the images")
        corpus = stemforge.Corpus(data)
        result = evaluate.sweep_doses(corpus, weights, amounts, validation=validation, **options)
    else:
        recipe = simulate.SimulationRecipe.load(data, {} if num is None else {"num_samples": num})
        share = 0.9 if validation is None else validation
        result = evaluate.sweep_recipe(recipe, weights, amounts, validation=share, **options)
    say("\n".join(sweep_lines(result)))
    with folder.staged() as staging:
        result.to_json(staging / "sweep.json")
        result.to_csv(staging / "sweep.csv")
        figures = draw_sweep_figures(result, staging, drawn_dose=drawn_dose)
    # Pictures of an earlier sweep would seem to belong to this one.
    for older in set(pictures).difference(figures) if folder.overwrite else ():
        (folder.path / older).unlink(missing_ok=True)
    say(f"wrote {folder.path}/{', '.join(['sweep.json', 'sweep.csv', *figures])}")


def parse_doses(text: str) -> list[float]:
    """Read doses [e/Å²] with commas between them.

    Examples
    --------
    >>> parse_doses("100, 1e6")
    [100.0, 1000000.0]
    """
    try:
        doses = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--doses {text}: expected numbers with commas between them, in e/Å²") from error
    if any(not 0 < dose < float("inf") for dose in doses):
        raise InputError(f"--doses {text}: every dose must be positive [e/Å²]")
    if len(set(doses)) != len(doses):
        raise InputError(f"--doses {text}: names a dose twice")
    return doses


def quickstart(
    *,
    out: Path = Path("stemforge-quickstart"),
    workers: int | None = None,
    progress: Progress = Progress(),
) -> None:
    """Simulate, train, detect and score on a small scale, and write report.html.

    A few minutes on two cores. Atoms are detected on simulated images that the network was not trained on, and on
    real ones where the environment variable STEMFORGE_DATA_DIR names a folder that holds the reference data.

    Parameters
    ----------
    out
        Folder for everything that is made. Run again, it goes on where it stopped.
    workers
        Processes that simulate; by default one for each core.
    """
    report = evaluate.run_quickstart(out, workers=workers, quiet=progress.quiet)
    for line in report.scores:
        say(line)
    say(f"wrote {out / 'report.html'}: open it in a browser")


def _definition(boxes: str | None) -> simulate.BoxDefinition | None:
    """Read the option --boxes."""
    return None if boxes is None else simulate.BoxDefinition.parse(boxes)


def _check_results(results: dict[str, Path | None], inputs: Sequence[Path] = ()) -> None:
    """Refuse, before any work, result files that cannot be written or would replace what is scored."""
    for option, path in results.items():
        if path is None:
            continue
        check_file(path, option, {"--json": (".json",), "--csv": (".csv",)}.get(option, PICTURES))
        # What `stemforge infer` and a corpus keep beside their tables.
        table = path.suffix.lower() == ".csv" or path.name in {"run.json", "recipe.yaml"}
        if table and path.resolve().parent in {folder.resolve() for folder in inputs}:
            raise InputError(f"{option} {path}: lies among the tables that are scored; choose another folder")


def _write(path: Path | None, write: Callable[[Path], object]) -> None:
    """Write a result file, and say whether it replaced one; nothing without a path."""
    if path is not None:
        verb = "replaced" if path.exists() else "wrote"
        write(path)
        show(f"{verb} {path}")
