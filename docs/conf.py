"""The documentation site: `sphinx-build -W --keep-going -b html docs site`."""

import sys
from pathlib import Path

import stemforge

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

project = "stemforge"
author = "The stemforge developers"
copyright = author
version = release = stemforge.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "reference",
]
exclude_patterns = ["gallery/*.ipynb", "gallery/*.py", "sg_execution_times.rst", "**/sg_execution_times.rst"]

# Markdown as a code host shows it: anchors are its own, fences with colons leave pages readable.
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4

# Docstrings are numpydoc without types, which stand in the signatures.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
toc_object_entries_show_parents = "hide"

EXAMPLES = DOCS.parent / "examples" / "gallery"
ROOMS = ("structures", "simulate", "train", "infer", "evaluate")
if any(EXAMPLES.rglob("*.py")):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": str(EXAMPLES),
        "gallery_dirs": "gallery",
        "filename_pattern": r"\.py",
        "subsection_order": [f"../examples/gallery/{room}" for room in ROOMS],
        "download_all_examples": False,
        "show_memory": False,
        "remove_config_comments": True,
        "backreferences_dir": None,
        "doc_module": (),
    }

html_theme = "pydata_sphinx_theme"
html_title = "stemforge"
html_logo = html_favicon = "../app/pages/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "stemforge"},
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "collapse_navigation": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "limits": [], "glossary": []}
