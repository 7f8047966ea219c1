"""Pairing: which table of predictions belongs to which table of labelled atoms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemforge.corpus.reader import Corpus
from stemforge.errors import CorpusError, InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.names import pair_names


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
        Pixel size [Å] that the table or the corpus tells, or None.
    """

    name: str
    source: str
    points: Annotations
    sampling: float | None


def read_points(folder: str | Path, what: str) -> dict[str, Table]:
    """Read one table of points per image from a folder of CSVs or a corpus.

    Parameters
    ----------
    folder
        Folder of CSVs (``x_px,y_px,…`` as ``stemforge infer atoms`` writes them, or ``X,Y`` as ImageJ does);
        other files in it are left alone. Or a corpus, whose samples carry a ``name`` in their metadata.
    what
        What the folder is to the user (``"--pred"``), for messages.

    Returns
    -------
    dict
        Tables by image name.

    Raises
    ------
    InputError
        Folder missing or without tables, a table that cannot be read, a corpus sample without a name of
        its own.
    """
    folder = Path(folder)
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{what} {folder}: {state}; expected a folder with one CSV an image")
    if (folder / "recipe.yaml").is_file():
        return _read_corpus(folder)
    # Names that begin with a dot are the droppings of file managers (._021.csv), not tables.
    files = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
    if not files:
        raise InputError(f"{what} {folder}: holds no CSV and is no corpus; expected one CSV an image")
    return {path.stem: _read_csv(path) for path in files}


def pair_images(predicted: Iterable[str], truth: Iterable[str], unlabelled: bool = False) -> dict[str, str]:
    """Find the truth of each predicted image by name.

    Which names belong together is :func:`stemforge.micrograph.names.pair_names`'s to say.

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
    lonely = [] if unlabelled else [name for name in found if name not in pairs]
    missing = [name for name in known if name not in pairs.values()]
    problems = []
    if lonely:
        problems.append(f"{_count(lonely, 'prediction')} without truth: {_some(lonely)}")
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
    """Return the leading tokens of names where they tell the images apart, else the names; for tables."""
    tokens = [name.split("_")[0] for name in names]
    return tokens if len(set(tokens)) == len(names) else list(names)


def _read_csv(path: Path) -> Table:
    points = Annotations.from_csv(path)
    return Table(path.stem, str(path), points, _sampling(path, points))


def _read_corpus(folder: Path) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for sample in Corpus(folder):
        name = sample.metadata.get("name")
        if not isinstance(name, str) or not name:
            raise CorpusError(f"{folder}: sample {sample.index} has no 'name' in its metadata to pair it by")
        if name in tables:
            raise CorpusError(f"{folder}: two samples are named '{name}'; predictions cannot be told apart")
        tables[name] = Table(name, f"{folder}, sample {sample.index}", sample.labels, sample.sampling)
    return tables


def _sampling(path: Path, table: Annotations) -> float | None:
    """Pixel size [Å] from the nanometre columns beside the pixel columns; None where they are empty."""
    if not {"x_nm", "y_nm"} <= set(table.columns) or not len(table):
        return None
    nm = np.column_stack([table["x_nm"], table["y_nm"]])
    if np.all(np.isnan(nm)):
        return None
    # Least squares through the origin: the columns are rounded, and a point may lie at 0.
    norm = float(np.sum(table.points**2))
    ratio = float(np.sum(table.points * nm)) / norm if norm else 0.0
    if not norm and not np.any(nm):
        return None
    if not ratio > 0 or np.any(np.abs(nm / ratio - table.points) > 0.5):
        raise InputError(
            f"{path}: columns x_nm, y_nm do not follow from x_px, y_px by one pixel size; write them all "
            "from the same calibration, or leave them all empty"
        )
    return 10 * ratio


def _count(names: list[str], noun: str) -> str:
    plural = {"truth": "truths", "prediction": "predictions"}[noun]
    return f"{len(names)} {noun if len(names) == 1 else plural}"


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
