"""Several corpora, or parts of them, written as one."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import CorpusError

# What readers apply to every sample of a corpus, or take its labels to be measured by: must be the same.
_ALIKE = ("degradation", "reference_dose")
_A_SHARD = 16  # samples at most


def merge_corpora(corpora: Sequence[Corpus], folder: str | Path, *, quiet: bool = False) -> Corpus:
    """Write a new corpus that holds the samples of several.

    Samples are numbered anew; each keeps in ``metadata["source"]`` the recipe hash of the corpus from which it came
    and its number there. The new recipe holds what all recipes agree on, and under ``sources`` each of them whole.
    An interrupted merge is finished by the same call.

    Parameters
    ----------
    corpora
        At least one; views are allowed. All simulated or all measured, with the same channels.
    folder
        Where the new corpus goes: new or empty.
    quiet
        Draw no progress bar.

    Returns
    -------
    Corpus
        The new corpus.

    Raises
    ------
    CorpusError
        Corpora of different kinds or channels; a sample that is in two of them; recipes that differ in what a reader
        applies to all samples (degradation, reference dose): train on such corpora side by side instead. Nothing has
        been written then.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from stemforge.micrograph.annotations import Annotations
    >>> def demo(name):
    ...     writer = CorpusWriter(tempfile.mkdtemp(), {"name": name}, name * 64)
    ...     image = np.ones((1, 8, 8), "float32")
    ...     writer.write(0, [Sample(i, image, 0.3, ("HAADF",), Annotations([])) for i in range(3)])
    ...     return Corpus(writer.folder)
    >>> merged = merge_corpora([demo("a"), demo("b")[1:]], tempfile.mkdtemp(), quiet=True)
    >>> [sample.metadata["source"]["index"] for sample in merged]
    [0, 1, 2, 1, 2]
    """
    corpora = [corpus for corpus in corpora if len(corpus)]
    recipe = _merged_recipe(corpora)
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    writer = CorpusWriter(folder, recipe, digest, corpora[0].kind)
    with writer.alone(), progress("merge", sum(map(len, corpora)), "images", quiet) as advance:
        for shard, samples in enumerate(_shards(corpora)):
            writer.write(shard, samples)
            advance(len(samples))
    return Corpus(folder)


def _merged_recipe(corpora: Sequence[Corpus]) -> dict[str, Any]:
    if not corpora:
        raise CorpusError("there is nothing to merge: give at least one corpus with a sample")
    _check_alike(corpora)
    first = corpora[0]
    agreed = {
        name: value
        for name, value in first.recipe.items()
        if all(name in corpus.recipe and corpus.recipe[name] == value for corpus in corpora)
    }
    for name in ("num_samples", "shard_size", "sources"):
        agreed.pop(name, None)
    return {
        # Names the noise that inspection draws; any number would do.
        "seed": first.recipe.get("seed", 0),
        **agreed,
        "name": " + ".join(dict.fromkeys(str(c.recipe.get("name", c.folder.name)) for c in corpora)),
        "num_samples": sum(map(len, corpora)),
        "sources": [
            {
                "recipe_hash": corpus.recipe_hash,
                "recipe": corpus.recipe,
                "num_samples": len(corpus),
                "samples_sha256": hashlib.sha256(corpus.indices.astype("<i8").tobytes()).hexdigest(),
            }
            for corpus in corpora
        ],
    }


def _check_alike(corpora: Sequence[Corpus]) -> None:
    """Refuse corpora that cannot be one: of different kinds, channels or degradation, or with the same samples."""
    first = corpora[0]
    channels = first.labels_only()[0].channels
    given: set[tuple[str, int]] = set()
    for corpus in corpora:
        if corpus._labels_only:
            raise CorpusError(
                f"{corpus.folder}: is opened without its signals (labels_only); give it with them"
            )
        if corpus.kind != first.kind:
            raise CorpusError(
                f"{first.folder} is {first.kind}, {corpus.folder} is {corpus.kind}; merge corpora of one kind"
            )
        other = corpus.labels_only()[0].channels
        if other != channels:
            raise CorpusError(
                f"{first.folder} has channels {', '.join(channels)}, {corpus.folder} has {', '.join(other)}; merge "
                "corpora with the same channels"
            )
        for name in _ALIKE:
            if corpus.recipe.get(name) != first.recipe.get(name):
                raise CorpusError(
                    f"{first.folder} and {corpus.folder} differ in '{name}', which a reader applies to a whole corpus; "
                    "keep them as two, training takes several corpora"
                )
        places = {(corpus.recipe_hash, int(index)) for index in corpus.indices}
        if twice := given & places:
            raise CorpusError(f"{corpus.folder}: sample {min(twice)[1]} is given twice")
        given |= places


def _shards(corpora: Sequence[Corpus]) -> Iterator[list[Sample]]:
    """Yield samples that may share a shard: nothing of theirs is lost or filled in there."""
    kept: list[Sample] = []
    for index, (corpus, sample) in enumerate((c, s) for c in corpora for s in c):
        source = sample.metadata.get("source") or {"recipe_hash": corpus.recipe_hash, "index": sample.index}
        sample = dataclasses.replace(sample, index=index, metadata={**sample.metadata, "source": source})
        if kept and (len(kept) == _A_SHARD or _form(sample) != _form(kept[0])):
            yield kept
            kept = []
        kept.append(sample)
    yield kept


def _form(sample: Sample) -> tuple[object, ...]:
    labels = sample.labels
    types = {name: values.dtype for name, values in labels.columns.items()}
    return (
        sample.signal.shape,
        sample.channels,
        sample.sampling,
        labels.boxes is None,
        types,
        sample.structure is None,
    )
