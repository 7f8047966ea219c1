"""Which pixel sizes can show what is looked for, and what resampling does to noise."""

import json

import numpy as np
import pytest
import tifffile

from stemforge import InputError, Micrograph
from stemforge.__main__ import main
from stemforge.infer import check_sampling, resampled_white, sampling_remark
from stemforge.infer.resampling import MOST_PIXELS, enough_memory
from stemforge.options import Reading


@pytest.mark.parametrize("sampling", [None, 0.06, 0.293, 1.2])
def test_pixels_that_show_atoms(sampling):
    check_sampling(sampling, 0.293, (512, 512), "atoms")


@pytest.mark.parametrize(
    ("sampling", "shape", "finds", "says"),
    [
        (300, (512, 512), "atoms", "too coarse: an atom's image"),
        (2.5, (68, 68), "atoms", r"0\.05 to 1\.2 Å"),
        (0.9, (512, 512), "images", "too coarse: details of 1.7 Å"),
        (1, (512, 512), "molecules", "too coarse"),
        (0.03, (4096, 4096), "images", "too fine.*looks like 0.03 nm, which is 0.3 Å"),
        (29.3, (512, 512), "atoms", "looks like 29.3 pm, which is 0.293 Å"),
        (0.004, (4096, 4096), "atoms", "too fine.*bin the image"),
        (0.293, (512, 20), "atoms", r"shows 5\.86 × 150 Å, at least 10 Å"),
        (1, (8192, 8192), "atoms", "27959 × 27959 pixels at the network's pixel size"),
    ],
)
def test_pixels_that_do_not(sampling, shape, finds, says):
    with pytest.raises(InputError, match=says):
        check_sampling(sampling, 0.293, shape, finds)


def test_the_files_pixel_size_decides_what_was_meant():
    """0.04 nm would be a fine pixel size, but the file knows another one."""
    with pytest.raises(InputError, match=r"looks like 0\.04 nm, which is 0\.4 Å"):
        check_sampling(0.04, 0.293, (512, 512), "atoms", 0.4)
    with pytest.raises(InputError, match="bin the image"):
        check_sampling(0.04, 0.293, (512, 512), "atoms", 0.2)


def test_a_large_image_that_need_not_grow_is_taken():
    side = int(MOST_PIXELS**0.5) + 100
    check_sampling(0.293, 0.293, (side, side), "atoms")
    check_sampling(0.2, 0.293, (side, side), "atoms")


@pytest.mark.parametrize(("given", "remarked"), [(0.293, False), (0.3, False), (0.33, True), (0.25, True)])
def test_a_given_pixel_size_that_the_file_contradicts(given, remarked):
    micrograph = Micrograph(np.eye(64), given, name="a", metadata={"sampling_in_file": 0.293})
    remark = sampling_remark(micrograph)
    assert (remark is not None) == remarked
    assert sampling_remark(Micrograph(np.eye(64), given)) is None


@pytest.mark.parametrize("shape", [(150, 170), (33, 40), (71, 200)])
def test_white_noise_stays_white(shape):
    """Its variance goes as one over the pixel's area, and neighbours know nothing of each other."""
    noise = np.random.default_rng(0).normal(1e5, 30, (100, 120)).astype(np.float32)
    out = resampled_white(noise, shape)
    assert out.shape == shape
    assert out.mean() == pytest.approx(1e5, abs=1)
    assert out.std() == pytest.approx(30 * np.sqrt(out.size / noise.size), rel=0.06)
    centred = out - out.mean()
    assert abs((centred[:, 1:] * centred[:, :-1]).mean() / out.var()) < 0.06


def test_what_is_shown_stays_in_its_place():
    y, x = np.mgrid[:80, :100]
    spot = np.exp(-((x - 30) ** 2 + (y - 50) ** 2) / (2 * 4**2)).astype(np.float32)
    out = resampled_white(spot, (200, 250))
    y, x = np.mgrid[:200, :250]
    expected = np.exp(-((x - 30.5 * 2.5 + 0.5) ** 2 + (y - 50.5 * 2.5 + 0.5) ** 2) / (2 * 10**2))
    np.testing.assert_allclose(out, expected, atol=0.01)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("48 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory"),
    ],
)
def test_no_memory_is_an_error_about_the_image(error):
    with pytest.raises(InputError, match="field: not enough memory"), enough_memory("field"):
        raise error


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("field"):
        raise RuntimeError("shapes do not fit")


@pytest.fixture
def field(tmp_path):
    """Function that writes a noisy field with a pixel size [nm]; returns its path."""

    def write(name, nm, seed=0):
        path = tmp_path / f"{name}.tif"
        image = np.random.default_rng(seed).poisson(60, (64, 64)).astype("float32")
        tifffile.imwrite(path, image, imagej=True, resolution=(1 / nm, 1 / nm), metadata={"unit": "nm"})
        return path

    return write


@pytest.mark.slow
def test_a_batch_goes_on_past_coarse_pixels(field, spot_weights, tmp_path, capsys):
    images = [field("survey", 30), field("good", 0.0293)]
    out = tmp_path / "out"
    assert main(["infer", "atoms", *map(str, images), "--weights", str(spot_weights), "--out", str(out)]) == 1
    assert "survey: pixels of 300 Å are too coarse" in " ".join(capsys.readouterr().err.split())
    assert (out / "good.csv").is_file()
    assert not (out / "survey.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampling", "code", "says"),
    [
        ("2", 2, "2 Å are too coarse"),
        ("0.0293", 2, "looks like 0.0293 nm, which is 0.293 Å"),
        ("0.2", 0, "0.2 Å per pixel were given, the file says 0.293 Å"),
    ],
)
def test_sampling_beyond_reason(field, spot_weights, tmp_path, capsys, sampling, code, says):
    words = ["infer", "atoms", str(field("a", 0.0293)), "--weights", str(spot_weights)]
    assert main([*words, "--out", str(tmp_path / "out"), "--sampling", sampling]) == code
    assert says in " ".join(capsys.readouterr().err.split())
    if code == 0:
        assert (
            "0.293"
            in json.loads((tmp_path / "out" / "run.json").read_text())["infer atoms"]["a"]["sampling"][
                "remark"
            ]
        )


@pytest.mark.parametrize("command", [["restore"], ["molecules"], ["lattice"], ["occupancy"]])
def test_only_atoms_tell_pixel_sizes(field, tmp_path, capsys, command):
    words = ["infer", *command, str(field("a", 0.0293)), "--out", str(tmp_path / "out")]
    assert main([*words, "--sampling", "auto"]) == 2
    assert "--lattice" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sampling", ["automatic", -1, 0, float("nan")])
def test_what_is_no_pixel_size(sampling):
    with pytest.raises((InputError, TypeError)):
        Reading(sampling=sampling)
