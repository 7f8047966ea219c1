"""What all supports of a recipe have."""

import warnings

import numpy as np
from ase import Atoms

from stemforge.console import say
from stemforge.errors import InputError, StructureWarning
from stemforge.settings import Settings
from stemforge.simulate.scan import Scan


class SupportSettings(Settings):
    """Base of all supports.

    Parameters
    ----------
    kind
        Which support it is.
    """

    kind: str

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of ``size`` (x, y) [Å]."""
        raise NotImplementedError

    def piece(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms | None:
        """Build a small part on which engine and energy are judged before any work; None where nobody need."""
        return None

    def check(self, scan: Scan) -> None:
        """Refuse, before any work, files that cannot be read or that do not fill the raster."""

    def trial(self, size: tuple[float, float]) -> Atoms:
        """Build the support once and print what a user should know of it; an InputError names the support."""
        rng = np.random.default_rng(0)
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always", StructureWarning)
            try:
                atoms = self.draw(rng).build(size, rng)
            except InputError as error:
                raise type(error)(f"support: {error}") from error
            except (OSError, TypeError, ValueError) as error:
                raise InputError(f"support: {error}") from error
        for remark in remarks:
            if issubclass(remark.category, StructureWarning):
                say(f"support: {remark.message}")
        return atoms
