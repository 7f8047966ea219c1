"""The supports that a recipe may name."""

from typing import Annotated

from pydantic import Field

from stemforge.simulate.specimen.crystal import CrystalSlab
from stemforge.simulate.specimen.films import AmorphousCarbon, CarbonNitride, CarbonParticle
from stemforge.simulate.specimen.layers import Layers
from stemforge.simulate.specimen.structure_file import StructureFile
from stemforge.simulate.specimen.zeolite import Zeolite

Support = Annotated[
    AmorphousCarbon | CarbonParticle | CarbonNitride | CrystalSlab | Layers | StructureFile | Zeolite,
    Field(discriminator="kind"),
]
