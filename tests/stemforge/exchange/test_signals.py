"""HyperSpy's signals in a running session, with HyperSpy itself."""

import numpy as np
import pytest

from stemforge import Annotations
from stemforge.errors import InputError, MicrographError
from stemforge.exchange.signals import mark, micrograph_of

hs = pytest.importorskip("hyperspy.api")
pytestmark = pytest.mark.slow
ATOMS = np.array([[40.0, 30.0], [90.0, 60.0]])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def signal(unit="nm", size=0.03, shape=(80, 120), offset=0.0):
    y, x = np.indices(shape)
    counts = 100 + sum(120 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 27) for a, b in ATOMS)
    made = hs.signals.Signal2D(np.random.default_rng(0).poisson(counts).astype(float))
    for axis in made.axes_manager.signal_axes:
        axis.scale, axis.units, axis.offset = size, unit, offset
    return made


@pytest.mark.parametrize(
    ("unit", "size", "sampling"),
    [("nm", 0.03, 0.3), ("Å", 0.3, 0.3), ("µm", 3e-5, 0.3), ("1/nm", 0.03, None)],
)
def test_the_pixel_size_is_that_of_the_axes(unit, size, sampling):
    micrograph = micrograph_of(signal(unit, size))
    assert micrograph.sampling == (None if sampling is None else pytest.approx(sampling))
    assert micrograph.shape == (80, 120)
    np.testing.assert_array_equal(micrograph.image, signal().data.astype(np.float32))


def test_axes_without_a_unit_tell_no_pixel_size():
    bare = hs.signals.Signal2D(np.eye(8))
    assert micrograph_of(bare).sampling is None
    assert micrograph_of(bare).name == "signal"


def test_one_image_of_a_stack_and_a_lazy_one():
    stack = hs.stack([signal(), signal()], show_progressbar=False)
    with pytest.raises(MicrographError, match=r"signal\.inav\[0\]"):
        micrograph_of(stack)
    for one in (stack.inav[1], signal().as_lazy()):
        np.testing.assert_array_equal(micrograph_of(one).image, signal().data.astype(np.float32))
    with pytest.raises(MicrographError, match=r"as_signal2D"):
        micrograph_of(hs.signals.Signal1D(np.arange(8.0)))
    # Markers of one image's atoms would lie on all of them.
    with pytest.raises(MicrographError, match=r"signal\.inav\[0\]"):
        mark(stack, Annotations(ATOMS))


def test_a_signal_that_says_nothing_of_itself():
    bare = signal()
    del bare.metadata.General
    assert micrograph_of(bare).name == "signal"
    bare.axes_manager.signal_axes[0].scale = 0
    with pytest.raises(MicrographError, match="no scale"):
        micrograph_of(bare)


@pytest.mark.parametrize("name", ["", "my atoms", "1"])
def test_names_that_hyperspy_cannot_keep(name):
    with pytest.raises(InputError, match="letters, digits and _"):
        mark(signal(), Annotations(ATOMS), name)


def test_pixels_that_are_not_square_are_refused():
    tall = signal()
    tall.axes_manager.signal_axes[1].scale = 0.06
    with pytest.raises(MicrographError, match="not square"):
        micrograph_of(tall)


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_atoms_are_found_and_marked_where_they_are(tmp_path, offset):
    from stemforge.infer import Detector

    film = signal(offset=offset)
    found = Detector.from_pretrained().predict(micrograph_of(film))
    assert len(found.atoms) == 2
    mark(film, found.atoms)
    film.plot()
    mark(film, found.atoms)  # again, on a plot: there is one set of them
    film.save(tmp_path / "film.hspy")
    for one in (film, hs.load(tmp_path / "film.hspy")):
        places = np.asarray(one.metadata.Markers.atoms.kwargs["offsets"])
        assert [name for name, _ in one.metadata.Markers] == ["atoms"]
        # HyperSpy finds the pixels of the atoms at the markers.
        axes = one.axes_manager.signal_axes
        pixels = [
            [axis.value2index(float(value)) for axis, value in zip(axes, place, strict=True)]
            for place in places
        ]
        assert sorted(pixels) == ATOMS.astype(int).tolist()
    # Control: nothing found, nothing drawn, and what was drawn is gone.
    mark(film, Annotations([]))
    assert not film.metadata.has_item("Markers.atoms")


def test_boxes_are_rectangles():
    film = signal()
    mark(film, Annotations([[20, 40]], boxes=[[10, 20, 30, 60]]), "molecules")
    drawn = film.metadata.Markers.molecules
    assert np.allclose(drawn.kwargs["offsets"], [[20 * 0.03, 40 * 0.03]])
    assert np.allclose([drawn.kwargs["widths"], drawn.kwargs["heights"]], [[20 * 0.03], [40 * 0.03]])
