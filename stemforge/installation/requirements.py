"""What stemforge requires and what it can use, as its installed metadata say it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution as installed, metadata, requires, version
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import Requirement

FEATURES = {
    "app": "the page in the browser: stemforge app, shortcut",
    "bioimage": "packages for bioimage.io, tested",
    "cluster": "simulate on a cluster's job queue",
    "components": "baselines pca and ica of stemforge sweep",
    "napari": "results and corpora in napari, and a panel that finds atoms",
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
        return install_command(self.name)


def install_command(extra: str = "", distribution: str = "stemforge") -> str:
    """Return the command that adds an extra, or what is missing, to this installation, in whatever folder it is run.

    pip takes the stemforge that is installed, wherever that came from, and adds what the extra requires. uv looks for
    stemforge anew, so it is given the folder or address that it was installed from (PEP 610); and environments that uv
    makes have no pip.

    Parameters
    ----------
    extra
        The extra; empty for none.
    distribution
        What is installed.

    Examples
    --------
    >>> install_command("track")
    'pip install "stemforge[track]"'
    """
    wanted = f"[{extra}]" if extra else ""
    try:
        found = installed(distribution)
    except PackageNotFoundError:
        return f'pip install "{distribution}{wanted}"'
    if (found.read_text("INSTALLER") or "").strip() != "uv":
        return f'pip install "{distribution}{wanted}"'
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if "url" not in origin:
        return f'uv pip install "{distribution}{wanted}"'
    if "dir_info" not in origin:
        return f'uv pip install "{distribution}{wanted} @ {_address(origin)}"'
    editable = "-e " if origin["dir_info"].get("editable") else ""
    return f'uv pip install {editable}"{url2pathname(urlsplit(origin["url"]).path)}{wanted}"'


def _address(origin: Mapping[str, Any]) -> str:
    """Return the address of an archive or repository as pip and uv read it."""
    control = origin.get("vcs_info")
    if control is None:
        return str(origin["url"])
    return f"{control['vcs']}+{origin['url']}@{control['commit_id']}"


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
