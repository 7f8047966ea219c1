import numpy as np
import pytest
from scipy import ndimage

from stemforge.errors import RecipeError
from stemforge.train.data.augment import PLAIN, Augmentation, View, draw_view, shade

SHAPE = (120, 150)
ALL = Augmentation(zoom=(0.7, 1.5), brightness=0.2, contrast=0.4, blur=1.5)
KINDS = [
    PLAIN,
    PLAIN.replace(flip=True),
    PLAIN.replace(rotation="quarter"),
    PLAIN.replace(rotation="any"),
    PLAIN.replace(zoom=(0.7, 1.5)),
    PLAIN.replace(blur=1.5),
    PLAIN.replace(brightness=0.2, contrast=0.4),
    ALL,
]


def _spot(points, shape=SHAPE, sigma=2.0, zoom=1):
    y, x = np.mgrid[: shape[0] * zoom, : shape[1] * zoom]
    x, y = (x + 0.5) / zoom - 0.5, (y + 0.5) / zoom - 0.5
    return sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points).astype(
        "float32"
    )


def _peak(image):
    """Centre of mass of the middle of a single spot, (x, y)."""
    y, x = ndimage.center_of_mass(np.where(image > image.max() / 2, image - image.min(), 0))
    return np.array([x, y])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("augmentation", KINDS)
def test_a_point_stays_on_its_feature(augmentation, seed):
    rng = np.random.default_rng(seed)
    point = rng.uniform(40, [110, 80])
    for _ in range(50):
        view = draw_view(SHAPE, 64, augmentation, rng)
        moved = view.move([point])[0]
        if np.all((moved > 10) & (moved < 53)):
            break
    else:
        pytest.fail("the point was never on the patch")
    noisy = shade(view.cut(_spot([point])), augmentation, rng)
    np.testing.assert_allclose(_peak(noisy), moved, atol=0.35)
    # A target with twice as many pixels shows it at the same place.
    fine = view.cut(_spot([point], zoom=2), 2)
    assert fine.shape == (128, 128)
    np.testing.assert_allclose((_peak(fine) + 0.5) / 2 - 0.5, moved, atol=0.25)


@pytest.mark.parametrize("augmentation", KINDS)
def test_patches_lie_on_the_image_and_all_over_it(augmentation):
    rng = np.random.default_rng(0)
    corners = np.array([[-0.5, -0.5], [63.5, -0.5], [-0.5, 63.5], [63.5, 63.5]])
    shown = []
    for _ in range(100):
        view = draw_view(SHAPE, 64, augmentation, rng)
        where = (corners - 31.5) @ view.matrix.T + view.centre
        assert where.min() >= -0.5 - 1e-9
        assert np.all(where.max(axis=0) <= np.array(SHAPE[::-1]) - 0.5 + 1e-9)
        shown.append(view.centre)
    assert np.ptp(np.array(shown), axis=0).min() > 25


def test_an_image_as_small_as_the_patch_is_turned_by_quarters():
    rng = np.random.default_rng(0)
    image = rng.random((64, 64), dtype=np.float32)
    for _ in range(20):
        view = draw_view((64, 64), 64, Augmentation(zoom=(0.8, 1)), rng)
        assert sorted(view.cut(image).ravel()) == sorted(image.ravel())


def test_quarter_turns_and_plain_crops_move_pixels_unchanged():
    image = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(image, (64, 64))
    view = draw_view(SHAPE, 64, PLAIN, np.random.default_rng(1))
    left, top = (round(c + 0.5 - 32) for c in view.centre)
    assert np.array_equal(view.cut(image), windows[top, left])
    quarter = PLAIN.replace(rotation="quarter", flip=True)
    found = set()
    for seed in range(30):
        view = draw_view((64, 64), 64, quarter, np.random.default_rng(seed))
        found.add(view.cut(image[:64, :64]).tobytes())
    turned = [np.rot90(m, k) for m in (image[:64, :64], image[:64, :64].T) for k in range(4)]
    assert found == {np.ascontiguousarray(t).tobytes() for t in turned}


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 137, 180])
def test_boxes_of_turned_objects(angle):
    a = np.radians(angle)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    view = View((60.0, 50.0), matrix, 64)
    (box,) = view.move_boxes([[50, 46, 70, 54]])  # half sides 10 and 4
    half = (box[2:] - box[:2]) / 2
    expected = np.sqrt((np.array([[10, 4], [4, 10]]) ** 2) @ [np.cos(a) ** 2, np.sin(a) ** 2])
    np.testing.assert_allclose(half, expected, atol=1e-9)
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [31.5, 31.5])
    # It bounds the ellipse's outline, wherever that goes.
    t = np.linspace(0, 2 * np.pi, 2000)
    outline = view.move(np.column_stack([60 + 10 * np.cos(t), 50 + 4 * np.sin(t)]))
    np.testing.assert_allclose([*outline.min(0), *outline.max(0)], box, atol=1e-3)


def test_zoom_scales_boxes():
    view = View((60.0, 50.0), np.eye(2) / 2, 64)
    (box,) = view.move_boxes([[50, 46, 70, 54]])
    np.testing.assert_allclose(box[2:] - box[:2], [40, 16])


def test_nothing_drawn_and_no_boxes():
    image = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    assert shade(image, PLAIN, np.random.default_rng(0)) is image
    view = draw_view(SHAPE, 64, ALL, np.random.default_rng(0))
    assert view.move_boxes(np.empty((0, 4))).shape == (0, 4)
    assert view.move(np.empty((0, 2))).shape == (0, 2)


def test_shading_keeps_to_the_scale():
    image = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    shaded = [shade(image, ALL, np.random.default_rng(i)) for i in range(20)]
    assert min(s.min() for s in shaded) >= 0
    assert max(s.max() for s in shaded) <= 1
    assert np.std([s.mean() for s in shaded]) > 0.03
    assert shaded[0].dtype == np.float32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rotation": "some"}, "rotation"),
        ({"zoom": [2, 1]}, "ordered"),
        ({"blur": -1}, "blur"),
        ({"zoom": [0, 1]}, "zoom"),
    ],
)
def test_bad_settings(values, message):
    with pytest.raises(RecipeError, match=message):
        Augmentation.from_mapping(values)
