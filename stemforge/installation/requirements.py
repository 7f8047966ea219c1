"""What stemforge requires and what it can use, as its installed metadata say it."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

FEATURES = {
    "app": "the page in the browser: stemforge app, shortcut",
    "cluster": "simulate on a cluster's job queue",
    "components": "baselines pca and ica of stemforge sweep",
    "onnx": "networks for other programs",
    "relax": "relax candidates: stemforge structures candidates",
    "track": "stemforge track, and movies",
}
"""What extras are for; which extras there are the metadata say. Others are for work on stemforge itself."""


@dataclass(frozen=True)
class Package:
    """A package that stemforge requires.

    Parameters
    ----------
    name
        Its name.
    required
        Versions that are good, such as ``>=2.0``; empty for any.
    version
        The one that is installed; None for none.
    """

    name: str
    required: str
    version: str | None

    @property
    def problem(self) -> str:
        """What is wrong with it; empty for nothing."""
        if self.version is None:
            return f"{self.name} is not installed"
        if not Requirement(self.name + self.required).specifier.contains(self.version, prereleases=True):
            return f"{self.name} {self.version} is installed, needed is {self.required}"
        return ""


@dataclass(frozen=True)
class Extra:
    """An optional feature.

    Parameters
    ----------
    name
        As in ``stemforge[name]``.
    purpose
        What it is for.
    packages
        What it requires.
    """

    name: str
    purpose: str
    packages: tuple[Package, ...]

    @property
    def missing(self) -> tuple[Package, ...]:
        """Packages that are missing or of another version."""
        return tuple(one for one in self.packages if one.problem)

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f'pip install "stemforge[{self.name}]"'


def required_packages(distribution: str = "stemforge") -> tuple[Package, ...]:
    """Return the packages that are always required."""
    return tuple(_packages(distribution, ""))


def extras(distribution: str = "stemforge") -> tuple[Extra, ...]:
    """Return the optional features, and what each requires beyond what is always required.

    Examples
    --------
    >>> [one.install for one in extras() if one.name == "track"]
    ['pip install "stemforge[track]"']
    """
    always = {one.name for one in required_packages(distribution)}
    found = []
    for name in metadata(distribution).get_all("Provides-Extra") or ():
        packages = {one.name: one for one in _packages(distribution, name) if one.name not in always}
        found.append(Extra(name, FEATURES.get(name, "work on stemforge itself"), tuple(packages.values())))
    return tuple(sorted(found, key=lambda one: (one.name not in FEATURES, one.name)))


def _packages(distribution: str, extra: str) -> Iterator[Package]:
    for line in requires(distribution) or ():
        one = Requirement(line)
        if one.marker is not None and not one.marker.evaluate({"extra": extra}):
            continue
        if one.name == distribution:  # an extra that takes others in
            for other in one.extras:
                yield from _packages(distribution, other)
        else:
            yield Package(one.name, str(one.specifier), installed_version(one.name))


def installed_version(name: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
