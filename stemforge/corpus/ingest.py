"""Measured images and their labels, made into a corpus."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stemforge.console import progress, say
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.coco import CocoImage, read_coco
from stemforge.micrograph.coordinates import rows_elsewhere, suggested_unit
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.names import pair_names
from stemforge.micrograph.paths import find_images
from stemforge.micrograph.readers import FORMATS, read_micrograph
from stemforge.micrograph.tables import ENDINGS as TABLES, table_files
from stemforge.settings import Settings

COCO = ".json"
_ROWS = 10  # that are named
"""Ending of files with annotations in COCO's format."""


class IngestRecipe(Settings):
    """What an ingested corpus was made of, so that it is recognised again: the files' content stands for them.

    Parameters
    ----------
    name
        Of the corpus.
    num_samples
        Images in the corpus.
    shard_size
        Images in each shard file.
    content
        SHA-256 of images and labels.
    modality
        Imaging mode.
    sampling
        Pixel size [Å] that was given in place of the files' own.
    """

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
    label_unit: str | None = None,
    quiet: bool = True,
) -> Corpus:
    """Make a corpus of measured images and their labels.

    Parameters
    ----------
    images, labels
        Image files and CSV tables, or folders of them. Each image needs a table of the same name, or with the
        same number before the first underscore: ``021_HAADF.tif`` and ``021_Results.csv``. Or one COCO file (JSON),
        whose images' file names must be those of the images.
    out
        Folder of the corpus.
    sampling
        Pixel size [Å] that overrides the files' own calibration.
    modality
        Name of the channel.
    label_unit
        Unit of the labels, where the tables do not name it: ``"px"`` or one of length, which the pixel size makes
        pixels. By default pixels, and tables are refused whose points are plainly in another unit.
    quiet
        Show no progress.

    Returns
    -------
    Corpus
        One sample an image, one image a shard, so that sizes may differ.

    Raises
    ------
    InputError
        An image or table that cannot be read or has no partner, a label outside its image or plainly in another
        unit; nothing has been written then.

    Examples
    --------
    >>> import numpy as np, tifffile
    >>> tifffile.imwrite("021_HAADF.tif", np.random.default_rng(0).random((32, 40), "float32"))
    >>> Annotations([[3, 4], [30, 8.5]]).to_csv("021_Results.csv")
    >>> corpus = ingest_images(["021_HAADF.tif"], ["021_Results.csv"], "corpus", sampling=0.3)
    >>> corpus[0].signal.shape, corpus[0].labels.points.tolist()
    ((1, 32, 40), [[3.0, 4.0], [30.0, 8.5]])
    """
    if any(Path(path).suffix.lower() == COCO for path in labels):
        if len(labels) > 1 or label_unit is not None:
            what = "several label files" if len(labels) > 1 else f"labels in {label_unit}"
            raise InputError(f"labels: a COCO file stands alone and counts in pixels; there are {what}")
        return _ingest_coco(images, Path(labels[0]), out, sampling=sampling, modality=modality, quiet=quiet)
    pairs, _ = pair_files(images, labels)
    # Everything is read and checked before anything is written, one image at a time: all may not fit into memory.
    # The unit is part of the content: without it, corpora from before there were units are recognised again.
    digest = hashlib.sha256((label_unit or "").encode())
    with progress("check", len(pairs), "images", quiet) as advance:
        for picture, table in pairs:
            micrograph = read_micrograph(picture, sampling=sampling, modality=modality)
            options: dict[str, Any] = {"sampling": micrograph.sampling, "label_unit": label_unit}
            objects = Annotations.from_csv(table, micrograph.shape, **options)
            if not len(objects):
                say(f"{table}: has no labels; {picture.name} is taken for an image without atoms")
            if label_unit is None:
                _doubt(table, objects, micrograph)
            _remark_other_places(table, objects)
            digest.update(f"{picture.stem} {table.stem}".encode())
            for path in (picture, table):
                with path.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
            advance(1)
    recipe = IngestRecipe(
        num_samples=len(pairs), content=digest.hexdigest(), modality=modality, sampling=sampling
    )
    writer = CorpusWriter(out, recipe.model_dump(mode="json"), recipe.hash, kind="measured")
    with writer.alone(), progress("write", len(pairs), "images", quiet) as advance:
        for index, (picture, table) in enumerate(pairs):
            micrograph = read_micrograph(picture, sampling=sampling, modality=modality)
            options = {"sampling": micrograph.sampling, "label_unit": label_unit}
            objects = Annotations.from_csv(table, micrograph.shape, **options)
            sample = Sample(
                index=index,
                signal=micrograph.image[None],
                sampling=micrograph.sampling,
                channels=(modality,),
                labels=Annotations(objects.points, objects.boxes),
                metadata={"name": micrograph.name, "file": str(micrograph.metadata.get("file", ""))}
                | ({} if label_unit is None else {"label_unit": label_unit}),
            )
            writer.write(index, [sample])
            advance(1)
    return Corpus(out)


def _ingest_coco(
    images: Sequence[str | Path],
    source: Path,
    out: str | Path,
    *,
    sampling: float | None,
    modality: str,
    quiet: bool,
) -> Corpus:
    """Make a corpus of measured images and one COCO file."""
    listed = {image.file_name: image for image in read_coco(source)}
    pictures = {path.name: path for path in _files(images, FORMATS, "images")}
    for names, problem in (
        (sorted(set(listed) - set(pictures)), f"{source} lists images that were not given"),
        (sorted(set(pictures) - set(listed)), f"{source} does not list images that were given"),
    ):
        if names:
            raise InputError(f"{problem}: {', '.join(names[:10])}")
    digest = hashlib.sha256()
    with progress("check", len(pictures), "images", quiet) as advance:
        for path in (source, *(pictures[name] for name in sorted(pictures))):
            digest.update(path.name.encode())
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
            if path != source:
                shape = read_micrograph(path, sampling=sampling, modality=modality).shape
                if shape != listed[path.name].shape:
                    stated = listed[path.name].shape
                    raise InputError(
                        f"{path}: is {shape[1]} × {shape[0]} pixels, {source} says {stated[1]} × {stated[0]}"
                    )
                advance(1)
    recipe = IngestRecipe(
        num_samples=len(pictures), content=digest.hexdigest(), modality=modality, sampling=sampling
    )
    writer = CorpusWriter(out, recipe.model_dump(mode="json"), recipe.hash, kind="measured")
    with writer.alone(), progress("write", len(pictures), "images", quiet) as advance:
        for index, name in enumerate(sorted(pictures)):
            micrograph = read_micrograph(pictures[name], sampling=sampling, modality=modality)
            writer.write(index, [_coco_sample(index, micrograph, listed[name], modality)])
            advance(1)
    return Corpus(out)


def _coco_sample(index: int, micrograph: Micrograph, image: CocoImage, modality: str) -> Sample:
    """Return an image with its annotations: molecules with boxes and species, or points of atoms."""
    objects = image.annotations
    metadata: dict[str, Any] = {"name": micrograph.name, "file": str(micrograph.metadata.get("file", ""))}
    if objects.boxes is None:
        objects = Annotations(objects.points)
    else:
        metadata["molecules"] = list(image.names)
    return Sample(
        index=index,
        signal=micrograph.image[None],
        sampling=micrograph.sampling,
        channels=(modality,),
        labels=objects,
        metadata=metadata,
    )


def pair_files(
    images: Sequence[str | Path], labels: Sequence[str | Path], unlabelled: bool = False
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Find the table of each image, by name.

    Parameters
    ----------
    images, labels
        As for :func:`ingest_images`.
    unlabelled
        Take images without table, too.

    Returns
    -------
    pairs, alone
        Image and table, in order of the images' names; and the images without table.

    Raises
    ------
    InputError
        No files, two of one name, or one without partner.
    """
    pictures = {path.stem: path for path in _files(images, FORMATS, "images")}
    tables = {path.stem: path for path in _files(labels, TABLES, "labels")}
    pairs = pair_names(pictures, tables)
    alone = sorted(set(pictures) - set(pairs))
    unpaired = alone if not unlabelled or not pairs else []
    unpaired = unpaired + sorted(set(tables) - set(pairs.values()))
    if unpaired:
        raise InputError(
            f"images and labels do not pair: {', '.join(unpaired[:10])} {'has' if len(unpaired) == 1 else 'have'} no "
            "partner; give each image a CSV of the same name, or with the same number before the first '_'"
        )
    paired = [(pictures[picture], tables[table]) for picture, table in pairs.items()]
    return paired, [pictures[name] for name in alone]


def _doubt(table: Path, objects: Annotations, micrograph: Micrograph) -> None:
    """Say where labels may be in another unit than pixels."""
    unit = suggested_unit(objects.points, micrograph.shape, micrograph.sampling)
    if unit is not None:
        say(
            f"{table}: all labels lie in one corner of the image; if they are in {unit[0]}, say so (--label-unit), and "
            "see `stemforge audit`"
        )


def _remark_other_places(table: Path, objects: Annotations) -> None:
    """Say where only the pixels or only the nanometres of a row were corrected."""
    others = rows_elsewhere(objects.points, objects.columns)
    if len(others):
        rows = ", ".join(str(row + 1) for row in others[:_ROWS]) + (", …" if len(others) > _ROWS else "")
        say(
            f"{table}: x_nm, y_nm lie elsewhere than x_px, y_px in {len(others)} of {len(objects)} rows ({rows}); the "
            "pixels are taken: correct these"
        )


def _files(paths: Sequence[str | Path], endings: tuple[str, ...], what: str) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir() and endings == TABLES:
            found += table_files(path)
        else:
            found += find_images([path]) if endings == FORMATS else [path]
    if not found:
        raise InputError(f"{what}: no files ending in {', '.join(endings)} in {', '.join(map(str, paths))}")
    stems = [path.stem for path in found]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(
            f"{what}: two files are named {', '.join(twice)}; their labels cannot be distinguished"
        )
    return found
