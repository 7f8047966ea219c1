"""Links, anchors and pictures of all Markdown files, as a code host and the documentation site have them."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LISTED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
)
DOCUMENTS = [path for path in map(ROOT.joinpath, sorted(set(LISTED.stdout.splitlines()))) if path.is_file()]
# Made when the site is built (docs/_ext/reference.py).
MADE = {
    "reference/commands/index",
    "reference/recipes/index",
    "reference/api/index",
    "reference/weights",
    "gallery/index",
}


def parsed(text):
    # Fences with colons hold Markdown; their first and last line are the site's alone.
    text = re.sub(r"^:{3,}.*$|^:[\w-]+:.*$", "", text, flags=re.M)
    return MarkdownIt("commonmark").parse(text)


def targets(text):
    """Yield what a document links to, and its pictures."""
    for token in parsed(text):
        for inner in token.children or ():
            if inner.type in {"link_open", "image"}:
                yield inner.attrs["href" if inner.type == "link_open" else "src"]


def anchors(text):
    """Return the anchors of a document's headings, as code hosts make them."""
    tokens = parsed(text)
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower()).replace(" ", "-") for title in titles}


def broken(path, text):
    """Return the targets of a document's links that do not exist."""
    found = []
    for target in targets(text):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if file.is_relative_to(DOCS) and str(file.relative_to(DOCS).with_suffix("")) in MADE:
            continue
        if (name and not file.exists()) or (
            anchor and anchor not in anchors(file.read_text(encoding="utf-8") if name else text)
        ):
            found.append(target)
    return found


def test_documents_are_found():
    assert {ROOT / "README.md", DOCS / "index.md", DOCS / "zeolites.md"} <= set(DOCUMENTS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_exist(path):
    assert broken(path, path.read_text(encoding="utf-8")) == []


def test_a_broken_link_would_be_found():
    text = "# A title, (b)\n\n[x](#a-title-b) [y](#c) [z](none.md) ![p](images/none.png)"
    text += " [i](index.md) [j](index.md#none)"
    assert broken(DOCS / "new.md", text) == ["#c", "none.md", "images/none.png", "index.md#none"]


def test_every_page_is_in_the_menu():
    pages = {path.stem for path in DOCS.glob("*.md")}
    blocks = re.findall(
        r"^```\{toctree\}\n(.*?)^```",
        "\n".join(p.read_text(encoding="utf-8") for p in DOCS.glob("*.md")),
        re.M | re.S,
    )
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]
    entries = [line.rpartition("<")[2].removesuffix(">") for line in lines]  # `page`, or `Title <page>`
    assert sorted(entries) == sorted({*pages - {"index"}, *MADE})
