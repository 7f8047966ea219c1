"""The recipe of Faster R-CNN."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stemforge.train.data.dosed import DosedRecipe
from stemforge.train.faster_rcnn.settings import FasterRCNNSettings
from stemforge.train.networks import NETWORKS


class FasterRCNNRecipe(DosedRecipe):
    """Everything that decides a Faster R-CNN training run.

    Parameters
    ----------
    crop
        Side of the square crops shown [pixel of the corpus].
    per_image
        Crops taken from each image.
    box_share
        A molecule that the crop cuts counts from this share of its box on.
    boxes
        What a box is: ``"van-der-waals"``, round the spheres of the heavy atoms, or a distance round their centres [Å];
        see :class:`~stemforge.simulate.BoxDefinition`.
    one_class
        Call everything a molecule, as published; otherwise the classes are the corpora's molecules.
    zoom
        Pixels shown along a pixel of the corpus: with 2 the detector sees the restored image as it is, with 1
        it is resampled to the corpus' pixels, four times cheaper.
    restorer
        Weights of a network that restores every image before the detector sees it: a file, or the name of weights that
        come with stemforge; null shows images as they are.
    network
        Sizes; its ``classes`` are set from the corpora.

    Examples
    --------
    >>> recipe = FasterRCNNRecipe(boxes=0.5, network=FasterRCNNSettings(classes=("pyridine",)))
    >>> recipe.boxes, recipe.zoom, recipe.network.classes
    (0.5, 1, ('pyridine',))
    >>> FasterRCNNRecipe.from_mapping({"zoom": 3})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: 'zoom': must be 1 or 2 (got 3)
    """

    NETWORK: ClassVar[str] = "faster-rcnn"
    SHIPPED: ClassVar[tuple[str, ...]] = NETWORKS[NETWORK].recipes

    crop: Annotated[int, Field(ge=32, le=4096)] = 256
    per_image: Annotated[int, Field(ge=1)] = 2
    box_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    boxes: Literal["van-der-waals"] | Annotated[float, Field(ge=0, le=20)] = "van-der-waals"
    one_class: bool = False
    zoom: Literal[1, 2] = 1
    restorer: str | None = None
    network: FasterRCNNSettings = FasterRCNNSettings()
