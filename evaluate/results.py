"""Files that commands write scores to: checked before any work, and named when they are written."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stemforge.console import show
from stemforge.errors import InputError
from stemforge.outputs.places import PICTURES, check_file


def check_results(results: Mapping[str, Path | None], inputs: Sequence[Path] = ()) -> None:
    """Refuse, before any work, result files that cannot be written or would replace what is scored.

    Parameters
    ----------
    results
        Files by the option that names them, such as ``--json``; None where none is asked for.
    inputs
        Folders of tables that are scored.

    Raises
    ------
    InputError
        The first file that cannot be.

    Examples
    --------
    >>> check_results({"--json": Path("scores.json"), "--figure": None})
    >>> check_results({"--json": Path("scores.csv")})
    Traceback (most recent call last):
    stemforge.errors.InputError: --json scores.csv: must end in .json, not '.csv'
    """
    for option, path in results.items():
        if path is None:
            continue
        check_file(path, option, {"--json": (".json",), "--csv": (".csv",)}.get(option, PICTURES))
        # What `stemforge infer` and a corpus keep beside their tables.
        table = path.suffix.lower() == ".csv" or path.name in {"run.json", "recipe.yaml"}
        if table and path.resolve().parent in {folder.resolve() for folder in inputs}:
            raise InputError(f"{option} {path}: lies among the tables that are scored; choose another folder")


def write_result(path: Path | None, write: Callable[[Path], object]) -> None:
    """Write a result file, and say whether it replaced one; nothing without a path."""
    if path is not None:
        verb = "replaced" if path.exists() else "wrote"
        write(path)
        show(f"{verb} {path}")
