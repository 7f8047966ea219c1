"""The command ``stemforge doctor``."""

from stemforge.console import show, status
from stemforge.files import write_json
from stemforge.installation.report import Installation, examine
from stemforge.options import JsonFile
from stemforge.outputs.places import check_file

# Those that decide results or break most often; --json has all.
_SHOWN = (
    "numpy",
    "scipy",
    "h5py",
    "numba",
    "ase",
    "abtem",
    "torch",
    "torchvision",
    "lightning",
    "rosettasciio",
)


def doctor(*, report: JsonFile = JsonFile()) -> int:
    """Say what this installation can do here, what is missing for which feature, and what is broken.

    Exits with 0 if everything that stemforge needs works, with 1 if something is broken.
    """
    if report.json is not None:
        check_file(report.json, "--json", [".json"])
    with status("looking at packages, devices and weights …"):
        found = examine()
    for line in _lines(found):
        show(line)
    if report.json is not None:
        write_json(report.json, found.to_mapping())
    return 1 if found.problems else 0


def _lines(found: Installation) -> list[str]:
    versions = {one.name: one.version or "missing" for one in found.packages}
    packages = ", ".join(f"{name} {versions[name]}" for name in _SHOWN if name in versions)
    disks = "; ".join(f"{name} folder {_size(free)} free" for name, free in found.disks.items())
    weights = ", ".join(f"{name} {fault or 'intact'}" for name, fault in found.weights.items())
    lines = [
        f"stemforge {found.version}, Python {found.python}, {found.system}",
        f"packages  {packages}",
        f"cores     {found.cores} usable; {_threads(found)}",
        f"memory    {_size(found.memory['total'])}, {_size(found.memory['available'])} free",
        f"disk      {disks}",
        f"cache     {found.cache or 'none'}",
        f"GPU       {_devices(found)}",
        f"weights   {weights}",
        "features",
    ]
    for one in found.extras:
        missing = f"missing {', '.join(package.name for package in one.missing)}: {one.install}"
        lines.append(f"  {one.name:<12}{one.purpose}: {missing if one.missing else 'installed'}")
    lines += [f"remark    {text}" for text in found.remarks]
    lines += [f"problem   {text}" for text in found.problems]
    return lines if found.problems else [*lines, "everything that stemforge needs works"]


def _threads(found: Installation) -> str:
    torch = f"torch uses {found.torch['threads']} threads" if found.torch else "torch is not known"
    return "; ".join([torch, *(f"{name}={value}" for name, value in found.limits.items())])


def _devices(found: Installation) -> str:
    if found.torch is None:
        return "not known, torch cannot be imported"
    sizes = []
    for one in found.torch["devices"]:
        size = f", {_size(one['memory'])}" if one["memory"] else ""
        sizes.append(f"{one['name']} ({one['model']}{size})")
    engines = f"CuPy {found.cupy}" if found.cupy else "no CuPy, which engines of abTEM need on a GPU"
    return f"{', '.join(sizes)}; {engines}" if sizes else "none, networks and engines run on the processor"


def _size(number: float | None) -> str:
    return "not known" if number is None else f"{number / 1e9:.1f} GB"
