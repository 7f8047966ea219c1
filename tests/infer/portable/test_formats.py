"""Exported detectors against stemforge: sizes, real and synthetic images, formats, the example without stemforge."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from stemforge import InputError, Micrograph, WeightsError, read_micrograph
from stemforge.infer import Detector, DetectorGraph, atom_finder, export_detector
from stemforge.infer.decision import CANDIDATE
from stemforge.infer.portable.description import describe
from stemforge.infer.portable.formats import TOLERANCE, run_onnx
from stemforge.infer.portable.graph import highest_around
from stemforge.train import AtomNet, AtomNetSettings, Card, load_weights, save_weights
from stemforge.train.atom_net.preparation import Standardisation, standardise_image

EXAMPLE = Path(__file__).parents[3] / "examples" / "onnx_atoms.py"
SIZES = ((16, 16), (17, 200), (150, 23), (64, 64), (101, 99), (255, 130), (33, 257), (97, 96))


def _noisy(shape, seed, offset=1000.0, noise=30.0):
    rng = np.random.default_rng(seed)
    image = rng.normal(offset, noise, shape)
    y, x = np.indices(shape)
    for _ in range(3):
        a, b = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        image += 8 * noise * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 27)
    return image.astype(np.float32)


def _images(folder):
    """Return 20 images of odd sizes: parts of real ones, others with offsets, a ramp, whole numbers, a hot pixel."""
    images = [_noisy(shape, seed) for seed, shape in enumerate(SIZES)]
    images.append(_noisy((70, 45), 50, offset=1e5, noise=3.0))
    images.append(_noisy((45, 71), 51) + np.linspace(0, 3000, 71, dtype=np.float32))
    images.append(_noisy((59, 60), 52).round(-2))
    images.append(np.pad([[1e6]], ((20, 30), (40, 11))).astype(np.float32) + _noisy((51, 52), 53))
    rng = np.random.default_rng(7)
    for path in sorted(folder.glob("*.tif"))[:8]:
        height, width = rng.integers(40, 300, 2)
        images.append(read_micrograph(path).image[30 : 30 + height, 11 : 11 + width])
    return images


def _differences(run, model, card, images):
    found = []
    for image in images:
        likelihood, find = atom_finder(model, card, image)
        maps = run(np.array(image)[None, None])
        found.append(float(np.abs(maps["likelihood"][0, 0] - likelihood).max()))
        atoms = find(CANDIDATE)
        y, x = np.nonzero(maps["peak"][0, 0])
        points = np.column_stack([x, y]) + maps["offset"][0, :, y, x]
        order = np.argsort(-maps["likelihood"][0, 0, y, x], kind="stable")
        if found[-1] < TOLERANCE:
            np.testing.assert_allclose(
                np.sort(points[order], axis=0), np.sort(atoms.points, axis=0), atol=1e-3
            )
    return np.array(found)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    made = export_detector("atom-net", tmp_path_factory.mktemp("package") / "atom-net.zip")
    assert made.difference < TOLERANCE
    return made.path


@pytest.fixture(scope="module")
def onnx_file(package):
    path = package.with_suffix(".onnx")
    with zipfile.ZipFile(package) as archive:
        path.write_bytes(archive.read("model.onnx"))
    return path


@pytest.mark.slow
def test_onnx_agrees_on_twenty_images_and_another_network_does_not(onnx_file, data_dir):
    run = run_onnx(onnx_file.read_bytes())
    images = _images(data_dir / "pt-nc" / "images")
    assert len(images) == 20
    assert _differences(run, *load_weights("atom-net"), images).max() < TOLERANCE
    assert _differences(run, *load_weights("any-atom"), images[-3:]).min() > 100 * TOLERANCE


@pytest.mark.slow
def test_a_uniform_image_holds_no_atom_and_sizes_have_names(onnx_file):
    maps = run_onnx(onnx_file.read_bytes())(np.full((1, 1, 40, 31), 7, np.float32))
    assert maps["likelihood"].max() == 0
    assert maps["peak"].max() == 0
    import onnx

    model = onnx.load(onnx_file)
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [axis.dim_param or axis.dim_value for axis in shape] == [1, 1, "height", "width"]


@pytest.mark.slow
@pytest.mark.parametrize("sampling", [0.293, 0.2, 0.45])
def test_the_example_finds_the_same_atoms_without_stemforge(onnx_file, data_dir, tmp_path, sampling):
    image = read_micrograph(sorted((data_dir / "pt-nc" / "images").glob("*.tif"))[1]).image[:301, 50:350]
    tifffile.imwrite(tmp_path / "image.tif", image)
    # Whoever imports torch or stemforge in it is told so.
    blocked = "import sys; sys.modules.update(torch=None, stemforge=None); import runpy; "
    words = [str(EXAMPLE), str(onnx_file), "image.tif", "--sampling", str(sampling), "--out", "atoms.csv"]
    code = f"{blocked}sys.argv={words!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    table = np.loadtxt(tmp_path / "atoms.csv", delimiter=",", skiprows=1, ndmin=2)
    found = Detector.from_pretrained("atom-net").predict(image, sampling=sampling).atoms
    assert len(found) > 3
    assert len(table) == len(found)
    np.testing.assert_allclose(table[:, 2], found["score"], atol=1e-4)
    nearest = np.hypot(*(table[:, None, :2] - found.points[None]).T).min(axis=0)
    assert nearest.max() < 2.0  # the fit moves an atom by less than its width


@pytest.mark.slow
def test_the_package_is_valid(package):
    core = pytest.importorskip("bioimageio.core")
    summary = core.test_model(package)
    assert summary.status == "passed", summary.display()


@pytest.fixture
def small(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    settings = AtomNetSettings(width=4, levels=2)
    card = Card("atom-net", 0.3, settings={"width": 4, "levels": 2})
    save_weights(path, AtomNet(settings), card)
    return path


@pytest.mark.slow
def test_a_program_of_torch_export_agrees(small, tmp_path):
    path = export_detector(small, tmp_path / "small.pt2").path
    facts = {"stemforge.json": ""}
    module = torch.export.load(path, extra_files=facts).module()
    assert '"sampling": 0.3' in facts["stemforge.json"]
    model, card = load_weights(small)
    for seed, shape in enumerate(SIZES):
        image = _noisy(shape, seed)
        likelihood, _ = atom_finder(model, card, image)
        with torch.inference_mode():
            found = module(torch.from_numpy(image)[None, None])[0][0, 0]
        np.testing.assert_allclose(found, likelihood, atol=1e-6)


def test_the_graph_is_what_stemforge_does():
    model, card = load_weights("atom-net")
    graph = DetectorGraph(model, card)
    image = _noisy((90, 75), 3)
    with torch.inference_mode():
        likelihood, peak, *_ = graph(torch.from_numpy(image)[None, None])
    expected, find = atom_finder(model, card, image)
    np.testing.assert_allclose(likelihood[0, 0], expected, atol=1e-5)
    assert int(peak.sum()) == len(find(CANDIDATE)) > 0


@pytest.mark.parametrize("shape", [(2, 5), (30, 7), (130, 250)])
def test_preparation_of_tensors_is_that_of_arrays(shape):
    image = _noisy(shape, 1, offset=4e4)
    tensor = Standardisation()(torch.from_numpy(image)[None, None])[0, 0]
    np.testing.assert_allclose(tensor, standardise_image(image), atol=2e-3)


def test_the_highest_around_is_that_of_the_search():
    from scipy import ndimage

    from stemforge.infer.atoms.peaks import DISC

    values = np.random.default_rng(0).random((23, 40), dtype=np.float32)
    highest = highest_around(torch.from_numpy(values)[None, None])[0, 0]
    np.testing.assert_array_equal(highest, ndimage.maximum_filter(values, footprint=DISC))


@pytest.mark.parametrize(
    ("weights", "name", "message"),
    [
        ("sac-cnn", "a.pt2", "median over 40 × 40"),
        ("divaesr", "a.pt2", "needed are those of sac-cnn or atom-net"),
        ("nothing", "a.pt2", "names of weights that come with stemforge are any-atom, atom-net"),
        ("atom-net", "a.pth", "must end in .onnx, .pt2, .zip"),
    ],
)
def test_what_cannot_be_exported_is_refused(weights, name, message, tmp_path):
    with pytest.raises(InputError, match=message):
        export_detector(weights, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_weights_without_a_pixel_size_are_refused():
    with pytest.raises(WeightsError, match="do not say at which pixel size"):
        describe(Card("atom-net"))


def test_a_detector_takes_arrays_and_micrographs():
    detector = Detector.from_pretrained("atom-net")
    image = _noisy((80, 60), 2)
    found = detector.predict(image, sampling=0.293)
    again = detector.predict(Micrograph(image, 0.293))
    assert len(found.atoms) > 0
    np.testing.assert_array_equal(found.atoms.points, again.atoms.points)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (None, "sampling is missing; give the side of a pixel in Å"),
        (2.0, "too coarse"),
        (0.0293, "looks like 0.0293 nm"),
        (-1, "must be a positive length"),
        (float("nan"), "must be a positive length"),
        ("0.3", "must be the side of a pixel in Å"),
        (True, "must be the side of a pixel in Å"),
    ],
)
def test_a_detector_refuses_pixel_sizes_that_cannot_be(sampling, message):
    detector = Detector.from_pretrained("atom-net")
    with pytest.raises(InputError, match=message):
        detector.predict(_noisy((400, 400), 2), sampling)


def test_a_detector_s_unknown_name_lists_those_that_are_known():
    with pytest.raises(InputError, match="are any-atom, atom-net, divaesr"):
        Detector.from_pretrained("atomnet")
