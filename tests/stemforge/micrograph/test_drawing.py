import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from stemforge import Annotations, Micrograph
from stemforge.infer import Detection, draw_detection
from stemforge.micrograph.drawing import literal


def _detection(image, points, sampling=0.293):
    micrograph = Micrograph(image, sampling, name="field")
    atoms = Annotations(points, columns={"score": np.linspace(1, 0.6, len(points))})
    return Detection(micrograph, atoms, np.zeros_like(micrograph.image), sampling, 0.5)


def _ramp(height, width):
    return np.add.outer(np.arange(height), np.arange(width)).astype(float)


@pytest.mark.parametrize("shape", [(64, 64), (30, 200), (300, 90), (3, 3), (40, 1500), (2600, 260)])
@pytest.mark.parametrize("points", [[], [[1, 1], [2, 2]]])
def test_it_draws_and_saves(tmp_path, shape, points):
    figure = draw_detection(_detection(_ramp(*shape), points), tmp_path / "over.png")
    with Image.open(tmp_path / "over.png") as picture:
        picture.load()
        assert min(picture.size) > 50
    assert f"field: {len(points)} atoms from 0.50 on" in figure.axes[0].get_title()


def test_one_circle_an_atom_at_its_place():
    points = [[10, 40], [30.5, 20.25], [0, 0]]
    figure = draw_detection(_detection(_ramp(64, 64), points))
    (circles,) = [c for c in figure.axes[0].collections if len(c.get_offsets()) == 3]
    np.testing.assert_allclose(np.asarray(circles.get_offsets()), points)
    assert len(np.unique(circles.get_edgecolors(), axis=0)) == 3  # coloured by score
    assert figure.axes[0].get_xlim() == (-0.5, 63.5)
    assert figure.axes[0].get_ylim() == (63.5, -0.5)


def test_the_micrograph_stands_beside_without_marks_and_without_its_background():
    rng = np.random.default_rng(0)
    figure = draw_detection(_detection(_ramp(256, 256) + rng.normal(size=(256, 256)), [[40, 50]]))
    marked, recorded, flat, *_ = [axes for axes in figure.axes if axes.images]
    assert [len(axes.collections) for axes in (marked, recorded, flat)] == [1, 0, 0]
    shown, flattened = (axes.images[0].get_array() for axes in (recorded, flat))
    np.testing.assert_array_equal(shown, marked.images[0].get_array())
    assert np.std(flattened[100:150, 100:150]) < 0.1 * np.std(shown[100:150, 100:150])


def test_parts_of_a_large_image_are_enlarged_where_most_and_fewest_atoms_are():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(530, 740, (30, 2)), [[100, 100]]])
    image = np.zeros((1200, 1400))
    image[0, 0] = 1  # all parts but one are flat
    figure = draw_detection(_detection(image, points))
    titles = [axes.get_title() for axes in figure.axes]
    assert [title for title in titles if title[:2] in ("a:", "b:", "c:")] == [
        "a: most atoms (30)",
        "b: typical (30)",
        "c: fewest atoms (0)",
    ]
    (most,) = [axes for axes in figure.axes if axes.get_title().startswith("a:")]
    (rings,) = most.collections
    np.testing.assert_allclose(np.sort(rings.get_offsets(), axis=0), np.sort(points[:30] - 512, axis=0))
    letters = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert 512 < letters["a"][0] < 768


@pytest.mark.parametrize(("sampling", "label"), [(0.293, "0.5 nm"), (None, "20 px"), (2.93, "5 nm")])
def test_scale_bar_is_true(sampling, label):
    axes = draw_detection(_detection(_ramp(128, 128), [], sampling)).axes[0]
    (text,) = axes.texts
    assert text.get_text() == label
    (bar,) = axes.patches
    length, unit = label.split()
    pixels = float(length) * (1 if unit == "px" else 10 / sampling)
    assert bar.get_width() == pytest.approx(pixels)
    assert pixels <= 128 / 5


@pytest.mark.parametrize("name", ["a$b_{$", "$", r"a\$b$c^$", "bell\x07"])
def test_names_are_drawn_letter_by_letter(tmp_path, name):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label=literal(name))
    axes.set_xticks([0], [literal(name)])
    figure.suptitle(literal(name))
    axes.legend()
    figure.savefig(tmp_path / "drawn.svg", metadata={"Date": None})
    shown = axes.get_xticklabels()[0]
    text, is_math = shown._preprocess_math(shown.get_text())
    assert not is_math
    assert text == name.replace("\x07", r"\x07")
