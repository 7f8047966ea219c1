"""The commands ``stemforge calibrate`` and ``stemforge compare``: priors from unlabelled images, and what is left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stemforge.errors import InputError
from stemforge.options import Overrides, parse_overrides

Images = Annotated[list[Path], Parameter(consume_multiple=True, negative=())]


def calibrate(
    images: Images,
    /,
    *overrides: Overrides,
    out: Path,
    recipe: str = "pt-nc",
    samples: int = 6,
    sampling: float | None = None,
    quiet: bool = False,
) -> None:
    """Set a recipe's priors from unlabelled annular micrographs.

    Writes the recipe, and beside it a picture and a JSON file with the statistics of real and simulated images.

    Parameters
    ----------
    images
        Micrographs of one kind.
    overrides
        Fields of the base recipe by dotted name.
    out
        The new recipe, a YAML file that `stemforge simulate` takes.
    recipe
        What to start from: a YAML file, or the name of a recipe that ships with stemforge.
    samples
        Images to simulate before and after.
    sampling
        Pixel size [Å], where the files have none or a wrong one.
    quiet
        Show no progress.
    """
    from stemforge.console import console
    from stemforge.evaluate.corpora.priors import calibrate_priors
    from stemforge.simulate import SimulationRecipe

    if out.exists():
        raise InputError(f"--out {out}: exists already; choose another name")
    if out.suffix not in {".yaml", ".yml"}:
        raise InputError(f"--out {out}: must end in .yaml")
    if samples < 2:
        raise InputError(f"--samples must be at least 2, not {samples}")
    base = SimulationRecipe.load(recipe, parse_overrides(overrides))
    micrographs = [_read(path, sampling) for path in images]
    found = calibrate_priors(micrographs, base, samples=samples, quiet=quiet)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(found.recipe.to_yaml(), encoding="utf-8")
    found.to_json(out.with_suffix(".json"))
    tables = {"real": found.real, "simulated before": found.before, "simulated after": found.after}
    draw_statistics({k: [s.flat() for s in v] for k, v in tables.items()}, out.with_suffix(".png"))
    for name, value in found.changes.items():
        console.print(f"  {name}: {value}", highlight=False, soft_wrap=True)
    console.print(
        f"{out}: priors from {len(images)} images; simulate with: stemforge simulate {out} --out CORPUS",
        highlight=False,
        soft_wrap=True,
    )


def compare(
    images: Images,
    /,
    *,
    corpus: Path,
    out: Path | None = None,
    num: int = 44,
    sampling: float | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> None:
    """Measure how far real micrographs and a simulated corpus are apart.

    Prints every statistic's median and quartiles on both sides, and the accuracy of a small network at telling them
    apart on images that it has not seen: 50 % is perfect likeness.

    Parameters
    ----------
    images
        Annular micrographs, at least four.
    corpus
        Simulated; its images are degraded as its recipe says.
    out
        Folder for the table as JSON and a picture.
    num
        Most images to take from the corpus.
    sampling
        Pixel size [Å], where the files have none or a wrong one.
    seed
        Root of the randomness.
    quiet
        Show no progress.
    """
    import json
    from dataclasses import asdict

    import numpy as np

    from stemforge.corpus.reader import Corpus
    from stemforge.evaluate.corpora.image_statistics import image_statistics
    from stemforge.evaluate.corpora.two_sample import two_sample_test
    from stemforge.simulate.recording.record import corpus_degradation, record, recording_rng

    simulated = Corpus(corpus)
    degradation = corpus_degradation(simulated)
    if degradation is None:
        raise InputError(f"--corpus {corpus}: holds measured images; compare wants a simulated one")
    if num < 4:
        raise InputError(f"--num must be at least 4, not {num}")
    real = [_read(path, sampling) for path in images]
    chosen = np.unique(np.linspace(0, len(simulated) - 1, min(num, len(simulated))).astype(int))
    made, sizes = [], []
    for index in chosen:
        sample = simulated[int(index)]
        rng = recording_rng(simulated.recipe, sample.index, seed)
        made.append(record(sample, degradation, rng).image[0])
        sizes.append(float(sample.sampling or 0))
    tables: dict[str, list[dict[str, float]]] = {
        "real": [image_statistics(m.image, float(m.sampling or 0)).flat() for m in real],
        "simulated": [image_statistics(i, s).flat() for i, s in zip(made, sizes, strict=True)],
    }
    told = two_sample_test([m.image for m in real], made, seed=seed, quiet=quiet)
    lines = [f"{'':24}{'real':>30}{'simulated':>30}"]
    for name in tables["real"][0]:
        cells = [
            " ".join(f"{v:9.3g}" for v in np.percentile([row[name] for row in tables[kind]], [25, 50, 75]))
            for kind in ("real", "simulated")
        ]
        lines.append(f"{name:24}{cells[0]:>30}{cells[1]:>30}")
    lines.append(
        f"told apart: {told.accuracy:.0%} of patches, {told.image_accuracy:.0%} of images "
        f"({told.real} real, {told.simulated} simulated; 50 % would be perfect likeness)"
    )
    from stemforge.console import console

    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        content = {"two_sample_test": asdict(told), "statistics": tables}
        (out / "compare.json").write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
        draw_statistics(tables, out / "compare.png")


def draw_statistics(tables: Mapping[str, Sequence[Mapping[str, float]]], path: str | Path) -> None:
    """Draw every statistic of several sets of images side by side, an image a dot.

    Parameters
    ----------
    tables
        Statistics by the name of the set: :meth:`stemforge.evaluate.corpora.image_statistics.ImageStatistics.flat`.
    path
        Picture to write.
    """
    import numpy as np
    from matplotlib.figure import Figure

    names = [name for name in next(iter(tables.values()))[0] if name not in {"gain", "offset", "sampling"}]
    columns = 5
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.4 * rows), layout="constrained")
    rng = np.random.default_rng(0)
    colours = ("#D55E00", "#0072B2", "#009E73")
    for axes, name in zip(
        figure.subplots(rows, columns).flat, [*names, *[None] * (rows * columns - len(names))], strict=True
    ):
        if name is None:
            axes.axis("off")
            continue
        for place, table in enumerate(tables.values()):
            values = [row[name] for row in table]
            axes.plot(
                values,
                place + rng.uniform(-0.2, 0.2, len(values)),
                "o",
                ms=3,
                color=colours[place],
                alpha=0.7,
            )
            axes.plot([np.median(values)] * 2, [place - 0.35, place + 0.35], "k-", lw=1.5)
            if not place:
                axes.set_yticks(range(len(tables)), list(tables))
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.locator_params(axis="x", nbins=6)
        axes.ticklabel_format(axis="x", scilimits=(-2, 3))  # textures are of 1e-4
        axes.xaxis.get_offset_text().set_fontsize(7)
        if axes.get_subplotspec().colspan.start:
            axes.set_yticklabels([])
        axes.invert_yaxis()
    figure.savefig(Path(path), dpi=110)


def _read(path: Path, sampling: float | None) -> Any:
    from dataclasses import replace

    from stemforge.micrograph.readers import read_micrograph

    micrograph = read_micrograph(path)
    if sampling is not None:
        micrograph = replace(micrograph, sampling=sampling)
    if micrograph.sampling is None:
        raise InputError(f"{path}: has no pixel size; give --sampling")
    return micrograph
