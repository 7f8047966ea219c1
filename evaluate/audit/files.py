"""Files of images and labels, read and audited."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stemforge.corpus.ingest import pair_files
from stemforge.evaluate.audit.labels import audit_labels
from stemforge.evaluate.audit.result import Audit
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_micrograph


class Images(Mapping[str, Micrograph]):
    """Micrographs by name, each read when it is asked for: all may not fit into memory.

    Parameters
    ----------
    paths
        Image files.
    sampling
        Pixel size [Å] that overrides the files' calibration.
    """

    def __init__(self, paths: Sequence[Path], sampling: float | None = None) -> None:
        self._paths = {path.stem: path for path in paths}
        self._sampling = sampling

    def __getitem__(self, name: str) -> Micrograph:
        """Read an image."""
        return read_micrograph(self._paths[name], sampling=self._sampling)

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def audit_files(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    *,
    sampling: float | None = None,
    label_unit: str | None = None,
    weights: str | Path | None = "atom-net",
    device: str = "cpu",
    quiet: bool = True,
) -> Audit:
    """Say whether tables of labels fit their images, or where else they fit: :func:`audit_labels` of files.

    Parameters
    ----------
    images, labels
        Image files and tables, or folders of them, paired by name as :func:`stemforge.corpus.ingest.ingest_images`
        does. Images without a table are places where rows may belong, too.
    sampling
        Pixel size [Å] that overrides the files' calibration.
    label_unit
        Unit of the labels where their tables name none; by default pixels, and another one is a fault that is found.
    weights, device, quiet
        As for :func:`audit_labels`.

    Raises
    ------
    InputError
        A file that cannot be read, or a table without image.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.micrograph.writers import write_tiff
    >>> rng, (y, x) = np.random.default_rng(0), np.mgrid[:96, :96]
    >>> atoms, image = rng.uniform(8, 88, (20, 2)), rng.normal(0, 0.2, (96, 96))
    >>> write_tiff("a.tif", image + sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 18) for a, b in atoms))
    >>> Annotations(atoms[:, ::-1]).to_csv("a.csv")  # x and y exchanged
    >>> audit_files(["a.tif"], ["a.csv"], weights=None).lines()[0]
    'a: the labels are transposed (x and y swapped)'
    """
    pairs, alone = pair_files(images, labels, unlabelled=True)
    pictures = Images(sorted([*alone, *(picture for picture, _ in pairs)]), sampling)
    points, tables = {}, {}
    for picture, table in pairs:
        size = pictures[picture.stem].sampling
        points[picture.stem] = Annotations.from_csv(table, sampling=size, label_unit=label_unit)
        tables[picture.stem] = table.stem
    return audit_labels(pictures, points, tables=tables, weights=weights, device=device, quiet=quiet)
