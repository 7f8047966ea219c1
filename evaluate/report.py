"""Reports of long runs: one HTML page that needs no other file."""

import base64
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

import stemforge
from stemforge.evaluate.atoms.result import AtomEvaluation
from stemforge.evaluate.atoms.scores import format_score
from stemforge.files import write_text


class Report:
    """A self-contained HTML page: pictures, captions, times and scores in the order they were made.

    Parameters
    ----------
    title, chain
        What was done, in a word and as a line under it.
    """

    def __init__(self, title: str, chain: str) -> None:
        self.title = title
        self.chain = chain
        self.figures: list[dict[str, str]] = []
        self.seconds: dict[str, float] = {}
        self.scores: list[str] = []
        self.notes: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure how long a stage takes."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    def add(self, title: str, figure: Figure, caption: str) -> None:
        """Add a picture."""
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=90)
        picture = base64.b64encode(stream.getvalue()).decode()
        self.figures.append({"title": title, "caption": caption, "png": picture})

    def score(self, what: str, evaluation: AtomEvaluation) -> None:
        """Add the mean scores of an evaluation by its first criterion."""
        summary = next(iter(evaluation.summary.values()))
        if summary is None:
            return
        f1, precision, recall = (summary.mean[name] for name in ("f1", "precision", "recall"))
        self.scores.append(
            f"{what}: F1 {format_score(f1, summary.sd['f1'])}, precision {precision:.3f}, recall {recall:.3f} "
            f"({summary.images} images)"
        )

    def note(self, text: str) -> None:
        """Add a remark."""
        self.notes.append(text)

    def write(self, path: Path) -> None:
        """Write the page."""
        environment = jinja2.Environment(loader=jinja2.PackageLoader("stemforge.evaluate"), autoescape=True)
        page = environment.get_template("report.html").render(report=self, version=stemforge.__version__)
        write_text(path, page)
