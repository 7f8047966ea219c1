"""Point defects of a support."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pydantic import AfterValidator, Field, model_validator

from stemforge.settings import Fraction, NonNegative, Settings
from stemforge.simulate.specimen.single_atoms import SingleAtoms
from stemforge.structures import add_interstitials, make_vacancies, substitute


def _known(element: str) -> str:
    if element not in atomic_numbers or element == "X":
        raise ValueError(f"no such element: '{element}'")
    return element


Element = Annotated[str, AfterValidator(_known)]
"""A chemical symbol."""


class _AtSites(Settings):
    """Defects that take atoms of the support: which, and how many.

    Parameters
    ----------
    element
        Which atoms of the support are taken; by default all.
    site
        Where they are: ``any``, ``surface``, the topmost or lowest, or ``volume``, all others.
    fraction
        Chance of each such atom to be taken.
    areal_density
        In its place: taken atoms per area that the support covers, on average [1/nm²].
    """

    element: Element | None = None
    site: Literal["any", "surface", "volume"] = "any"
    fraction: Fraction | None = None
    areal_density: NonNegative | None = None

    @model_validator(mode="after")
    def _one_number(self) -> Self:
        if (self.fraction is None) == (self.areal_density is None):
            raise ValueError("needs either fraction (of the sites) or areal_density (per nm²)")
        return self


class Vacancies(_AtSites):
    """Missing atoms; see :func:`stemforge.structures.make_vacancies`.

    They are no labels of a sample, which says what is there:
    :func:`stemforge.simulate.labels.vacancies.with_vacancies` adds them.

    Parameters
    ----------
    kind
        Which defect it is.
    """

    kind: Literal["vacancy"]

    def apply(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        """Make the defects in a structure."""
        return make_vacancies(atoms, **self.model_dump(exclude={"kind"}), rng=rng)


class Substitutions(_AtSites):
    """Foreign atoms in place of the support's; see :func:`stemforge.structures.substitute`.

    Parameters
    ----------
    kind
        Which defect it is.
    """

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = (substitute,)

    kind: Literal["substitution"]
    by: Element
    label: bool = True

    def apply(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        """Make the defects in a structure."""
        return substitute(atoms, **self.model_dump(exclude={"kind"}), rng=rng)


class Interstitials(Settings):
    """Atoms between those of the support; see :func:`stemforge.structures.add_interstitials`.

    Parameters
    ----------
    kind
        Which defect it is.
    areal_density
        Per area that the support covers, on average [1/nm²]; the number is of Poisson's distribution.
    """

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = (add_interstitials,)

    kind: Literal["interstitial"]
    element: Element
    areal_density: NonNegative
    label: bool = True

    def apply(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        """Make the defects in a structure."""
        return add_interstitials(atoms, **self.model_dump(exclude={"kind"}), rng=rng)


class Adatoms(SingleAtoms):
    """Atoms on the support's surface: the same as an entry of ``single_atoms``, listed with the other defects.

    Parameters
    ----------
    kind
        Which defect it is.
    """

    kind: Literal["adatom"]

    def apply(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        """Make the defects in a structure."""
        values = self.model_dump(exclude={"kind"})
        return SingleAtoms(**values).scatter_on(atoms, rng)


Defect = Annotated[Vacancies | Substitutions | Interstitials | Adatoms, Field(discriminator="kind")]
