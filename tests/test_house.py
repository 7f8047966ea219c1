"""The laws of the house beyond the direction of imports: no circles, few files a room, one place for each question."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("stemforge", "structures", "simulate", "train", "infer", "evaluate", "adapt", "app")
# No noun or verb of the field: whoever reads them has to guess.
RIDDLES = {"said", "seen", "there", "own", "apart", "told", "theirs", "ours"}
MOST_FILES = 12


def git_files():
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in sorted(set(result.stdout.splitlines())) if (ROOT / line).is_file()]


FILES = git_files()
MODULES = [path for path in FILES if path.suffix == ".py" and path.parts[0] in ROOMS]
FACES = [path for path in FILES if path.name == "__init__.pyi"]
SOURCES = [path for path in FILES if path.suffix == ".py"]
TREES = {path: ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path)) for path in SOURCES}


def module_name(path):
    parts = path.with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "stemforge" else ("stemforge", *parts))


NAMES = {module_name(path) for path in MODULES}


@cache
def imports(tree, runtime=True):
    """Return the modules of stemforge that a module imports, wherever that stands; not those for type checkers."""
    skipped, found = set(), set()
    for node in ast.walk(tree):
        if runtime and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {id(inner) for part in node.body for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in NAMES else node.module for name in inner}
    return found


@cache
def faces():
    """Return the module that each public name of a folder comes from, by folder and name."""
    found = {}
    for path in FACES:
        base = module_name(path)
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                found |= {(base, alias.name): f"{base}.{node.module}" for alias in node.names}
    return found


@cache
def through_faces(tree):
    """Return the modules that a module imports through folders' faces."""
    named = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    keys = {(node.module, alias.name) for node in named for alias in node.names}
    return {faces()[key] for key in keys if key in faces()}


def graph(trees):
    """Return what each module imports; a folder's face counts for the modules that its names come from."""
    return {
        name: {one for one in through_faces(tree) | imports(tree) if one in NAMES and one != name}
        for name, tree in trees.items()
    }


def shelf(name):
    """Return the shelf of a module, or the module itself where it stands at a room's top level."""
    parts = name.split(".")
    depth = 3 if len(parts) > 1 and parts[1] in ROOMS else 2
    return ".".join(parts[:depth])


def circles(edges):
    """Return the groups of nodes that reach each other (Tarjan 1972)."""
    index, low, stack, on, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on.discard(group[-1])
            if len(group) > 1:
                found.append(sorted(group))

    for node in list(edges):
        if node not in index:
            visit(node)
    return found


def shelved(edges):
    """Return the same graph between shelves; faces of rooms, which hand names on, are no shelves."""
    made = {}
    for name, targets in edges.items():
        made.setdefault(shelf(name), set()).update(shelf(one) for one in targets)
    faces = {"stemforge", *(f"stemforge.{room}" for room in ROOMS)}
    return {
        name: {one for one in targets if one not in (name, *faces)}
        for name, targets in made.items()
        if name not in faces
    }


MODULE_TREES = {module_name(path): TREES[path] for path in MODULES}


def test_no_module_imports_in_a_circle():
    assert circles(graph(MODULE_TREES)) == []


def test_no_shelf_imports_in_a_circle():
    assert circles(shelved(graph(MODULE_TREES))) == []


def test_circles_would_be_found():
    reader, verify = "stemforge.corpus.reader", "stemforge.corpus.verify"
    changed = MODULE_TREES | {
        reader: ast.parse("def f():\n    from stemforge.corpus.verify import verify_corpus")
    }
    changed[verify] = ast.parse("from stemforge.corpus.reader import Corpus")
    assert circles(graph(changed)) == [[reader, verify]]
    # Not between two modules, but between their shelves; one of the imports goes through the room's face.
    image, peaks = "stemforge.micrograph.image", "stemforge.corpus.sample"
    changed = MODULE_TREES | {image: ast.parse("from stemforge import Corpus")}
    assert ["stemforge.corpus", "stemforge.micrograph"] in circles(shelved(graph(changed)))
    assert peaks in NAMES
    # Within a shelf, through the shelf's face.
    changed = MODULE_TREES | {
        "stemforge.settings.files": ast.parse("def f():\n    from stemforge.settings import Settings")
    }
    found = ["stemforge.settings.base", "stemforge.settings.files", "stemforge.settings.written"]
    assert found in circles(graph(changed))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_shows_few_files(room):
    shown = [path.name for path in FILES if path.parent == Path(room)]
    assert len(shown) <= MOST_FILES, shown


@pytest.mark.parametrize(
    "path", [p for p in MODULES if len(p.parts) > 2 and p.name != "__init__.py"], ids=str
)
def test_names_in_a_shelf_do_not_repeat_the_shelf_s(path):
    assert path.parent.name.rstrip("s") not in path.stem.split("_")


def test_every_folder_says_what_it_is_for():
    docs = {path: ast.get_docstring(TREES[path]) for path in MODULES if path.name == "__init__.py"}
    assert all(docs.values())
    assert len(set(docs.values())) == len(docs)


def riddles(tree):
    for node in ast.walk(tree):
        names = {
            ast.Name: lambda n: n.id,
            ast.arg: lambda n: n.arg,
            ast.Attribute: lambda n: n.attr,
            ast.FunctionDef: lambda n: n.name,
            ast.ClassDef: lambda n: n.name,
            ast.keyword: lambda n: n.arg,
        }.get(type(node))
        if names is not None and names(node) in RIDDLES:
            yield names(node)


def test_names_are_nouns_and_verbs_of_the_field():
    assert {str(path): sorted(set(riddles(tree))) for path, tree in TREES.items() if any(riddles(tree))} == {}


@pytest.mark.parametrize("text", ["said = 1", "def told(): ...", "f(own=1)", "x.seen", "lambda apart: 0"])
def test_riddles_would_be_found(text):
    assert list(riddles(ast.parse(text)))


NETWORKS = {
    "SACCNN",
    "AtomNet",
    "DIVAESR",
    "FasterRCNN",
    "AtomDetector",
    "Restorer",
    "MoleculeDetector",
    "Network",
}
# The one place for each question.
PLACES = {
    "isinstance": "train/networks.py",
    "inputs": "train/card.py",
    "copy": "stemforge/settings/checked.py",
}


def questions(tree):
    """Yield what should be asked of the table of networks, of a card's fields, or of settings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and len(node.args) == 2:
            kinds = {inner.id for inner in ast.walk(node.args[1]) if isinstance(inner, ast.Name)}
            if kinds & NETWORKS:
                yield "isinstance"
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("inputs.get"):
            yield "inputs"
        if isinstance(node, ast.Attribute) and node.attr == "model_copy":
            yield "copy"


def test_questions_are_asked_in_their_place():
    found = {
        (str(path), what)
        for path in SOURCES
        for what in questions(TREES[path])
        if str(path) != PLACES[what] and path.parts[0] != "tests"
    }
    assert found == set()


@pytest.mark.parametrize(
    "text", ["isinstance(model, AtomNet | SACCNN)", 'card.inputs.get("zoom")', "recipe.model_copy(update={})"]
)
def test_a_question_elsewhere_would_be_found(text):
    assert list(questions(ast.parse(text)))


def missing_paths(text):
    """Return the files and folders of a document, in backquotes, that are not in the tree."""
    known = {str(path) for path in FILES} | {f"{parent}/" for path in FILES for parent in path.parents}
    folders = "|".join((*ROOMS, "tests", "benchmarks", "examples"))
    return [path for path in re.findall(rf"`((?:{folders})/[\w/.-]*)`", text) if path not in known]


@pytest.mark.parametrize("document", ["README.md", *(str(path) for path in FILES if path.match("docs/*.md"))])
def test_documents_point_to_files_that_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert missing_paths(text) == []
    assert missing_paths("`train/fit.py`, `infer/fitt.py`, `infer/atoms/`, `infer/ions/`") == [
        "infer/fitt.py",
        "infer/ions/",
    ]


def test_the_drawn_house_is_the_real_one():
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    drawn, room = set(), ""
    for line in re.findall(r"^    (?:  )?\S.*$", text, re.M):
        names = re.findall(r"(?<![\w./])[\w]+(?:/|\.py)(?!\w)", line)
        if match := re.match(rf"^    ({'|'.join(ROOMS)})/", line):
            room = match[1]
            continue
        drawn |= {f"{room}/{name}" for name in names}
    tops = {f"{path.parts[0]}/{path.parts[1]}{'/' if len(path.parts) > 2 else ''}" for path in MODULES}
    assert {top for top in tops if not top.endswith("__init__.py")} == drawn
