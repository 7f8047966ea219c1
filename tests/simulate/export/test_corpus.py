import csv
import json
from pathlib import Path

import ase.io
import h5py
import numpy as np
import pytest
import tifffile
from faster_coco_eval import COCO
from PIL import Image
from rsciio.hspy import file_reader

from stemforge import read_micrograph
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample, Structure
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import CorpusError, InputError
from stemforge.exchange.formats import FORMATS
from stemforge.infer.molecules.detection import read_molecules
from stemforge.micrograph.annotations import Annotations
from stemforge.options import Progress
from stemforge.simulate import (
    SEGMENTS,
    Export,
    SimulationRecipe,
    export_corpus,
    idpc_image,
    simulate_corpus,
)
from stemforge.simulate.command import export
from stemforge.simulate.labels.vacancies import with_vacancies
from stemforge.simulate.recording.record import corpus_degradation, record, recording_rng

SAMPLING = 0.25


def atoms_sample(index, size=(24, 32), channels=("HAADF",), structure=True):
    rng = np.random.default_rng(index)
    points = rng.uniform(3, np.array(size[::-1]) - 4, (index + 1, 2))
    signal = np.full((len(channels), *size), 0.05, np.float32)
    for x, y in np.rint(points).astype(int):
        signal[:, y, x] = 0.4
    elements = np.array([78, 26] * 4)[: len(points)].astype(np.uint8)
    ones = np.ones(len(points))
    columns = {
        "element": elements,
        "scattering": 0.02 * ones * np.arange(1, len(points) + 1),
        "peak_width_angstrom": ones,
        "noise_width_angstrom": ones,
        "background": 0.05 * ones,
        "contrast": ones,
        "cnr": ones,
    }
    positions = np.column_stack([points * SAMPLING, ones])
    kept = Structure(
        elements, positions.astype(np.float32), np.full(len(points), 3, np.uint8), np.diag([8.0, 6.0, 4.0])
    )
    meta = {"name": f"made-{index:03d}", "drawn": {"microscope": {"energy": 60e3}}, "focus_angstrom": 1.5}
    labels = Annotations(points, columns=columns)
    return Sample(index, signal, SAMPLING, channels, labels, meta, kept if structure else None)


def molecules_sample(index, size=40):
    y, x = np.mgrid[:size, :size]
    points = np.array([[12.0, 20.0], [27.0, 9.0]])
    dx, dy = np.zeros((size, size)), np.zeros((size, size))
    for px, py in points:
        blob = 0.02 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 18)
        dx -= (x - px) * blob / 3
        dy -= (y - py) * blob / 3
    signal = (0.1 + np.stack([dx, dy, -dx, -dy])).astype(np.float32)
    labels = Annotations(points, np.hstack([points - 5, points + 5]), {"species": np.array([1, 0], np.uint8)})
    metadata = {"name": f"guests-{index}", "molecules": ["pyridine", "thiophene"]}
    return Sample(index, signal, SAMPLING, SEGMENTS, labels, metadata)


def write(folder, samples, kind="simulated", **changes):
    degradation = {"dose": 2e4, "source_size": 0.0}
    recipe = {"name": "made", "seed": 7, "degradation": degradation, "reference_dose": 1e4, **changes}
    writer = CorpusWriter(folder, recipe, "a" * 64, kind=kind)
    for shard, sample in enumerate(samples):
        writer.write(shard, [sample])
    return Corpus(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write(tmp_path_factory.mktemp("atoms") / "c", [atoms_sample(i) for i in range(3)])


@pytest.fixture(scope="module")
def molecules(tmp_path_factory):
    guests = {"kind": "zeolite", "guests": {"thiophene": 1, "pyridine": 1, "aniline": 1}}
    folder = tmp_path_factory.mktemp("molecules") / "c"
    return write(folder, [molecules_sample(i) for i in range(2)], support=guests)


def recorded(corpus, i, seed=None):
    sample = corpus[i]
    return record(sample, corpus_degradation(corpus), recording_rng(corpus.recipe, sample.index, seed))


def exported(corpus, out, format, **options):
    settings = Export.from_mapping({"format": format, **options})
    return export_corpus(corpus, out, settings, quiet=True)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# COCO


def test_coco_is_read_by_others(corpus, tmp_path):
    assert exported(corpus, tmp_path / "o", "coco", box=2.0).images == 3
    coco = COCO(str(tmp_path / "o" / "annotations.json"))
    assert len(coco.getImgIds()) == 3
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())} == {78: "Pt", 26: "Fe"}
    assert coco.loadCats(78)[0]["keypoints"] == ["centre"]
    for i, entry in enumerate(coco.loadImgs(coco.getImgIds())):
        picture = Image.open(tmp_path / "o" / "images" / entry["file_name"])
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[entry["id"]]))
        assert picture.size == (32, 24)
        wanted = recorded(corpus, i).labels
        keypoints = np.array([a["keypoints"] for a in annotations])
        np.testing.assert_allclose(keypoints[:, :2] - 0.5, wanted.points, atol=1e-6)
        assert [a["category_id"] for a in annotations] == wanted["element"].tolist()
        boxes = np.array([a["bbox"] for a in annotations])
        np.testing.assert_allclose(boxes[:, 2:], 8, atol=2e-3)  # 2 Å
        np.testing.assert_allclose(boxes[:, :2] + 4, keypoints[:, :2], atol=2e-3)
        np.testing.assert_allclose([a["attributes"]["cnr"] for a in annotations], wanted["cnr"])
        grey = np.asarray(picture.convert("L"), float)
        for x, y in np.rint(wanted.points).astype(int):
            assert grey[y, x] > np.percentile(grey, 80)


@pytest.mark.slow
def test_vacancies_are_exported_by_the_name_of_what_is_missing(tmp_path):
    defects = [{"kind": "vacancy", "element": "S", "fraction": 0.6}]
    recipe = SimulationRecipe.load(
        "mos2-vacancies", {"scan.shape": [48, 48], "num_samples": 2, "defects": defects}
    )
    corpus = simulate_corpus(recipe, tmp_path / "c", workers=1, quiet=True)
    atoms = [len(recorded(corpus, i).labels) for i in range(2)]
    vacancies = [len(corpus[i].metadata["vacancies"]["points"]) for i in range(2)]
    assert atoms == [0, 0]  # MoS₂ itself is the support
    assert min(vacancies) > 3
    recording = record(with_vacancies(corpus[0]), corpus_degradation(corpus), recording_rng(corpus.recipe, 0))
    contents = exported(corpus, tmp_path / "coco", "coco", vacancies=True)
    assert str(contents) == f"2 images with 0 atoms and {sum(vacancies)} vacancies"
    coco = COCO(str(tmp_path / "coco" / "annotations.json"))
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())} == {1016: "S vacancy"}
    keypoints = np.array([a["keypoints"][:2] for a in coco.loadAnns(coco.getAnnIds(imgIds=[1]))])
    np.testing.assert_allclose(keypoints - 0.5, recording.labels.points, atol=1e-6)
    # Once a vacancy, where the recording has it: not beside it as the noise-free image has it.
    assert "vacancies" not in coco.loadImgs([1])[0]
    attributes = [a["attributes"] for a in coco.loadAnns(coco.getAnnIds(imgIds=[1]))]
    for name in ("contrast", "cnr"):
        np.testing.assert_allclose([one[name] for one in attributes], recording.labels[name])
    least = -float(np.median(recording.labels["cnr"]))
    assert least > 0
    exported(corpus, tmp_path / "visible", "tiff", vacancies=True, min_cnr=least)
    rows = list(csv.DictReader((tmp_path / "visible" / "mos2-vacancies-000000.csv").read_text().splitlines()))
    assert 0 < len(rows) == np.sum(recording.labels["cnr"] <= -least) < vacancies[0]
    assert {row["label"] for row in rows} == {"S vacancy"}
    with pytest.raises(InputError, match="vacancies for extxyz"):
        exported(corpus, tmp_path / "x", "extxyz", vacancies=True)


def test_a_corpus_that_says_nothing_of_vacancies_is_refused_before_anything_is_written(corpus, tmp_path):
    with pytest.raises(CorpusError, match="says nothing of vacancies"):
        exported(corpus, tmp_path / "o", "coco", vacancies=True)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_can_be_undone(corpus, tmp_path, bits):
    exported(corpus, tmp_path / "o", "coco", bits=bits)
    content = json.loads((tmp_path / "o" / "annotations.json").read_text())
    for i, entry in enumerate(content["images"]):
        grey = np.asarray(Image.open(tmp_path / "o" / "images" / entry["file_name"]))
        assert grey.dtype == (np.uint8 if bits == 8 else np.uint16)
        low, high = entry["intensity"]
        image = recorded(corpus, i).image[0]
        back = low + grey / (2**bits - 1) * (high - low)
        np.testing.assert_allclose(back, np.clip(image, low, high), atol=(high - low) / 2**bits)
        assert entry["dose"] == pytest.approx(2e4)
        assert bits == 8 or (low, high) == (image.min(), image.max())


def test_boxes_of_molecules(molecules, tmp_path):
    exported(molecules, tmp_path / "o", "coco")
    coco = COCO(str(tmp_path / "o" / "annotations.json"))
    # Numbered by the recipe's guests, whether or not one occurs: the same in every part of a corpus.
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    assert names == {1: "aniline", 2: "pyridine", 3: "thiophene"}
    for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[1])):
        number = annotation["attributes"]["species"]
        assert names[annotation["category_id"]] == ["pyridine", "thiophene"][number]
        x, y, w, h = annotation["bbox"]
        np.testing.assert_allclose(
            [x, y, x + w, y + h], molecules[0].labels.boxes[1 - number] + 0.5, atol=1e-3
        )
        assert annotation["area"] == pytest.approx(w * h)


def test_boxes_of_molecules_by_another_definition(molecules, tmp_path):
    exported(molecules, tmp_path / "o", "coco", boxes=0.5)
    coco = COCO(str(tmp_path / "o" / "annotations.json"))
    assert coco.dataset["info"]["boxes"] == 0.5
    held = molecules[0].labels.boxes
    for annotation, box in zip(coco.loadAnns(coco.getAnnIds(imgIds=[1])), held, strict=True):
        # 1.2 Å less on each side; their atoms are not kept.
        np.testing.assert_allclose(annotation["bbox"][2:], box[2:] - box[:2] - 2.4 / SAMPLING, atol=1e-3)
    exported(molecules, tmp_path / "t", "tiff", boxes=0.5)
    table = read_molecules(tmp_path / "t" / "guests-0.csv")
    assert table["boxes"].tolist() == [0.5, 0.5]
    exported(molecules, tmp_path / "d", "tiff")
    assert read_molecules(tmp_path / "d" / "guests-0.csv")["boxes"].tolist() == ["van-der-waals"] * 2
    exported(molecules, tmp_path / "h", "hyperspy", boxes=0.5)


def test_faint_atoms_can_be_left_out(corpus, tmp_path):
    cnr = [recorded(corpus, i).labels["cnr"] for i in range(3)]
    limit = (cnr[2][0] + cnr[2][1]) / 2
    left = [int((values >= limit).sum()) for values in cnr]
    assert 0 < left[2] < len(cnr[2])
    exported(corpus, tmp_path / "o", "coco", min_cnr=limit)
    coco = COCO(str(tmp_path / "o" / "annotations.json"))
    assert [len(coco.getAnnIds(imgIds=[i])) for i in (1, 2, 3)] == left


def test_one_detector_of_two(tmp_path):
    corpus = write(tmp_path / "c", [atoms_sample(0, channels=("HAADF", "MAADF"))])
    exported(corpus, tmp_path / "o", "coco", channel="MAADF", clean=True, bits=16)
    content = json.loads((tmp_path / "o" / "annotations.json").read_text())
    assert content["images"][0]["channel"] == "MAADF"
    exported(corpus, tmp_path / "t", "tiff")
    assert tifffile.imread(tmp_path / "t" / "made-000.tif").shape == (2, 24, 32)
    exported(corpus, tmp_path / "h", "hyperspy")
    (signal,) = file_reader(str(tmp_path / "h" / "made-000.hspy"))
    assert [axis["navigate"] for axis in signal["axes"]] == [True, False, False]


# TIFF and HyperSpy


def test_tiff_and_tables(corpus, tmp_path):
    exported(corpus, tmp_path / "o", "tiff")
    assert sorted(files(tmp_path / "o")) == sorted(
        ["export.json", *(f"made-{i:03d}.{end}" for i in range(3) for end in ("csv", "tif"))]
    )
    for i in range(3):
        path = tmp_path / "o" / f"made-{i:03d}.tif"
        recording = recorded(corpus, i)
        with tifffile.TiffFile(path) as tiff:
            np.testing.assert_array_equal(tiff.asarray(), recording.image[0])
            assert tiff.asarray().dtype == np.float32
            assert tiff.imagej_metadata["unit"] == "nm"
            numerator, denominator = tiff.pages[0].tags["XResolution"].value
            assert denominator / numerator == pytest.approx(SAMPLING / 10, rel=1e-5)
            assert json.loads(tiff.imagej_metadata["Info"])["dose"] == pytest.approx(2e4)
        assert read_micrograph(path).sampling == pytest.approx(SAMPLING, rel=1e-5)
        table = path.with_suffix(".csv")
        assert table.read_text().startswith("x_px,y_px,x_nm,y_nm,label,")
        labels = Annotations.from_csv(table, shape=(24, 32))
        np.testing.assert_allclose(labels.points, recording.labels.points, atol=1e-3)
        np.testing.assert_allclose(labels["cnr"], recording.labels["cnr"], rtol=1e-4)
        np.testing.assert_allclose(labels["x_nm"], recording.labels.points[:, 0] * SAMPLING / 10, atol=1e-4)


def test_tables_of_molecules_have_the_columns_of_detections(molecules, tmp_path):
    exported(molecules, tmp_path / "o", "tiff")
    header, *rows = (tmp_path / "o" / "guests-0.csv").read_text().splitlines()
    assert header.startswith("x0_px,y0_px,x1_px,y1_px,")
    assert [row.split(",")[header.split(",").index("label")] for row in rows] == ["thiophene", "pyridine"]
    image = read_micrograph(tmp_path / "o" / "guests-0.tif").image
    np.testing.assert_array_equal(image, recorded(molecules, 0).image[0])


def test_hyperspy(corpus, tmp_path):
    exported(corpus, tmp_path / "o", "hyperspy")
    (signal,) = file_reader(str(tmp_path / "o" / "made-002.hspy"))
    recording = recorded(corpus, 2)
    np.testing.assert_array_equal(signal["data"], recording.image[0])
    for axis, name, size in zip(signal["axes"], "yx", (24, 32), strict=True):
        assert (axis["name"], axis["units"], axis["size"]) == (name, "nm", size)
        assert axis["scale"] == pytest.approx(SAMPLING / 10)
    metadata = signal["metadata"]
    assert metadata["Acquisition_instrument"]["TEM"]["beam_energy"] == 60
    np.testing.assert_allclose(metadata["Stemforge"]["labels"]["x_px"], recording.labels.points[:, 0])
    assert json.loads(metadata["Stemforge"]["label_names"]) == ["Pt", "Fe", "Pt"]
    assert read_micrograph(tmp_path / "o" / "made-002.hspy").sampling == pytest.approx(SAMPLING)
    with h5py.File(tmp_path / "o" / "made-002.hspy") as h5:
        assert h5.attrs["file_format"] == "HyperSpy"


# Structures


def test_structures(corpus, tmp_path):
    assert exported(corpus, tmp_path / "o", "extxyz").images == 3
    frames = ase.io.read(tmp_path / "o" / "structures.extxyz", index=":")
    assert [frame.info["sample"] for frame in frames] == [0, 1, 2]
    for frame, sample in zip(frames, corpus, strict=True):
        np.testing.assert_array_equal(frame.numbers, sample.structure.numbers)
        np.testing.assert_allclose(frame.positions, sample.structure.positions, atol=1e-6)
        np.testing.assert_array_equal(frame.get_tags(), sample.structure.tags)
        np.testing.assert_allclose(frame.cell, sample.structure.cell)
        assert frame.info["name"] == sample.metadata["name"]
        assert frame.info["focus_angstrom"] == 1.5


@pytest.mark.slow
@pytest.mark.parametrize("turned", [False, True])
def test_atoms_of_a_structure_are_found_on_the_image(turned, tmp_path):
    changes = {"scan.shape": [64, 80], "scan.margin": 2, "num_samples": 1, "single_atoms.0.areal_density": 2}
    if turned:
        changes |= {"scan.shape": [40, 48], "scan.rotation": 0.4, "scan.shift": [1.5, -2.0]}
        changes |= {"microscope.focal_spread": 0, "microscope.detectors.rings": {"ADF": [40, 90]}}
        changes["engine"] = {"name": "prism", "interpolation": 1, "frozen_phonons": 0}
    recipe = SimulationRecipe.load("si-graphene", changes)
    corpus = simulate_corpus(recipe, tmp_path / "c", workers=1, quiet=True)
    exported(corpus, tmp_path / "o", "extxyz")
    frame = ase.io.read(tmp_path / "o" / "structures.extxyz")
    labels = corpus[0].labels
    assert len(labels)
    x, y = (frame.positions[:, :2] - frame.info["scan_origin_angstrom"]).T
    turn = frame.info["scan_rotation_rad"]
    assert turn == (0.4 if turned else 0)
    pixels = np.column_stack([x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)])
    atoms = frame.numbers == labels["element"][0]
    distances = np.linalg.norm(
        labels.points[:, None] - (pixels / frame.info["sampling_angstrom"])[atoms], axis=2
    )
    assert distances.min(axis=1).max() < 1e-3


# Degradation


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_export_twice(corpus, tmp_path, format):
    for name in ("one", "two"):
        exported(corpus, tmp_path / name, format)
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.keys() == two.keys()
    if format != "hyperspy":  # HDF5 keeps times
        assert one == two


def test_the_seed_changes_the_noise_and_nothing_else(corpus, tmp_path):
    for seed in (None, 7, 8):
        exported(corpus, tmp_path / str(seed), "tiff", seed=seed)
    first, same, other = (tifffile.imread(tmp_path / s / "made-001.tif") for s in ("None", "7", "8"))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    assert first.mean() == pytest.approx(other.mean(), rel=0.05)


def test_clean_images_are_the_signals(corpus, molecules, tmp_path):
    exported(corpus, tmp_path / "a", "tiff", clean=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a" / "made-000.tif"), corpus[0].signal[0])
    exported(molecules, tmp_path / "m", "tiff", clean=True)
    wanted = idpc_image(molecules[0].signal, SAMPLING)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m" / "guests-0.tif"), wanted)


def test_several_doses(corpus, tmp_path):
    assert exported(corpus, tmp_path / "o", "tiff", doses=[1e3, 2.5e6]).images == 6
    low, high = (tifffile.imread(tmp_path / "o" / f"made-001_{d}eA2.tif") for d in ("1000", "2.5e06"))
    assert high.mean() / low.mean() == pytest.approx(2500, rel=0.1)
    record_ = json.loads((tmp_path / "o" / "export.json").read_text())
    assert record_["doses"] == [1e3, 2.5e6]
    assert record_["recipe_hash"] == "a" * 64


def test_labels_move_with_the_drift(tmp_path):
    torn = {"dose": 1e6, "source_size": 0.0, "tear": 5 * SAMPLING, "tear_position": 0.0}
    corpus = write(tmp_path / "c", [atoms_sample(2)], degradation=torn)
    exported(corpus, tmp_path / "o", "tiff")
    labels = Annotations.from_csv(tmp_path / "o" / "made-002.csv")
    moved = corpus[0].labels.points + np.array([5, 0])
    np.testing.assert_allclose(labels.points, moved[moved[:, 0] <= 31.5], atol=2e-3)


def test_measured_images_are_exported_as_they_are(tmp_path, write_blobs):
    corpus = Corpus(write_blobs(tmp_path / "c", 2, size=40))
    exported(corpus, tmp_path / "o", "tiff")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o" / "blobs-001.tif"), corpus[1].signal[0])
    exported(corpus, tmp_path / "j", "coco")
    coco = COCO(str(tmp_path / "j" / "annotations.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["atom"]


@pytest.mark.parametrize("name", ["../../evil", "a/b", "/etc/x", ".hidden", "", "é ü"])
def test_names_from_a_file_stay_in_the_folder(tmp_path, name):
    samples = []
    for i in range(2):
        sample = atoms_sample(i)
        sample.metadata["name"] = name
        samples.append(sample)
    corpus = write(tmp_path / "c", samples)
    before = {p for p in tmp_path.rglob("*") if tmp_path / "o" not in p.parents}
    exported(corpus, tmp_path / "o", "tiff")
    after = {p for p in tmp_path.rglob("*") if tmp_path / "o" not in p.parents}
    assert after - before == {tmp_path / "o"}
    assert len(list((tmp_path / "o").glob("*.tif"))) == 2  # the same name twice, both kept


# Refusals


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_in_use_is_left_alone(corpus, tmp_path, format):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        exported(corpus, tmp_path / "o", format)
    assert files(tmp_path / "o") == {"mine.txt": b"mine"}
    with pytest.raises(InputError, match="is a file"):
        exported(corpus, tmp_path / "o" / "mine.txt", format)


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("png", {}, "'coco', 'extxyz', 'geojson', 'hyperspy'"),
        ("tiff", {"doses": [1e3], "clean": True}, "either doses or clean"),
        ("tiff", {"doses": [1e3, 1e3]}, "named twice"),
        ("tiff", {"doses": [0.0]}, "greater than 0"),
        ("tiff", {"doses": [float("nan")]}, "finite|greater than 0"),
        ("extxyz", {"doses": [1e3]}, "structures have no noise"),
        ("coco", {"box": 0.0}, "'box'"),
        ("coco", {"bits": 12}, "bits"),
        ("coco", {"channel": "ABF"}, "channels HAADF"),
    ],
)
def test_options_that_cannot_be(corpus, tmp_path, format, options, message):
    with pytest.raises(InputError, match=message):
        exported(corpus, tmp_path / "o", format, **options)
    assert not (tmp_path / "o").exists()


def test_corpora_that_lack_what_is_wanted(molecules, tmp_path, write_blobs):
    bare = write(tmp_path / "bare", [atoms_sample(0, structure=False)])
    measured = Corpus(write_blobs(tmp_path / "m", 1, size=40, sampling=None))
    for corpus, format, options, message in (
        (bare, "extxyz", {}, "store_structures"),
        (measured, "coco", {}, "no pixel size"),
        (measured, "tiff", {"doses": [1e3]}, "measured images"),
        (molecules, "coco", {"min_cnr": 3.0}, "no contrast-to-noise"),
    ):
        with pytest.raises((CorpusError, InputError), match=message):
            exported(corpus, tmp_path / "o", format, **options)
        assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("format", "dose", "printed"),
    [
        ("tiff", [1e3, 1e4], "o: 6 images with {labels} atoms as tiff"),
        ("napari", None, "o: {labels} atoms of 3 images as napari"),
        ("extxyz", None, "o: 3 structures with {atoms} atoms as extxyz"),
    ],
)
def test_the_command_says_what_it_wrote(corpus, tmp_path, capsys, monkeypatch, format, dose, printed):
    monkeypatch.chdir(tmp_path)
    export([corpus.folder], out=Path("o"), format=format, dose=dose, progress=Progress(quiet=True))
    labels = sum(len(sample.labels) for sample in corpus) * len(dose or [0])
    atoms = sum(len(sample.structure.numbers) for sample in corpus)
    assert capsys.readouterr().err.splitlines()[-1] == printed.format(labels=labels, atoms=atoms)
    assert len(list(Path("o").glob("*.tif"))) == {"tiff": 6, "napari": 3, "extxyz": 0}[format]


def test_molecules_are_counted_as_such(molecules, tmp_path):
    number = sum(len(sample.labels) for sample in molecules)
    assert str(exported(molecules, tmp_path / "o", "coco")) == f"2 images with {number} molecules"
