"""Measured images and their labels, made into a corpus."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.names import pair_names
from stemforge.micrograph.readers import FORMATS, read_micrograph
from stemforge.settings import Settings


class IngestRecipe(Settings):
    """What an ingested corpus was made of, so that it is recognised again: the files' content stands for them."""

    name: str = "measured"
    num_samples: int
    shard_size: int = 1
    content: str
    modality: str
    sampling: float | None = None


def ingest_images(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    out: str | Path,
    *,
    sampling: float | None = None,
    modality: str = "HAADF",
) -> Corpus:
    """Make a corpus of measured images and their labels.

    Parameters
    ----------
    images, labels
        Image files and CSV tables, or folders of them. Each image needs a table of the same name, or with the
        same number before the first underscore: ``021_HAADF.tif`` and ``021_Results.csv``.
    out
        Folder of the corpus.
    sampling
        Pixel size [Å] that overrides the files' own calibration.
    modality
        Name of the channel.

    Returns
    -------
    Corpus
        One sample an image, one image a shard, so that sizes may differ.

    Raises
    ------
    InputError
        An image or table that cannot be read or has no partner, or a label outside its image; nothing has
        been written then.
    """
    pictures = {path.stem: path for path in _files(images, FORMATS, "images")}
    tables = {path.stem: path for path in _files(labels, (".csv",), "labels")}
    pairs = pair_names(pictures, tables)
    unpaired = sorted(set(pictures) - set(pairs)) + sorted(set(tables) - set(pairs.values()))
    if unpaired:
        raise InputError(
            f"images and labels do not pair: {', '.join(unpaired[:10])} {'has' if len(unpaired) == 1 else 'have'} no "
            "partner; give each image a CSV of the same name, or with the same number before the first '_'"
        )
    # Everything is read and checked before anything is written, one image at a time: all may not fit into memory.
    digest = hashlib.sha256()
    for picture, table in pairs.items():
        micrograph = read_micrograph(pictures[picture], sampling=sampling, modality=modality)
        Annotations.from_csv(tables[table], micrograph.shape)
        digest.update(f"{picture} {table}".encode())
        for path in (pictures[picture], tables[table]):
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    recipe = IngestRecipe(
        num_samples=len(pairs), content=digest.hexdigest(), modality=modality, sampling=sampling
    )
    writer = CorpusWriter(out, recipe.model_dump(mode="json"), recipe.hash, kind="measured")
    with writer.alone():
        for index, (picture, table) in enumerate(pairs.items()):
            micrograph = read_micrograph(pictures[picture], sampling=sampling, modality=modality)
            objects = Annotations.from_csv(tables[table], micrograph.shape)
            sample = Sample(
                index=index,
                signal=micrograph.image[None],
                sampling=micrograph.sampling,
                channels=(modality,),
                labels=Annotations(objects.points, objects.boxes),
                metadata={"name": micrograph.name, "file": str(micrograph.metadata.get("file", ""))},
            )
            writer.write(index, [sample])
    return Corpus(out)


def _files(paths: Sequence[str | Path], endings: tuple[str, ...], what: str) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(
                p for p in path.iterdir() if p.suffix.lower() in endings and not p.name.startswith(".")
            )
        else:
            found.append(path)
    if not found:
        raise InputError(f"{what}: no files ending in {', '.join(endings)} in {', '.join(map(str, paths))}")
    stems = [path.stem for path in found]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(
            f"{what}: two files are named {', '.join(twice)}; their labels cannot be distinguished"
        )
    return found
