"""Reports: one HTML page that needs no other file and asks no other machine for anything."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

import stemforge
from stemforge.evaluate.atoms.result import AtomEvaluation
from stemforge.evaluate.atoms.scores import format_score
from stemforge.evaluate.reports.drawing import draw_inline
from stemforge.files import plain, write_text

if TYPE_CHECKING:
    from stemforge.evaluate.reports.methods import Methods
    from stemforge.evaluate.reports.overlay import Overlay


_WIDE = 1.8  # width over height from which a figure is too small in half a page


def digits(value: float) -> str:
    """Return a number with three digits that count, and no power of ten between 0.001 and 100 000.

    Examples
    --------
    >>> [digits(value) for value in (0.3, 11.04, 132.4, 2500.0)]
    ['0.300', '11.0', '132', '2500']
    """
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}"


@dataclass(frozen=True)
class Answer:
    """One number of the page's first screen.

    Parameters
    ----------
    label
        What it is.
    value
        The number with its unit, or a word.
    detail
        How sure it is, and what it is compared with.
    doubtful
        Whether the reader should hesitate; marked by a sign, not by colour alone.
    """

    label: str
    value: str
    detail: str
    doubtful: bool = False

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.label}: {self.value}, {self.detail}" if self.detail else f"{self.label}: {self.value}"


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page: title, drawing, how to read it, and whether it takes the page's whole width."""

    title: str
    drawing: Markup
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class PageTable:
    """A table of the page, which the reader can sort: names of its columns, and rows of text and numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


class Report:
    """A self-contained HTML page: answers first, then figures, images, tables, and how it was made.

    Parameters
    ----------
    title, chain
        What was looked at or done, in a few words and as a line under it.

    Examples
    --------
    >>> report = Report("Pt on carbon", "two images")
    >>> report.answer("atoms found", "85", "on 2 images")
    >>> report.scores
    ['atoms found: 85, on 2 images']
    >>> "<h1>Pt on carbon</h1>" in report.html()
    True
    """

    def __init__(self, title: str, chain: str) -> None:
        self.title = title
        self.chain = chain
        self.lead = ""
        """The answer in a sentence or two."""
        self.answers: list[Answer] = []
        self.figures: list[PageFigure] = []
        self.overlays: list[Overlay] = []
        self.table: PageTable | None = None
        self.notes: list[str] = []
        """What to be aware of."""
        self.left_out = 0
        """Images that could not be used."""
        self.methods: Methods | None = None
        self.files: dict[str, str] = {}
        """What lies beside the page: address within its folder, and what it is."""
        self.data: Mapping[str, Any] = {}
        """What programs may read from the page; plain values."""
        self.seconds: dict[str, float] = {}

    @property
    def scores(self) -> list[str]:
        """The answers as lines of text."""
        return [str(one) for one in self.answers]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure how long a stage takes."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    def add(self, title: str, figure: Figure, caption: str) -> None:
        """Add a figure, and how to read it."""
        drawing = draw_inline(figure, title, len(self.figures))
        width, height = figure.get_size_inches()
        self.figures.append(PageFigure(title, drawing, caption, width > _WIDE * height))

    def answer(self, label: str, value: str, detail: str, doubtful: bool = False) -> None:
        """Add a number to the first screen, as :class:`Answer`."""
        self.answers.append(Answer(label, value, detail, doubtful))

    def score(self, what: str, evaluation: AtomEvaluation) -> None:
        """Add the mean scores of an evaluation by its first criterion."""
        summary = next(iter(evaluation.summary.values()))
        if summary is None:
            return
        f1, precision, recall = (summary.mean[name] for name in ("f1", "precision", "recall"))
        detail = f"precision {precision:.3f}, recall {recall:.3f} ({summary.images} images)"
        self.answer(what, f"F1 {format_score(f1, summary.sd['f1'])}", detail)

    def note(self, text: str) -> None:
        """Add a remark."""
        self.notes.append(text)

    def html(self) -> str:
        """Return the page.

        Everything in it is escaped: names of files and what they say of themselves are a stranger's.
        """
        loader = jinja2.PackageLoader("stemforge.evaluate.reports")
        environment = jinja2.Environment(
            loader=loader,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters["digits"] = digits
        page = environment.get_template("page.html")
        return page.render(report=self, data=plain(self.data), version=stemforge.__version__)

    def write(self, path: Path) -> None:
        """Write the page."""
        write_text(path, self.html())
