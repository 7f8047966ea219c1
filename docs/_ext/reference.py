"""Pages of the site that are made from the code: commands, fields of recipes, public names of Python.

They are written to `docs/reference/` before a build, which git ignores; a page that has not changed is left as it is.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from effects import EFFECTS, draw_effects, shown

from stemforge.__main__ import COMMANDS, command_line
from stemforge.settings import Field, Settings, fields_of
from stemforge.settings.notes import flow
from stemforge.train.catalogue.shipped import kinds, shipped

ROOT = Path(__file__).parents[2]
ROOMS = {
    room: "stemforge" if room == "stemforge" else f"stemforge.{room}"
    for room in ("stemforge", "structures", "simulate", "train", "infer", "evaluate", "adapt", "app")
}
EFFECTS_FOLDER = "recipes/effects"
GALLERY = "sphinx_gallery.gen_gallery"
DRAWN = "number, or a distribution from which each sample draws its own"


def setup(app):
    app.connect(
        "config-inited",
        lambda app, config: write_pages(
            Path(app.srcdir) / "reference", pictures=GALLERY in app.config.extensions
        ),
    )
    app.connect("include-read", lambda app, path, parent, text: text.__setitem__(0, as_page(text[0])))
    app.connect("source-read", lambda app, name, text: text.__setitem__(0, as_source(app, text[0])))
    if GALLERY not in app.config.extensions:
        app.add_config_value("plot_gallery", True, "html")
    app.connect(
        "autodoc-process-docstring",
        lambda app, kind, name, found, options, lines: number(lines),
        priority=400,
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def as_page(readme: str) -> str:
    """Return the README with its links as a page among the documents has them, and titles for names of files."""
    text = readme.replace("](train/pretrained/README.md", "](reference/weights.md").replace("](docs/", "](")
    return re.sub(r"\[docs/[\w-]+\.md\]", "[]", text)


def as_source(app, text: str) -> str:
    """Return a page with the weights' own page, and without its entry for the gallery where no example is."""
    text = text.replace("](../train/pretrained/README.md", "](reference/weights.md")
    return text if GALLERY in app.config.extensions else text.replace("\ngallery/index\n", "\n")


def number(lines: list[str]) -> None:
    """Make a numbered list of a docstring's references: several docstrings stand on a page, each with its first one."""
    within = False
    for index, line in enumerate(lines):
        if match := re.match(r"\.\. \[(\d+)\] (.*)", line):
            within = True
            lines[index] = f"{match[1]}. {match[2]}"
        elif within and line.strip():
            lines[index] = f"   {line.strip()}"
        else:
            within = False
            lines[index] = re.sub(r"\[(\d+)\]_", r"[\1]", line)


def write_pages(folder: Path, *, pictures: bool) -> None:
    pages = dict([*command_pages(), *recipe_pages(pictures), *api_pages()])
    pages["weights.md"] = (ROOT / "train" / "pretrained" / "README.md").read_text(encoding="utf-8")
    if pictures:
        draw_effects(folder / EFFECTS_FOLDER)
    drawn = {f"{EFFECTS_FOLDER}/{name}.png" for name in EFFECTS}
    for old in folder.rglob("*.*"):
        if old.relative_to(folder).as_posix() not in {*pages, *drawn}:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def toctree(names) -> str:
    return "\n".join(("```{toctree}", ":hidden:", "", *names, "```", ""))


def table(head: tuple[str, ...], rows) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def plain(text: str) -> str:
    """Return a text in which nothing is taken for Markdown but roles of docstrings, which become links."""
    rest, *roles = re.split(
        r":(func|class|meth|attr|data|mod):`(?:[^`<]*<)?~?([\w.]+)>?`", " ".join(text.split())
    )
    parts = [_escaped(rest)]
    for role, target, after in zip(roles[::3], roles[1::3], roles[2::3], strict=True):
        parts += [f"{{py:{role}}}`~{target}`", _escaped(after)]
    return "".join(parts)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]|<>~$#])", r"\\\1", text)


# Commands, each by its help.


def command_pages() -> Iterator[tuple[str, str]]:
    rows = []
    for name, _, line in COMMANDS:
        page = name.replace(" ", "-")
        rows.append((f"[`stemforge {name}`]({page}.md)", plain(line)))
        yield f"commands/{page}.md", command_page(name.split())
    text = (
        "# Commands\n\nEvery command says what it does with `--help`; these pages are made from it. "
        "`stemforge --install-completion` lets the shell complete commands and options.\n\n"
    )
    pages = [name.replace(" ", "-") for name, *_ in COMMANDS]
    yield "commands/index.md", text + table(("command", "what it does"), rows) + "\n" + toctree(pages)


def command_page(words: list[str]) -> str:
    command = command_line(words)
    for word in words:
        command = command[word]
    name = f"stemforge {' '.join(words)}"
    text = command.generate_docs(output_format="markdown", heading_level=1)
    text = text.partition("\n")[2].strip().replace(f"```console\n{words[-1]} ", f"```console\n{name} ", 1)
    # Groups of options are headings, options a list of terms with what they are.
    text = re.sub(r"^\*\*([^*\n]+)\*\*:$", r"## \1", text, flags=re.M)
    text = re.sub(r"^\* (`[^`\n]+`): ", r"\n\1\n: ", text, flags=re.M)
    return f"# {name}\n\n{text}\n"


# Fields of recipes, by the settings themselves.


def recipe_pages(pictures: bool) -> Iterator[tuple[str, str]]:
    rows = [
        (
            f"`{one.name}`",
            f"[{one.kind}]({one.kind}.md)" if one.kind in kinds() else one.kind,
            plain(one.summary),
        )
        for one in shipped()
    ]
    for kind, settings in kinds().items():
        yield f"recipes/{kind}.md", fields_page(kind, settings, pictures=pictures and kind == "simulate")
    text = (
        "# Recipes and their fields\n\n[Recipes](../../recipes.md) says how they are used; "
        "`stemforge recipe explain FIELD` prints the same of one field.\n\n"
        "## Fields\n\n"
        + table(
            ("of a recipe for", "fields"),
            [
                (
                    f"[`stemforge {kind if kind == 'simulate' else f'train {kind}'}`]({kind}.md)",
                    str(len({one.name for one in fields_of(settings)})),
                )
                for kind, settings in kinds().items()
            ],
        )
        + "\n(drawn-values)=\n## Distributions\n\n"
        "Where a *distribution* may stand in place of a number, each sample draws its own value:\n\n"
    )
    drawn = next(one for one in fields_of(kinds()["simulate"]) if one.distributions).distributions
    text += table(
        ("written", "what is drawn"), [(f"`{{{one.name}: …}}`", plain(one.summary)) for one in drawn]
    )
    text += "\n## Recipes that ship\n\n" + table(("name", "kind", "what it is for"), rows)
    yield "recipes/index.md", text + "\n" + toctree(kinds())


def fields_page(kind: str, settings: type[Settings], *, pictures: bool) -> str:
    groups: dict[tuple[str, type], list[Field]] = {}
    for field in fields_of(settings):
        groups.setdefault((field.name.rpartition(".")[0], field.settings), []).append(field)
    command = "stemforge simulate" if kind == "simulate" else f"stemforge train {kind}"
    parts = [f"# Recipe of {command}\n"]
    known = {field.name: field for field in fields_of(settings)}
    last = ""
    for (parent, member), fields in groups.items():
        if parent != last and parent and fields[0].of:
            parts.append(f"## {parent}\n\n{plain(known[parent.removesuffix('.0')].description.full)}\n")
        level = "###" if fields[0].of else "##"
        title = fields[0].of or parent or "The recipe"
        if parent and parent == last and not fields[0].of:  # another kind of the same list
            title = f"{parent}: {member.__name__}"
        parts.append(f"{level} {plain(title)}\n\n{plain(inspect.getdoc(member).partition(chr(10) * 2)[0])}\n")
        parts.append(
            table(("field", "meaning", "unit", "values", "default"), [field_row(one) for one in fields])
        )
        if pictures:
            parts.extend(effect for one in fields if (effect := effect_of(one)))
        last = parent
    return "\n".join(parts)


def effect_of(field: Field) -> str:
    """Return the picture of what a field does to an image, where there is one."""
    parent, _, leaf = field.name.rpartition(".")
    name = f"{parent}.{field.of}.{leaf}" if field.of else field.name
    if name not in EFFECTS:
        return ""
    unit = f" [{plain(field.description.unit)}]" if field.description.unit else ""
    values = ", ".join(map(shown, EFFECTS[name].values))
    return f"`{leaf}`{unit}:\n\n![{leaf} at {values}](effects/{name}.png)\n"


def field_row(field: Field) -> tuple[str, ...]:
    found = field.description
    anchor = f"{field.name}-{field.of}" if field.of else field.name
    values = plain(f"{field.kind}{f'; {found.allowed}' if found.allowed else ''}")
    default = "must be stated" if field.needed else f"`{flow(field.default)}`"
    meaning = found.full.replace(f"[{found.unit}]", "", 1) if found.unit else found.full
    return (
        f"[`{field.name.rpartition('.')[2]}`]{{#{re.sub(r'[^a-z0-9]+', '-', anchor.lower())}}}",
        plain(re.sub(r"\s+([.,;])", r"\1", meaning)),
        plain(found.unit),
        values.replace(plain(DRAWN), "number or [distribution](#drawn-values)"),
        "mapping below" if field.members and len(default) > 60 else default,
    )


# Public names, each by its docstring.


def public_names(room: str) -> dict[str, str]:
    """Return the modules that a room's public names come from, by name."""
    stub = ROOT / room / "__init__.pyi"
    if not stub.is_file():
        return {}
    nodes = [
        one for one in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(one, ast.ImportFrom)
    ]
    return {alias.name: node.module for node in nodes for alias in node.names}


def api_pages() -> Iterator[tuple[str, str]]:
    text = (
        "# Python\n\nPublic names are imported from their room: `from stemforge.infer import Detector`. "
        "[Detectors from Python](../../detectors.md) is the short way in.\n\n"
    )
    yield (
        "api/index.md",
        text
        + table(
            ("room", "what it is for"),
            [(f"[`{module}`]({room}/index.md)", plain(summary(module))) for room, module in ROOMS.items()],
        )
        + "\n"
        + toctree([f"{room}/index" for room in ROOMS]),
    )
    for room, module in ROOMS.items():
        shelves: dict[str, dict[str, str]] = {}
        for name, origin in public_names(room).items():
            shelves.setdefault(origin.partition(".")[0], {})[name] = origin
        yield f"api/{room}/index.md", room_page(module, shelves)
        for shelf, names in shelves.items():
            yield f"api/{room}/{shelf}.rst", shelf_page(module, shelf, names)


def summary(module: str) -> str:
    """Return the first paragraph of a module's docstring, without its name before a colon."""
    text = " ".join((inspect.getdoc(import_module(module)) or "").partition("\n\n")[0].split())
    return text.removeprefix(f"{module.rpartition('.')[2]}: ").replace("``", "")


def room_page(module: str, shelves: dict[str, dict[str, str]]) -> str:
    rows = [
        (
            f"[`{shelf}`]({shelf}.rst)",
            plain(summary(f"{module}.{shelf}")),
            ", ".join(
                f"{{py:obj}}`{name} <{module}.{name}>`" if is_object(module, name) else f"`{name}`"
                for name in names
            ),
        )
        for shelf, names in shelves.items()
    ]
    head = f"# {module}\n\n{plain(summary(module))}\n\n"
    return head + table(("", "what it is for", "public names"), rows) + "\n" + toctree(shelves)


def is_object(module: str, name: str) -> bool:
    found = getattr(import_module(module), name)
    return inspect.isclass(found) or inspect.isroutine(found)


def shelf_page(module: str, shelf: str, names: dict[str, str]) -> str:
    title = f"{module}: {shelf}"
    parts = [f"{title}\n{'=' * len(title)}\n", f"{summary(f'{module}.{shelf}')}\n"]
    for name, origin in names.items():
        if is_object(module, name):
            kind = "class" if inspect.isclass(getattr(import_module(module), name)) else "function"
            parts.append(f".. auto{kind}:: {module}.{name}\n")
        else:  # its docstring stands below it, in the file that defines it
            parts.append(f".. autodata:: {module}.{origin}.{name}\n   :no-value:\n")
    return "\n".join(parts)
