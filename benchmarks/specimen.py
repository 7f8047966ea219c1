"""Specimen told from vacuum on simulated images: overlap with where the atoms are, and intervals of its area.

python benchmarks/specimen.py simulated                # 10 carbon particles of each of two recipes, 2 recordings each
python benchmarks/specimen.py films                    # the control: films and layers without vacuum
python benchmarks/specimen.py real --out real.png      # edges drawn on the 11 real images (STEMFORGE_DATA_DIR)
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cyclopts import App
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.console import say
from stemforge.corpus.sample import Sample
from stemforge.files import write_figure
from stemforge.infer import find_specimen
from stemforge.infer.specimen.figure import draw_edge
from stemforge.micrograph.drawing import draw_micrograph
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_micrograph
from stemforge.simulate import SimulationRecipe, record, simulate_sample

PARTICLES = ("pt-nc", "quickstart")
FILMS = ("au-carbon", "co-n-graphene", "fe-c3n4")
CLOSED = 2.5  # Å: gaps between atoms that are narrower belong to the specimen
app = App()


def recorded(
    name: str, number: int, times: int, seed: int, **settings: Any
) -> Iterator[tuple[Sample, Micrograph]]:
    """Yield samples of a recipe, each recorded several times."""
    recipe = SimulationRecipe.load(name, {"seed": seed, "store_structures": True, **settings})
    for index in range(number):
        sample = simulate_sample(recipe, index)
        for again in range(times):
            image = record(sample, recipe.degradation, np.random.default_rng([seed, index, again])).image[0]
            yield sample, Micrograph(image, sample.sampling)


def where_atoms_are(sample: Sample) -> NDArray[np.bool_]:
    """Return the projection of a sample's structure, shape (height, width)."""
    assert sample.structure is not None
    height, width = sample.signal.shape[1:]
    size = np.diag(sample.structure.cell)[:2] / sample.sampling
    margin = ((size - [width, height]) / 2).round()
    x, y = (sample.structure.positions[:, :2] / sample.sampling - margin).round().astype(int).T
    gap = int(CLOSED / sample.sampling)
    atoms = np.zeros((height + 4 * gap, width + 4 * gap), dtype=bool)
    near = (np.abs(x - width / 2) < width / 2 + 2 * gap) & (np.abs(y - height / 2) < height / 2 + 2 * gap)
    atoms[y[near] + 2 * gap, x[near] + 2 * gap] = True
    return ndimage.binary_closing(atoms, iterations=gap)[2 * gap : -2 * gap, 2 * gap : -2 * gap]


@app.command
def simulated(number: int = 10, seed: int = 77) -> None:
    """Particles at whose edge there is vacuum on 10 to 50 % of the image."""
    for name in PARTICLES:
        rows = []
        vacuum = {"support.vacuum_fraction": {"choice": [0.1, 0.2, 0.35, 0.5]}}
        for sample, micrograph in recorded(name, number, 2, seed, **vacuum):
            truth, found = where_atoms_are(sample), find_specimen(micrograph)
            overlap = (truth & found.mask).sum() / (truth | found.mask).sum()
            rows.append((overlap, found.share / truth.mean(), found.low <= truth.mean() <= found.high))
            say(
                f"{name}: vacuum {1 - truth.mean():.2f}, overlap {overlap:.4f}, area {rows[-1][1]:.4f} of the true one"
            )
        overlaps, areas, held = np.array(rows).T
        say(
            f"{name}: {len(rows)} images, overlap {overlaps.mean():.3f} (least {overlaps.min():.3f}), area "
            f"{areas.mean():.3f} ± {areas.std():.3f} of the true one, within its interval on {held.sum():.0f}"
        )


@app.command
def films(number: int = 4, seed: int = 77) -> None:
    """Specimens without vacuum, but for holes in `co-n-graphene`: what of them is called specimen."""
    for name in FILMS:
        shares = [find_specimen(micrograph).share for _, micrograph in recorded(name, number, 2, seed)]
        say(f"{name}: specimen on {min(shares):.3f} to {max(shares):.3f} of {len(shares)} images")


@app.command
def real(out: Path = Path("real.png")) -> None:
    """Draw the edges on the real images."""
    paths = sorted(Path(os.environ["STEMFORGE_DATA_DIR"], "pt-nc/images").iterdir())
    figure = Figure(figsize=(16, 12.4), layout="constrained")
    for axes, path in zip(figure.subplots(3, 4).flat, paths, strict=False):
        micrograph = read_micrograph(path)
        found = find_specimen(micrograph)
        draw_micrograph(axes, micrograph)
        draw_edge(axes, found)
        area, low, high = found.area(float(micrograph.sampling or np.nan))
        axes.set_title(f"{path.name[:3]}: {area:.0f} ({low:.0f} to {high:.0f}) nm²")
    figure.axes[-1].set_axis_off()
    write_figure(figure, out, dpi=60)


if __name__ == "__main__":
    app()
