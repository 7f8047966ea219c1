"""Training each of the networks on the data it needs."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stemforge.corpus.reader import Corpus
from stemforge.errors import CorpusError, WeightsError
from stemforge.train.atom_net.data import AtomHeatMaps
from stemforge.train.data.exposures import require_segments
from stemforge.train.divaesr.data import RestorationPairs, open_sources
from stemforge.train.divaesr.model import DIVAESR
from stemforge.train.faster_rcnn.data import MoleculeImages, molecule_names
from stemforge.train.recipe import AtomNetRecipe, DIVAESRRecipe, FasterRCNNRecipe, SACCNNRecipe
from stemforge.train.run import RunOptions, run_training
from stemforge.train.sac_cnn.data import AtomCrops
from stemforge.train.tasks import AtomNetTask, DIVAESRTask, FasterRCNNTask, SACCNNTask
from stemforge.train.weights import Card, find_weights, load_weights


def fit_sac_cnn(
    data: Sequence[str | Path],
    out: str | Path,
    recipe: SACCNNRecipe | None = None,
    **options: Any,
) -> Path:
    """Train SAC-CNN on corpora.

    Parameters
    ----------
    data
        Folders of simulated or measured corpora.
    out
        Folder of the run: ``recipe.yaml``, ``checkpoints/``, ``logs/`` (CSV and TensorBoard) and, in the end,
        ``sac-cnn.safetensors``.
    recipe
        Settings; the published ones by default.
    options
        Fields of :class:`stemforge.train.RunOptions`: ``resume``, ``init``, ``quiet``, ``trainer_options`` and so on.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError, CorpusError, WeightsError
        Corpora that do not fit together, a run folder that is already used, or a training that diverged.
    """
    recipe = recipe or SACCNNRecipe.shipped()
    corpora = _labelled(data)
    sampling = common_sampling(corpora)
    training, held_out = (
        AtomCrops(
            corpora,
            recipe.crops,
            part=part,
            validation=recipe.validation,
            images_per_batch=recipe.images_per_batch,
            seed=recipe.seed,
            balance=recipe.balance,
        )
        for part in ("train", "validation")
    )
    torch.manual_seed(recipe.seed)
    task = SACCNNTask(recipe.model_dump(mode="json"))
    card = Card("sac-cnn", sampling, data=describe(corpora), inputs={"spots": "peaks"})
    return run_training(task, training, held_out, card, out, RunOptions(**options))


def fit_atom_net(
    data: Sequence[str | Path],
    out: str | Path,
    recipe: AtomNetRecipe | None = None,
    **options: Any,
) -> Path:
    """Train AtomNet on corpora of labelled annular images.

    Parameters
    ----------
    data
        Folders of corpora, simulated or measured.
    out
        Folder of the run; in the end with ``atom-net.safetensors``.
    recipe
        Settings; those that ship by default.
    options
        Fields of :class:`stemforge.train.RunOptions`: ``resume``, ``init``, ``quiet``, ``trainer_options`` and so on.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError, CorpusError, WeightsError
        Corpora that do not fit together, a run folder that is already used, or a training that diverged.
    """
    recipe = recipe or AtomNetRecipe.shipped()
    corpora = _labelled(data)
    sampling = common_sampling(corpora)
    training, held_out = (AtomHeatMaps(corpora, part, recipe) for part in ("train", "validation"))
    torch.manual_seed(recipe.seed)
    task = AtomNetTask(recipe.model_dump(mode="json"))
    card = Card("atom-net", sampling, data=describe(corpora), settings=recipe.network.model_dump(mode="json"))
    return run_training(task, training, held_out, card, out, RunOptions(**options))


def _labelled(data: Sequence[str | Path]) -> list[Corpus]:
    """Open corpora of atoms; refuse them where not one is labelled."""
    corpora = [Corpus(folder) for folder in data]
    if not any(len(sample.labels) for corpus in corpora for sample in corpus.labels_only()):
        raise CorpusError(
            f"{', '.join(str(c.folder) for c in corpora)}: no labelled atom on any image; there is nothing to learn"
        )
    return corpora


def fit_divaesr(
    data: Sequence[str | Path],
    out: str | Path,
    recipe: DIVAESRRecipe | None = None,
    **options: Any,
) -> Path:
    """Train DIVAESR, or one of its ablations, on corpora of segment signals or on published pairs.

    Parameters
    ----------
    data
        Folders of corpora with the four segments as channels, and zip files laid out as ``stem-sr.zip``.
    out
        Folder of the run; in the end with ``divaesr.safetensors``.
    recipe
        Settings; the published ones by default.
    options
        Fields of :class:`stemforge.train.RunOptions`: ``resume``, ``init``, ``quiet``, ``trainer_options`` and so on.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError, CorpusError, WeightsError
        Data that lack the needed target or do not fit together, a run folder that is already used, or a training
        that diverged.
    """
    recipe = recipe or DIVAESRRecipe.shipped()
    sources, corpora = open_sources(data, recipe)
    sampling = common_sampling(corpora)
    training, held_out = (RestorationPairs(sources, part, recipe) for part in ("train", "validation"))
    torch.manual_seed(recipe.seed)
    task = DIVAESRTask(recipe.model_dump(mode="json"))
    names = [Path(path).name for path in data if Path(path).is_file()]
    card = Card(
        "divaesr",
        sampling,
        data=(*names, *describe(corpora)),
        settings=recipe.network.model_dump(mode="json"),
        inputs={"high_pass": recipe.high_pass if corpora else 0.0},
    )
    return run_training(task, training, held_out, card, out, RunOptions(**options))


def fit_faster_rcnn(
    data: Sequence[str | Path],
    out: str | Path,
    recipe: FasterRCNNRecipe | None = None,
    *,
    restorer: str | Path | None = None,
    **options: Any,
) -> Path:
    """Train Faster R-CNN on corpora of segment signals with molecule boxes.

    Parameters
    ----------
    data
        Folders of corpora.
    out
        Folder of the run; in the end with ``faster-rcnn.safetensors``.
    recipe
        Settings; the published ones by default.
    restorer
        Weights of a DIVAESR through which the detector sees its images.
    options
        Fields of :class:`stemforge.train.RunOptions`: ``resume``, ``init``, ``quiet``, ``trainer_options`` and so on.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError, CorpusError, WeightsError
        Corpora without boxes or molecule names, a restorer of another network, a run folder that is already
        used, or a training that diverged.
    """
    recipe = recipe or FasterRCNNRecipe.shipped()
    corpora = [Corpus(folder) for folder in data]
    sampling = common_sampling(corpora)
    require_segments(corpora, recipe.crop, boxes=True)
    classes = molecule_names(corpora, one_class=recipe.one_class)
    recipe = recipe.model_copy(update={"network": recipe.network.model_copy(update={"classes": classes})})
    inputs: dict[str, Any] = {"high_pass": recipe.high_pass, "zoom": recipe.zoom, "restorer": None}
    network: DIVAESR | None = None
    if restorer is not None:
        restorer = find_weights(restorer)
        loaded, its_card = load_weights(restorer)
        if not isinstance(loaded, DIVAESR):
            raise WeightsError(f"{restorer}: are weights of {its_card.architecture}; a restorer is a divaesr")
        network = loaded
        digest = hashlib.sha256(restorer.read_bytes()).hexdigest()
        inputs["restorer"] = {"file": restorer.name, "sha256": digest}
    training, held_out = (MoleculeImages(corpora, part, recipe, network) for part in ("train", "validation"))
    torch.manual_seed(recipe.seed)
    task = FasterRCNNTask(recipe.model_dump(mode="json"))
    card = Card(
        "faster-rcnn",
        sampling,
        data=describe(corpora),
        settings=recipe.network.model_dump(mode="json"),
        inputs=inputs,
    )
    return run_training(task, training, held_out, card, out, RunOptions(**options))


def describe(corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """Return a line about each corpus for the card."""
    return tuple(
        f"{c.recipe.get('name', c.folder.name)} {c.recipe_hash[:12]} ({len(c)} {c.kind})" for c in corpora
    )


def common_sampling(corpora: Sequence[Corpus]) -> float | None:
    """Return the pixel size [Å] of the corpora.

    Raises
    ------
    CorpusError
        They differ; a crop has so many pixels whatever they measure.
    """
    found = {str(c.folder): c[0].sampling for c in corpora}
    sizes = [s for s in found.values() if s is not None]
    if sizes and max(sizes) > 1.1 * min(sizes):
        listed = ", ".join(f"{name}: {s} Å" for name, s in found.items())
        raise CorpusError(f"the corpora differ in pixel size by more than 10 % ({listed}); train on one size")
    return float(sum(sizes) / len(sizes)) if sizes else None
