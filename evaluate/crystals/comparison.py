"""A raw image of a crystal and what was restored from it, scored without labels by the columns of the framework."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from stemforge.colours import SKY, VERMILION
from stemforge.console import say
from stemforge.errors import InputError
from stemforge.evaluate.crystals.framework import TOLERANCE, FrameworkMatch, score_framework
from stemforge.files import write_figure, write_json
from stemforge.infer import Framework, Lattice, Restoration, find_domains, find_lattice, restore_micrograph
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.results import Results
from stemforge.infer.weights import load_finder
from stemforge.micrograph.drawing import draw_micrograph, entitle
from stemforge.micrograph.image import Micrograph
from stemforge.train import Card

MERGE = 1.0
"""Columns closer than this count as one [Å]."""


@dataclass(frozen=True)
class RestorationEvaluation:
    """How well a raw and a restored image show the columns of their framework.

    Parameters
    ----------
    lattice
        Of the raw image.
    images, matches
        The raw and the restored image, and what was matched on each, by name.
    options
        ``tolerance``, ``merge`` and ``bend`` as they were used.

    Examples
    --------
    >>> from stemforge.evaluate.crystals.framework import FrameworkScore
    >>> score = FrameworkScore(0.9, 0.9, 0.9, 0.2, 0.8, columns=10, maxima=10, matched=9)
    >>> match = FrameworkMatch(score, np.ones((10, 2)), np.ones((10, 2)))
    >>> lattice = Lattice((0, 0), (48, 0), (0, 32), 0.25, 0.0, 0.0, 1.0, "oblong", (12.0, 8.0))
    >>> evaluation = RestorationEvaluation(lattice, {"raw": Micrograph(np.eye(64), name="field")}, {"raw": match}, {})
    >>> evaluation.lines()
    ['field, raw: F1 0.900, rms 0.20 Å']
    """

    lattice: Lattice
    images: Mapping[str, Micrograph]
    matches: Mapping[str, FrameworkMatch]
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the raw image."""
        return self.images["raw"].name

    def lines(self) -> list[str]:
        """Return the score of each image as a line of text."""
        return [f"{self.name}, {kind}: {match.score}" for kind, match in self.matches.items()]

    def to_json(self, path: str | Path) -> None:
        """Write lattice, options and scores to a JSON file."""
        scores = {kind: match.score for kind, match in self.matches.items()}
        lattice = self.lattice.to_dict()
        write_json(path, {"image": self.name, "lattice": lattice, **self.options, "scores": scores})

    def figure(self) -> Figure:
        """Draw the middle of each image with columns and maxima, see :func:`draw_framework`."""
        return draw_framework(self.images, self.matches)


def evaluate_restoration(
    micrograph: Micrograph,
    model: torch.nn.Module,
    card: Card,
    *,
    framework: str | Framework = "mfi",
    tolerance: float = TOLERANCE,
    merge: float = MERGE,
    bend: bool = True,
    device: str = "cpu",
) -> RestorationEvaluation:
    """Restore an image of a crystal, and score it and its restoration by the columns of the framework.

    Parameters
    ----------
    micrograph
        Raw iDPC image of a crystal along its channels; its lattice is found.
    model, card
        A restorer, from :func:`stemforge.train.load_weights`.
    framework
        One that is built in, or a CIF file.
    tolerance, merge, bend
        As for :func:`compare_framework`.
    device
        Where the network runs.

    Raises
    ------
    InputError
        No lattice found, tolerance or merge not positive, or weights of another network.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> noise = Micrograph(np.random.default_rng(0).random((96, 96)), name="noise")
    >>> evaluate_restoration(noise, *load_weights("divaesr"), tolerance=-1)
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: tolerance must be a positive length [Å], not -1
    """
    _check_lengths(tolerance, merge)
    framework = Framework.named(framework) if isinstance(framework, str) else framework
    lattice = find_lattice(micrograph, framework=framework)
    restored = restore_micrograph(micrograph, model, card, lattice=lattice, device=device)
    options: dict[str, Any] = {"tolerance": tolerance, "merge": merge, "bend": bend}
    matches = compare_framework(micrograph, {"restored": restored}, lattice, framework=framework, **options)
    raw = Micrograph(micrograph.image, lattice.sampling, name=micrograph.name)
    images = {"raw": raw, "restored": restored.as_micrograph()}
    return RestorationEvaluation(lattice, images, matches, options)


def evaluate_restorations(
    batch: Batch,
    weights: str | Path = "divaesr",
    *,
    framework: str = "mfi",
    device: str = "cpu",
    **options: Any,
) -> Outcome:
    """Score many images and their restorations; write the scores and a picture of each.

    Parameters
    ----------
    batch
        Images and where results go: ``_framework.json`` and ``_framework.png``.
    weights
        Of the restorer: a file, or the name of weights that come with stemforge.
    framework
        One that is built in, or a CIF file.
    device
        Where the network runs.
    options
        ``tolerance``, ``merge`` and ``bend``, as for :func:`compare_framework`.

    Raises
    ------
    InputError
        Options, weights or results that cannot be; nothing has been written then.

    Examples
    --------
    >>> batch = Batch([Path("field.tif")], Path("scores"), ("_framework.json", "_framework.png"))
    >>> evaluate_restorations(batch, "divaesr", framework="quartz")  # refused before any image is read
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: framework 'quartz' is not known; there is mfi, fau, cha, mor, bea, or give a CIF file
    """
    _check_lengths(options.get("tolerance", TOLERANCE), options.get("merge", MERGE))
    wanted = Framework.named(framework)
    model, card = load_finder(weights, "images")
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        evaluation = evaluate_restoration(micrograph, model, card, framework=wanted, device=device, **options)
        evaluation.to_json(results.path("_framework.json"))
        write_figure(evaluation.figure(), results.path("_framework.png"))
        say("\n".join(evaluation.lines()))
        return 1

    settings = {"weights": str(weights), "framework": framework, **options, "device": device}
    return batch.run("evaluate framework", work, "scored", settings)


def _check_lengths(tolerance: float, merge: float) -> None:
    """Refuse a tolerance or merging distance that is no length."""
    for name, value in (("tolerance", tolerance), ("merge", merge)):
        if not value > 0:
            raise InputError(f"{name} must be a positive length [Å], not {value}")


def compare_framework(
    micrograph: Micrograph,
    restorations: Mapping[str, Restoration],
    lattice: Lattice,
    *,
    framework: Framework | None = None,
    tolerance: float = TOLERANCE,
    merge: float = MERGE,
    bend: bool = True,
) -> dict[str, FrameworkMatch]:
    """Score a raw image and what was restored from it against the same columns.

    Parameters
    ----------
    micrograph
        The raw image, on which the lattice was found.
    restorations
        Restorations of it, by name.
    lattice
        From :func:`stemforge.infer.find_lattice` on the raw image.
    framework, tolerance, merge
        As for :func:`score_framework`.
    bend
        Follow distortion and displaced domains, and leave out what shows no crystal, see
        :func:`stemforge.infer.find_domains`.

    Returns
    -------
    dict
        ``"raw"`` and the restorations by name.

    Examples
    --------
    >>> cell = Framework("oblong", (12.0, 8.0), np.array([[0.1, 0.2], [0.6, 0.3], [0.3, 0.8]]), np.full(3, 14))
    >>> lattice = Lattice((0, 0), (48, 0), (0, 32), 0.25, 0.0, 0.0, 1.0, "oblong", (12.0, 8.0))
    >>> raw = Micrograph(np.tile(cell.image((32, 48)), (4, 4)), 0.25)
    >>> restored = Restoration(raw, raw.image, 0.25)
    >>> found = compare_framework(raw, {"same": restored}, lattice, framework=cell, bend=False)
    >>> {name: match.score.f1 for name, match in found.items()}
    {'raw': 1.0, 'same': 1.0}
    """
    framework = framework or Framework.named(lattice.framework)
    fractional = framework.columns(merge).fractional
    if bend:
        columns = find_domains(micrograph, lattice, framework=framework).sites(fractional, micrograph.shape)
    else:
        columns = lattice.sites(fractional, micrograph.shape)
    options: dict[str, Any] = {"framework": framework, "tolerance": tolerance, "merge": merge}
    found = {"raw": score_framework(micrograph, lattice, columns=columns, **options)}
    for name, restoration in restorations.items():
        scale = np.asarray(restoration.scale)
        image = restoration.as_micrograph()
        finer = replace(lattice, sampling=float(lattice.sampling * np.sqrt(scale.prod())))
        found[name] = score_framework(image, finer, columns=(columns + 0.5) / scale - 0.5, **options)
    return found


def draw_framework(
    images: Mapping[str, Micrograph], found: Mapping[str, FrameworkMatch], path: str | Path | None = None
) -> Figure:
    """Draw the middle of each image with the framework's columns (circles) and the maxima found (dots).

    Parameters
    ----------
    images
        Images by name, as scored.
    found
        From :func:`compare_framework`.
    path
        Where to save the picture; None saves nothing.

    Examples
    --------
    >>> from stemforge.evaluate.crystals.framework import FrameworkScore
    >>> score = FrameworkScore(1.0, 1.0, 1.0, 0.1, 0.8, columns=2, maxima=2, matched=2)
    >>> points = np.array([[30.0, 30.0], [34.0, 33.0]])
    >>> images = {"raw": Micrograph(np.random.default_rng(0).random((64, 64)), 0.25)}
    >>> figure = draw_framework(images, {"raw": FrameworkMatch(score, points, points)}, "framework.png")
    >>> Path("framework.png").exists(), figure.axes[0].get_title()
    (True, 'raw: F1 1.000, rms 0.10 Å (2 of 2 columns, 2 maxima)')
    """
    figure = Figure(figsize=(6.2 * len(found), 6.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(found)))
    for axes, (name, result) in zip(panels, found.items(), strict=True):
        image = images[name]
        height, width = image.shape
        side = min(height, width) / 4
        middle = image.image[
            int((height - side) / 2) : int((height + side) / 2),
            int((width - side) / 2) : int((width + side) / 2),
        ]
        draw_micrograph(axes, image, scale_bar=False)
        axes.images[0].set_clim(*np.percentile(middle, [0.5, 99.8]))
        axes.scatter(*result.columns.T, s=60, facecolors="none", edgecolors=SKY, linewidths=1)
        axes.scatter(*result.points.T, s=10, color=VERMILION)
        axes.set_xlim((width - side) / 2, (width + side) / 2)
        axes.set_ylim((height + side) / 2, (height - side) / 2)
        score = result.score
        counts = f"{score.matched} of {score.columns} columns, {score.maxima} maxima"
        entitle(axes, f"{name}: {score} ({counts})")
    if path is not None:
        write_figure(figure, path)
    return figure
