"""The engine that is chosen by the error that is allowed, and the union of all engines."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from ase import Atoms
from pydantic import Discriminator, Field, Tag

from stemforge.errors import InputError
from stemforge.simulate.engines.common import EngineSettings, Image, Rng
from stemforge.simulate.engines.kernels import Kernels
from stemforge.simulate.engines.multislice import AbtemEngine, Multislice
from stemforge.simulate.engines.prism import Prism
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

# On a segmented detector: potential sampling as a share of the coarsest that carries its outer angle, and slice
# thickness [Å], from the cheapest to the best.
_LADDER = ((0.95, 8.0), (0.95, 4.0), (0.8, 4.0), (0.65, 4.0), (0.65, 2.0), (0.5, 2.0), (0.5, 1.0))

E = TypeVar("E", bound=EngineSettings)


class Auto(AbtemEngine):
    """The cheapest engine whose error is within a bound; see :func:`stemforge.simulate.choose_engine`.

    With annular detectors it stands for kernels, PRISM or multislice, which have the numerical settings given here.
    With a segmented detector it stands for PRISM; ``sampling`` and ``slice_thickness`` are found for the bound.

    Parameters
    ----------
    max_error
        Error that is allowed: root mean square, as a share of the image's standard deviation.
    depth_step
        Of ``kernels``: distance of the planes near focus on which the probe is computed [Å].
    broadening
        Of ``kernels``: spread and attenuate the probe by elastic scattering.

    Examples
    --------
    >>> auto = Auto(max_error=0.05)
    >>> auto.reference(Microscope()).title
    'multislice'
    >>> auto.image(Atoms("Pt"), Microscope(), Scan(), focus=0.0)
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: engine.name: auto stands for another engine; choose_engine(recipe) finds which
    """

    name: Literal["auto"] = "auto"
    max_error: Annotated[float, Field(gt=0, lt=1)]
    depth_step: Annotated[float, Field(gt=0)] = Kernels.model_fields["depth_step"].default
    broadening: bool = True

    def check(self, microscope: Microscope, scan: Scan) -> None:
        """Refuse what the engines that it may stand for cannot do."""
        self._as(Prism).check(microscope, scan)

    def image(self, atoms: Atoms, microscope: Microscope, scan: Scan, focus: float, rng: Rng = None) -> Image:
        """Refuse: an engine must be chosen first."""
        raise InputError("engine.name: auto stands for another engine; choose_engine(recipe) finds which")

    def reference(self, microscope: Microscope) -> EngineSettings:
        """Return what the candidates are compared with."""
        return self._as(Prism).reference(microscope)

    def candidates(self, microscope: Microscope) -> list["Engine"]:
        """Return the engines that it may stand for, the cheapest first.

        What is not left to choice on a segmented detector costs no accuracy: PRISM without interpolation on a
        periodic cell, probe positions at the Nyquist distance λ/4α and the Fourier series between them, equal tiles
        imaged once. What is left is how finely the potential is sampled, in the plane and along the beam.

        Examples
        --------
        >>> [one.title for one in Auto(max_error=0.1).candidates(Microscope())]
        ['kernels', 'prism (interpolation 2)', 'prism', 'multislice']
        """
        prism = self._as(Prism)
        if microscope.detectors.segmented:
            largest = microscope.coarsest_sampling
            return [
                prism.replace(sampling=round(share * largest, 6), slice_thickness=thickness)
                for share, thickness in _LADDER
            ]
        return [self._as(Kernels), prism.replace(interpolation=2), prism, self._as(Multislice)]

    def _as(self, kind: type[E]) -> E:
        """Return an engine of another kind with what the settings of both share."""
        return kind(**self.model_dump(include=set(kind.model_fields) - {"name"}))


def _name(value: Any) -> str:
    """Tell engines by their name; without one it is ``kernels``."""
    name = value.get("name", "kernels") if isinstance(value, Mapping) else getattr(value, "name", None)
    return name if isinstance(name, str) else "unknown"


Engine = Annotated[
    Annotated[Kernels, Tag("kernels")]
    | Annotated[Prism, Tag("prism")]
    | Annotated[Multislice, Tag("multislice")]
    | Annotated[Auto, Tag("auto")],
    Discriminator(
        _name,
        custom_error_type="engine",
        custom_error_message="name must be kernels, prism, multislice or auto (with max_error, the error that is "
        "allowed, such as 0.2)",
    ),
]
"""How images are computed."""
