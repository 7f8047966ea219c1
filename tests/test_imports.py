"""The house's rules about imports, text and unsafe loading, read off the files that git knows."""

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Data flows left to right, and so do imports.
ORDER = ("stemforge", "structures", "simulate", "train", "infer", "evaluate", "adapt", "app")


def git_files():
    """Files that are tracked, or would be with `git add .`; every file where there is no repository."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in sorted(set(result.stdout.splitlines())) if (ROOT / line).is_file()]


FILES = git_files()
MODULES = [p for p in FILES if p.suffix == ".py" and p.parts[0] in ORDER]
SOURCES = [p for p in FILES if p.suffix == ".py"]


@cache
def tree(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def imported(module):
    """Yield (line, dotted name) of every import, wherever in the file it stands."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            elif node.module == "stemforge":
                # `from stemforge import simulate` imports the room.
                yield from ((node.lineno, f"stemforge.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def room(name):
    parts = name.split(".")
    if parts[0] != "stemforge":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in ORDER[1:] else "stemforge"


def test_there_is_something_to_check():
    assert {p.parts[0] for p in MODULES} == set(ORDER)


def wrong_way(path, module):
    allowed = ORDER[: ORDER.index(path.parts[0]) + 1]
    return [f"{path}:{line} {name}" for line, name in imported(module) if room(name) not in (None, *allowed)]


def test_imports_flow_one_way():
    assert [fault for path in MODULES for fault in wrong_way(path, tree(path))] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("stemforge/micrograph/readers.py", "def f():\n    from stemforge.simulate import degrade"),
        ("stemforge/micrograph/readers.py", "from stemforge import train"),
        ("structures/supports/carbon.py", "import stemforge.simulate.scan"),
        ("train/data.py", "from stemforge.infer import tiles"),
        ("infer/atoms/detection.py", "from stemforge.evaluate.atoms.scores import f1"),
    ],
)
def test_an_import_the_wrong_way_would_be_found(path, text):
    assert len(wrong_way(Path(path), ast.parse(text))) == 1


def test_rooms_are_named_upward_by_string_in_the_front_door_alone():
    rooms = tuple(f"stemforge.{name}" for name in ORDER[1:])
    found = set()
    for path in MODULES:
        if path.parts[0] != "stemforge":
            continue
        for node in ast.walk(tree(path)):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and ":" in value and value.startswith(rooms):
                found.add(path.name)
    assert found == {"__main__.py"}


def test_imports_are_absolute_and_by_the_full_name():
    faults = [
        f"{path}:{line} {name}"
        for path in SOURCES
        for line, name in imported(tree(path))
        if name.startswith(".") or name.split(".")[0] in ORDER[1:]
    ]
    assert faults == []


@pytest.mark.parametrize("folder", ORDER)
def test_public_names(folder):
    stub = ast.parse((ROOT / folder / "__init__.pyi").read_text(encoding="utf-8"))
    aliases = [alias for n in stub.body if isinstance(n, ast.ImportFrom) for alias in n.names]
    # Without the second name, type checkers take an import in a stub for the stub's own.
    assert all(alias.asname == alias.name for alias in aliases)
    names = [alias.name for alias in aliases]
    assert names
    assert len(set(names)) == len(names)
    module = importlib.import_module("stemforge" if folder == "stemforge" else f"stemforge.{folder}")
    for name in names:
        assert getattr(module, name) is not None


def test_commands_named_by_string_exist():
    for node in ast.walk(tree(Path("stemforge/__main__.py"))):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith("stemforge.")
        ):
            module, _, function = node.value.partition(":")
            assert callable(getattr(importlib.import_module(module), function)), node.value


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_the_front_door_is_light(arguments):
    code = (
        "import sys\nfrom stemforge.__main__ import main\n"
        f"code = main({arguments!r})\n"
        "heavy = {'torch', 'abtem', 'matplotlib', 'ase', 'dask', 'numba', 'lightning', 'scipy', 'skimage'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), code)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.splitlines()[-1] == "HEAVY [] 0"


@pytest.mark.parametrize(
    ("work", "unused"),
    [
        (
            "from stemforge.infer import detect_atoms; from stemforge.train import load_weights; "
            "load_weights('atom-net')",
            {"torchvision", "torch._dynamo", "abtem", "ase", "dask", "lightning"},
        ),
        (
            # Another process draws: it imports matplotlib while the command imports torch.
            "from stemforge.infer import detect_atoms_in_files",
            {"matplotlib", "torchvision", "torch._dynamo", "abtem", "ase", "dask", "lightning"},
        ),
        (
            "from stemforge.simulate import SimulationRecipe; SimulationRecipe.load('pt-nc')",
            {"torch", "abtem", "dask", "lightning"},
        ),
        (
            "from stemforge.__main__ import main; main(['recipe', 'explain', 'learning_rate'])",
            {"torch", "torchvision", "abtem", "dask", "lightning"},
        ),
    ],
    ids=["finding atoms", "finding atoms in files", "reading a recipe", "explaining a field"],
)
def test_what_is_not_used_is_not_loaded(work, unused):
    code = f"import sys\n{work}\nprint('UNUSED', sorted({unused!r} & set(sys.modules)))\n"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.splitlines()[-1] == "UNUSED []"


def texts():
    for path in FILES:
        try:
            yield path, (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_package_registry():
    # Put together here, so that this file does not name them itself.
    hosts = ["py" + "pi.org", "python" + "hosted.org", "pypi" + ".python.org", "conda." + "anaconda.org"]
    hosts += [
        "registry.npm" + "js.org",
        "proxy." + "golang.org",
        "download.py" + "torch.org",
        "crates" + ".io",
    ]
    assert [f"{path}: {host}" for path, text in texts() for host in hosts if host in text] == []


PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}


def dotted(node):
    """Return a name with its attributes as it is written; what is no name before them is left out."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([*parts, node.id if isinstance(node, ast.Name) else ""][::-1])


def unsafe(module):
    """Yield the line and nature of every call that could run code found in a data file."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [dotted(node)]
        else:
            names = []
        for name in names:
            # The module alone may be imported, for the name of its error.
            if name not in {"pickle", "pickle.UnpicklingError"} and name.split(".")[0] in PICKLES:
                yield node.lineno, name
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        options = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called.endswith("torch.load") and options.get("weights_only") != "True":
            yield node.lineno, "torch.load without weights_only=True"
        if called.endswith("load_from_checkpoint") and options.get("weights_only") != "True":
            yield node.lineno, "load_from_checkpoint without weights_only=True"
        if called in {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"}:
            yield node.lineno, called
        if called in {"np.load", "numpy.load"} and options.get("allow_pickle", "False") != "False":
            yield node.lineno, "np.load with allow_pickle"
        if called in {"eval", "exec", "os.system", "joblib.load", "pd.read_pickle"}:
            yield node.lineno, called


def test_nothing_runs_code_from_data_files():
    faults = [f"{p}:{line} {what}" for p in MODULES for line, what in unsafe(tree(p))]
    assert faults == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.loads(text)",
        "import dill",
        "from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader=yaml.Loader)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
    ],
)
def test_unsafe_loading_would_be_found(text):
    assert len(list(unsafe(ast.parse(text)))) >= 1
