"""The micrograph refuses what is no image, and keeps what it was given."""

import pickle

import numpy as np
import pytest

from stemforge import InputError, Micrograph, MicrographError

RAMP = np.arange(12, dtype=float).reshape(3, 4)


def with_value(value):
    image = RAMP.copy()
    image[1, 2] = value
    return image


@pytest.mark.parametrize(
    ("image", "sampling", "says"),
    [
        (np.zeros(5), None, r"shape \(height, width\)"),
        (np.zeros((2, 3, 4)), None, "choose one frame"),
        (np.zeros((0, 4)), None, r"\(0, 4\)"),
        (RAMP + 1j, None, "complex128"),
        (RAMP.astype(str), None, "real numbers"),
        (with_value(np.nan), None, "1 of 12 pixels are NaN"),
        (with_value(-np.inf), None, "1 of 12"),
        (np.full((3, 4), 7), None, r"same value \(7\)"),
        (RAMP, 0.0, "sampling must be a positive length"),
        (RAMP, -0.3, "-0.3"),
        (RAMP, np.nan, "sampling"),
        (RAMP, np.inf, "sampling"),
    ],
)
def test_bad_input(image, sampling, says):
    with pytest.raises(MicrographError, match=f"field: .*{says}"):
        Micrograph(image, sampling, name="field")


def test_errors_are_input_errors():
    assert issubclass(MicrographError, InputError)
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.float32, np.float64])
def test_values_and_shape_are_kept(dtype):
    micrograph = Micrograph(RAMP.astype(dtype), 0.25)
    assert micrograph.image.dtype == np.float32
    np.testing.assert_array_equal(micrograph.image, RAMP)
    assert micrograph.shape == (3, 4)
    assert micrograph.field_of_view == (0.75, 1.0)


def test_no_sampling_is_not_guessed():
    micrograph = Micrograph(RAMP)
    assert micrograph.sampling is None
    assert micrograph.field_of_view is None


def test_image_cannot_be_changed_and_the_given_array_still_can():
    given = RAMP.astype(np.float32)
    micrograph = Micrograph(given, metadata={"a": 1})
    given[0, 0] = 99
    assert micrograph.image[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        micrograph.image[0, 0] = 1
    with pytest.raises(TypeError):
        micrograph.metadata["a"] = 2


def test_with_image_keeps_the_rest():
    micrograph = Micrograph(RAMP, 0.25, "HAADF", "field", {"a": 1})
    other = micrograph.with_image(RAMP * 2)
    assert (other.sampling, other.modality, other.name, dict(other.metadata)) == (
        0.25,
        "HAADF",
        "field",
        {"a": 1},
    )
    assert other.image.max() == 22
    assert micrograph.with_image(RAMP, 0.5).sampling == 0.5


def test_other_processes_can_have_it():
    image = Micrograph(np.eye(8), 0.2, "HAADF", name="area", metadata={"file": "a.tif"})
    copy = pickle.loads(pickle.dumps(image))
    assert (copy.sampling, copy.modality, copy.name, dict(copy.metadata)) == (
        0.2,
        "HAADF",
        "area",
        {"file": "a.tif"},
    )
    np.testing.assert_array_equal(copy.image, image.image)
    assert not copy.image.flags.writeable
