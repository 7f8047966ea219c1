"""Tables of predictions and labels, read from folders and paired by the names of their images."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import HEADER
from stemforge.errors import CorpusError, InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.coordinates import sampling_of_columns
from stemforge.micrograph.names import pair_names
from stemforge.micrograph.tables import table_files

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """The points of one image.

    Parameters
    ----------
    name
        Name of the image: the CSV's stem, or a corpus sample's ``name``.
    source
        Where the points come from, for messages.
    points
        The atoms, with whatever columns came with them.
    sampling
        Pixel size [Å] of the table or the corpus, or None where neither has one.
    """

    name: str
    source: str
    points: Annotations
    sampling: float | None


def read_points(
    folder: str | Path,
    what: str,
    *,
    label_unit: str | None = None,
    samplings: Mapping[str, float | None] | None = None,
) -> dict[str, Table]:
    """Read one table of points per image from a folder of CSVs or a corpus.

    Parameters
    ----------
    folder
        Folder of CSVs (``x_px,y_px,…`` as ``stemforge infer atoms`` writes them, or ``X,Y`` as ImageJ does);
        other files in it are ignored. Or a corpus.
    what
        Name of the argument that gave the folder (``"pred"``), for messages.
    label_unit
        Unit of the points in CSVs, as for :meth:`stemforge.Annotations.from_csv`.
    samplings
        Pixel sizes [Å] by name of the image, for points in a unit of length.

    Returns
    -------
    dict
        Tables by image name.

    Raises
    ------
    InputError
        Folder missing or without tables, a table that cannot be read, two samples of one name.
    """
    from_csv = partial(read_table, label_unit=label_unit, samplings=samplings or {})
    return read_tables(folder, what, from_csv, partial(_from_sample, folder))


def read_tables(
    folder: str | Path, what: str, from_csv: Callable[[Path], T], from_sample: Callable[[Sample], T]
) -> dict[str, T]:
    """Read one table per image from a folder of CSVs or a corpus.

    Parameters
    ----------
    folder, what
        As for :func:`read_points`.
    from_csv, from_sample
        Make a table of a CSV, and of a sample.

    Returns
    -------
    dict
        Tables by image name: the stem of the CSV; of a sample the ``name`` in its metadata, else its number.
    """
    folder = Path(folder)
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{what} {folder}: {state}; expected a folder with one CSV an image, or a corpus")
    if (folder / HEADER).is_file():
        tables: dict[str, T] = {}
        for sample in Corpus(folder):
            name = sample_name(sample)
            if name in tables:
                raise CorpusError(f"{folder}: two samples are named '{name}'; they cannot be distinguished")
            tables[name] = from_sample(sample)
        return tables
    files = table_files(folder)
    if not files:
        raise InputError(f"{what} {folder}: holds no CSV and is no corpus; expected one CSV an image")
    return {path.stem: from_csv(path) for path in files}


def sample_name(sample: Sample) -> str:
    """Return the name of a sample's image: ``name`` of its metadata, else its number."""
    return str(sample.metadata.get("name") or f"{sample.index:06d}")


def pair_images(predicted: Iterable[str], truth: Iterable[str], unlabelled: bool = False) -> dict[str, str]:
    """Find the truth of each predicted image by name.

    :func:`stemforge.micrograph.names.pair_names` decides which names belong together.

    Parameters
    ----------
    predicted, truth
        Names of the images.
    unlabelled
        Leave predictions without truth out instead of refusing them. A truth without prediction is always
        refused: a missing image must not flatter the score.

    Returns
    -------
    dict
        Name of the truth by name of the prediction, in order of the names.

    Raises
    ------
    InputError
        Images without partner; the message lists them.

    Examples
    --------
    >>> pair_images(["021_HAADF_15nm", "b"], ["021_Results", "b"])
    {'021_HAADF_15nm': '021_Results', 'b': 'b'}
    """
    found, known = sorted(predicted), sorted(truth)
    pairs = pair_names(found, known)
    unpaired = [] if unlabelled else [name for name in found if name not in pairs]
    missing = [name for name in known if name not in pairs.values()]
    problems = []
    if unpaired:
        problems.append(f"{_count(unpaired, 'prediction')} without truth: {_some(unpaired)}")
    if missing:
        problems.append(f"{_count(missing, 'truth')} without prediction: {_some(missing)}")
    if problems or not pairs:
        raise InputError(
            f"images do not pair: {'; '.join(problems) or 'not one name is in both folders'}. Names pair "
            "when their stems are equal or when the part before the first '_' holds a number and occurs once "
            "on each side; run the detector on every labelled image (no atoms make an empty table) and give "
            "folders that hold the same images"
        )
    return pairs


def short_names(names: Sequence[str]) -> list[str]:
    """Return the leading tokens of names where these are all different, else the names; for tables."""
    tokens = [name.split("_")[0] for name in names]
    return tokens if len(set(tokens)) == len(names) else list(names)


def read_table(
    path: Path, label_unit: str | None = None, samplings: Mapping[str, float | None] | None = None
) -> Table:
    """Read the points of one image; arguments as for :func:`read_points`."""
    samplings = samplings or {}
    partner = pair_names([path.stem], samplings).get(path.stem)
    sampling = None if partner is None else samplings[partner]
    points = Annotations.from_csv(path, sampling=sampling, label_unit=label_unit)
    return Table(path.stem, str(path), points, sampling_of_columns(path, points.points, points.columns))


def _from_sample(folder: str | Path, sample: Sample) -> Table:
    return Table(sample_name(sample), f"{folder}, sample {sample.index}", sample.labels, sample.sampling)


def _count(names: list[str], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
