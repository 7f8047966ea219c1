"""Single atoms on a support."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pydantic import model_validator

from stemforge.settings import ADDED_LATER, Fraction, NonNegative, Settings
from stemforge.structures import SUPPORT, scatter_single_atoms
from stemforge.structures.atoms.sites import SITE_PLACEMENTS, scatter_at_sites
from stemforge.structures.tags import SITE_ARRAY, Site


class SingleAtoms(Settings):
    """Atoms scattered on a support; fields as in :func:`stemforge.structures.scatter_single_atoms`.

    Parameters
    ----------
    placement
        ``surface`` or ``volume``, at random; or sites of the support's atoms, ``top``, ``bridge``, ``hollow``, ``step``
        and ``substitutional``: see :func:`stemforge.structures.atoms.sites.surface_sites`. Clusters and ligands are for
        the first two.
    replaces
        Element of the support in whose place substitutional atoms are.
    depth_range
        Their least and greatest depth below the nearer surface [Å]; by default anywhere. ``[0, 0.5]`` is the outermost
        layer of both surfaces.
    """

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = (scatter_single_atoms,)

    element: str
    areal_density: NonNegative = 0.3
    min_distance: NonNegative = 5.0
    placement: Literal["surface", "volume", "top", "bridge", "hollow", "step", "substitutional"] = "surface"
    cluster_fraction: Fraction = 0.0
    cluster_size: tuple[int, int] = (2, 4)
    ligand: Literal["Cl", "OH"] | None = None
    ligand_fraction: Fraction = 1.0
    impurity: bool = False
    replaces: Annotated[str | None, ADDED_LATER] = None
    depth_range: Annotated[tuple[float, float] | None, ADDED_LATER] = None

    @model_validator(mode="after")
    def _element_exists(self) -> Self:
        if self.element not in atomic_numbers or self.element == "X":
            raise ValueError(f"no such element: '{self.element}'")
        return self

    @model_validator(mode="after")
    def _placement_can(self) -> Self:
        """Refuse what a placement cannot do."""
        if self.placement in SITE_PLACEMENTS:
            lone = self.cluster_fraction == 0 and self.ligand is None
            if not lone:
                raise ValueError(
                    f"placement {self.placement} puts bare single atoms; clusters and ligands need surface or volume"
                )
        substitutes = self.placement == "substitutional"
        if substitutes != (self.replaces is not None):
            raise ValueError("placement substitutional and replaces, an element of the support, go together")
        if self.replaces is not None and (self.replaces not in atomic_numbers or self.replaces == "X"):
            raise ValueError(f"no such element: '{self.replaces}'")
        if self.depth_range is not None:
            if not substitutes:
                raise ValueError("depth_range is for placement substitutional")
            if not 0 <= self.depth_range[0] < self.depth_range[1]:
                raise ValueError("depth_range must be two depths in Å, the least first")
        return self

    def scatter_on(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        """Add the atoms to a support; the array ``site_kind`` says where each sits."""
        if self.placement in SITE_PLACEMENTS:
            return scatter_at_sites(
                atoms,
                self.element,
                self.placement,
                areal_density=self.areal_density,
                min_distance=self.min_distance,
                replaces=self.replaces,
                depth_range=self.depth_range,
                impurity=self.impurity,
                rng=rng,
            )
        values = self.model_dump(exclude={"element", "replaces", "depth_range"})
        earlier = int((atoms.get_tags() != SUPPORT).sum())
        scattered = scatter_single_atoms(atoms, self.element, **values, rng=rng)
        sites = scattered.arrays.get(SITE_ARRAY, np.zeros(len(scattered), dtype=int)).copy()
        # The new ones come last.
        sites[np.flatnonzero(scattered.get_tags() != SUPPORT)[earlier:]] = Site[self.placement.upper()]
        scattered.set_array(SITE_ARRAY, sites)
        return scattered
