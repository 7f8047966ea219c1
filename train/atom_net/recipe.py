"""The recipe of AtomNet."""

from typing import Annotated, ClassVar

from pydantic import Field

from stemforge.train.atom_net.settings import AtomNetSettings
from stemforge.train.data.augment import Augmentation
from stemforge.train.networks import NETWORKS
from stemforge.train.recipe import Doses, TrainingRecipe, Visible


class AtomNetRecipe(TrainingRecipe):
    """Everything that decides an AtomNet training run.

    Parameters
    ----------
    visible
        Which atoms count.
    crop
        Side of the square crops shown [pixel].
    per_image
        Crops cut from each image an epoch.
    doses
        Simulated images are exposed to a dose drawn log-uniformly between these [e/Å²]; by default as their corpus'
        recipe says. A network that has seen more doses is better at those, and no worse at the corpus' own.
    offset_weight
        Loss = cross-entropy of the heat map + ``offset_weight`` · negative log-likelihood of the offsets.
    augmentation
        How much training images are varied; brightness and contrast do not apply, as images are standardised.
    network
        Sizes.

    Examples
    --------
    >>> AtomNetRecipe.shipped().visible.min_cnr
    4.0
    """

    NETWORK: ClassVar[str] = "atom-net"
    SHIPPED: ClassVar[tuple[str, ...]] = NETWORKS[NETWORK].recipes

    visible: Visible = Visible()
    crop: Annotated[int, Field(ge=32, le=2048)] = 256
    per_image: Annotated[int, Field(ge=1)] = 3
    doses: Doses | None = None
    offset_weight: Annotated[float, Field(ge=0)] = 0.01
    augmentation: Augmentation = Augmentation(rotation="quarter", zoom=(1, 1))
    network: AtomNetSettings = AtomNetSettings()
