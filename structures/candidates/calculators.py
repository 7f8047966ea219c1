"""Calculators of energies and forces, by name."""

from collections.abc import Callable
from typing import Any

from stemforge.errors import InputError
from stemforge.installation.requirements import install_command

__all__ = ["CALCULATORS", "named_calculator"]

CALCULATORS = {"gfn2": "GFN2-xTB", "gfn1": "GFN1-xTB"}
"""Names of calculators, and the methods of tblite behind them."""


def named_calculator(name: str) -> Callable[[], Any] | None:
    """Return what makes an ASE calculator, by its name.

    Parameters
    ----------
    name : str
        ``"gfn2"`` or ``"gfn1"`` (tight binding by tblite), or ``"none"``.

    Returns
    -------
    callable or None
        Makes a new calculator at each call; None for ``"none"``.

    Raises
    ------
    stemforge.errors.InputError
        If the name is unknown, or tblite is not installed.

    Examples
    --------
    >>> from stemforge.structures.candidates.calculators import named_calculator
    >>> named_calculator("none") is None
    True
    """
    if name == "none":
        return None
    if name not in CALCULATORS:
        raise InputError(
            f"calculator must be {', '.join(CALCULATORS)} or none, got {name!r}; from Python any ASE calculator can be "
            "given"
        )
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise InputError(
            f"calculator {name}: needs tblite; install it with: {install_command('relax')}, or give none for guests "
            "that are docked only"
        ) from error
    return lambda: TBLite(method=CALCULATORS[name], verbosity=0)
