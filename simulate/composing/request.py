"""What a user knows of specimen and microscope, before there is a recipe."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from ase.data import atomic_numbers
from pydantic import BeforeValidator, model_validator

from stemforge.settings import Settings


def _numbers(value: Any) -> Any:
    """Read "60,200" as two numbers; leave everything else to the field's own check."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        return parts[0] if len(parts) == 1 else parts
    return value


Span = Annotated[float | tuple[float, float], BeforeValidator(_numbers)]
"""A number that is known, or the lowest and highest that it can be: ``0.3``, ``(0.1, 0.5)`` or ``"0.1,0.5"``."""
Pair = Annotated[tuple[float, float], BeforeValidator(_numbers)]
"""Two numbers: ``(60, 200)`` or ``"60,200"``."""

Placement = Literal["surface", "volume", "hollow", "bridge", "top", "step", "substitutional"]


class RecipeRequest(Settings):
    """What is known of specimen and microscope; None stands for what is not known.

    Parameters
    ----------
    support
        ``carbon``, ``carbon-particle``, ``c3n4``; a layered material (``graphene``, ``hbn``, ``mos2``, ``ws2``; of
        several layers ``graphene:3``); a crystal with the face that the beam enters (``mgo:001``, ``ceo2:111``,
        ``slab.cif:110``); or a structure file that is taken as it is (``slab.xyz``).
    element
        Of the single atoms; None for a specimen without.
    density
        Single atoms per area [1/nm²].
    placement
        Where they are; None leaves it to the kind of support.
    particles
        Nanoparticles: element and diameter [Å], such as ``Au:20,60``.
    defects
        Point defects, each as kind, element and density [1/nm²]: ``vacancy:S:0.2``, ``interstitial:N:0.1``,
        ``substitution:Mo>W:0.05``.
    thickness
        Of the support along the beam [Å].
    energy
        Beam energy [eV].
    semiangle
        Convergence semiangle [mrad].
    detector
        Inner and outer angle of the annular detector [mrad].
    sampling
        Pixel size [Å].
    dose
        Incident electrons per area [e/Å²].
    source_size
        Full width at half maximum of the effective source [Å].
    shape
        Height and width of the images [pixel].
    num
        Images in a corpus.

    Examples
    --------
    >>> RecipeRequest(support="mgo:001", element="Ir", dose="1e4,5e4").dose
    (10000.0, 50000.0)
    """

    support: str
    element: str | None = None
    density: Span | None = None
    placement: Placement | None = None
    particles: str | None = None
    defects: tuple[str, ...] = ()
    thickness: Span | None = None
    energy: float | None = None
    semiangle: Span | None = None
    detector: Pair | None = None
    sampling: float | None = None
    dose: Span | None = None
    source_size: Span | None = None
    shape: tuple[int, int] = (512, 512)
    num: int = 200

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.element is not None and (self.element not in atomic_numbers or self.element == "X"):
            raise ValueError(f"element must be a chemical symbol such as Pt, got '{self.element}'")
        if self.element is None and (self.density is not None or self.placement is not None):
            raise ValueError("density and placement are of single atoms: give element, too")
        for name in ("density", "thickness", "energy", "semiangle", "sampling", "dose"):
            _require_positive(name, getattr(self, name))
        return self

    @property
    def name(self) -> str:
        """A short name for the recipe: atoms, then particles, then support."""
        support = self.support.rsplit("/", 1)[-1].split(":")[0].split(".")[0]
        particles = self.particles and self.particles.split(":")[0] + "-particles"
        return "-".join(part.lower() for part in (self.element, particles, support) if part)


def _require_positive(name: str, value: Span | None) -> None:
    numbers: Sequence[float] = value if isinstance(value, tuple) else () if value is None else (value,)
    if any(number <= 0 for number in numbers):
        raise ValueError(f"{name} must be positive, got {value}")
    if isinstance(value, tuple) and value[0] > value[1]:
        raise ValueError(f"{name} must be given as lowest,highest, got {value[0]:g},{value[1]:g}")
