"""Which image files are meant: those that are named, those of a pattern such as ``*.tif``, and those in a folder."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from stemforge.errors import InputError
from stemforge.micrograph.reading.formats import FORMATS
from stemforge.outputs.record import recorded_results


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """Return the image files that paths name: files, folders of them, or patterns that no shell has resolved.

    Parameters
    ----------
    paths
        Files are taken as they are, also where they do not exist: who reads them says so.

    Returns
    -------
    list of Path
        Images of a folder or pattern in the order of their names.

    Raises
    ------
    InputError
        A folder without images.

    Examples
    --------
    >>> for name in ("b.tif", "a.dm4", "notes.txt"):
    ...     Path(name).touch()
    >>> [path.name for path in find_images(["."])], find_images(["*.tif"]), find_images(["none.tif"])
    (['a.dm4', 'b.tif'], [PosixPath('b.tif')], [PosixPath('none.tif')])
    """
    found: list[Path] = []
    for path in map(Path, paths):
        # The command prompt of Windows leaves patterns to programs.
        matching = [] if path.exists() else sorted(path.parent.glob(path.name))
        named = [one for one in matching if not one.name.startswith(".")] or [path]
        for one in named:
            if not one.is_dir():
                found.append(one)
                continue
            images = folder_images(one)
            if not images:
                results = " but results of stemforge; give them one by one" if recorded_results(one) else ""
                raise InputError(
                    f"{one}: holds no image{results} (file names ending in {', '.join(FORMATS)})"
                )
            found += images
    return found


def folder_images(folder: Path) -> list[Path]:
    """Return the image files in a folder in the order of their names, not those in folders below.

    Results of stemforge that lie beside them, such as overlays, are left out by what ``run.json`` says.
    """
    names = [path.name for path in folder.iterdir() if not path.is_dir()]
    results = recorded_results(folder)
    return [folder / name for name in image_names(names) if name not in results]


def image_names(names: Iterable[str]) -> list[str]:
    """Return those of a folder's file names that are of images, in order.

    Hidden files are none, nor is a .ser file whose .emi is there: that one is read through the other.

    Examples
    --------
    >>> image_names(["y_1.ser", "y.emi", "z_1.ser", ".b.tif", "a.TIF", "a.csv"])
    ['a.TIF', 'y.emi', 'z_1.ser']
    """
    listed = sorted(names)
    emi = {name[:-4] for name in listed if name.lower().endswith(".emi")}
    return [
        name
        for name in listed
        if not name.startswith(".")
        and Path(name).suffix.lower() in FORMATS
        and not (name.lower().endswith(".ser") and name[:-4].rpartition("_")[0] in emi)
    ]
