"""The page itself: one file, nothing of it a stranger's script."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from stemforge.evaluate import Report
from stemforge.evaluate.reports.drawing import draw_inline, picture_of
from stemforge.evaluate.reports.overlay import edge_path, scale_bar
from stemforge.evaluate.reports.page import PageTable

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&$x$ {{ 7 * 7 }}"


def _hostile_report():
    report = Report(HOSTILE, HOSTILE)
    report.lead = HOSTILE
    report.answer(HOSTILE, HOSTILE, HOSTILE)
    report.note(HOSTILE)
    figure = Figure()
    figure.subplots().set_title(HOSTILE, parse_math=False)
    report.add(HOSTILE, figure, HOSTILE)
    report.table = PageTable([HOSTILE, "n"], [[HOSTILE, 1.0]], HOSTILE)
    report.files = {"report.json": HOSTILE}
    report.data = {HOSTILE: HOSTILE}
    return report


def test_names_are_text_whatever_signs_are_in_them(read_page):
    page = read_page(_hostile_report().html())
    assert page.text.count(HOSTILE) == 15  # once in the drawing
    assert json.loads(page.scripts[0]) == {HOSTILE: HOSTILE}
    assert "</script" not in page.scripts[1].lower()
    assert "img" not in {tag for tag, _ in page.tags}


def test_figures_are_drawings_and_those_with_images_pictures():
    figure = Figure()
    figure.subplots().plot([1, 2], [2, 1], label="a")
    drawing = draw_inline(figure, "lines", 0)
    assert drawing.startswith('<svg class="plot" role="img" aria-label="lines"')
    assert "var(--ink)" in drawing
    assert "<style" not in drawing
    assert drawing == draw_inline(figure, "lines", 0)
    figure.axes[0].imshow(np.eye(4))
    picture = draw_inline(figure, "<b>", 1)
    assert picture.startswith('<img class="paper" alt="&lt;b&gt;" src="data:image/png;base64,')


def test_names_within_two_drawings_do_not_meet():
    figure = Figure()
    figure.subplots().plot([1, 2], [2, 1])
    first, second = (draw_inline(figure, "lines", number) for number in (0, 1))
    names = {part.split('"')[0] for part in first.split(' id="')[1:]}
    assert names
    assert not any(f'id="{name}"' in second for name in names)
    assert all(f"#{name}" in first for name in names)


def test_pictures_of_many_images_are_smaller():
    image = np.random.default_rng(0).normal(size=(1000, 700)).astype(np.float32)
    sizes = [len(picture_of(image, most).uri) for most in (10**6, 10**5, 10**4)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[2] < 14_000
    assert picture_of(image, 10**4).width == 700


@pytest.mark.parametrize(
    ("width", "sampling", "label"), [(512, 0.293, "2 nm"), (64, None, "10 px"), (4096, 0.05, "5 nm")]
)
def test_scale_bars_have_round_lengths(width, sampling, label):
    bar = scale_bar(width, sampling)
    assert bar.label == label
    assert bar.share <= 25


def test_the_edge_of_a_specimen_lies_where_the_mask_ends():
    mask = np.zeros((600, 900), dtype=bool)
    mask[:, :450] = True
    points = [tuple(map(float, one.split())) for one in edge_path(mask)[1:].split("L")]
    assert len(points) == 2
    assert all(abs(x - 449.5) < 4 for x, _ in points)


def test_parts_that_a_report_lacks_are_not_named(read_page):
    page = read_page(Report("empty", "nothing").html())
    assert "Methods" not in page.text
    assert "Images" not in page.text
