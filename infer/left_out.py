"""Saying what of an image shows no specimen, in one remark."""

from stemforge.console import say
from stemforge.errors import MicrographError
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea, usable_area


def tell_left_out(micrograph: Micrograph, area: UsableArea) -> None:
    """Say what share of an image was left out, and why; nothing where all of it was used."""
    if area.reasons:
        say(f"{micrograph.name}: {area} shows no specimen and is left out")


def tell_unusable(micrograph: Micrograph) -> None:
    """Say what share of an image shows no specimen, and why, where it is used all the same."""
    try:
        area = usable_area(micrograph.image)
    except MicrographError as error:
        say(f"{micrograph.name}: {error}")
        return
    if area.reasons:
        say(f"{micrograph.name}: {area} shows no specimen; do not trust what is found there")
