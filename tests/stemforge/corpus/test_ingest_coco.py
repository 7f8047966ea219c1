"""COCO files made into a corpus: there and back by `export`, read by COCO's own reader, and what is refused."""

import json

import numpy as np
import pytest
from faster_coco_eval import COCO
from PIL import Image

from stemforge import Corpus, InputError
from stemforge.__main__ import main
from stemforge.corpus.ingest import ingest_images
from stemforge.errors import AnnotationsError
from stemforge.micrograph.coco import read_coco

CATEGORIES = [{"id": 3, "name": "pyridine"}, {"id": 8, "name": "thiophene"}]


def image(number=1, name="a.png", width=40, height=30):
    return {"id": number, "file_name": name, "width": width, "height": height}


def box(number=1, of=1, category=3, bbox=(2.0, 3.0, 10.0, 8.0), **more):
    return {"id": number, "image_id": of, "category_id": category, "bbox": list(bbox), **more}


def content(**changes):
    annotations = [box(), box(2, category=8, bbox=(20, 5, 6, 9)), box(3, of=2, bbox=(0, 0, 40, 30))]
    return {
        "images": [image(), image(2, "b.png")],
        "annotations": annotations,
        "categories": CATEGORIES,
    } | changes


def write(folder, **changes):
    folder.mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        grey = np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)
        Image.fromarray(grey).save(folder / name)
    path = folder / "annotations.json"
    path.write_text(json.dumps(content(**changes)))
    return path


def test_boxes_and_species_become_labels(tmp_path):
    path = write(tmp_path / "data")
    corpus = ingest_images([tmp_path / "data"], [path], tmp_path / "corpus", sampling=0.25)
    first, second = corpus
    assert (first.metadata["name"], second.metadata["name"]) == ("a", "b")
    np.testing.assert_allclose(first.labels.boxes, [[1.5, 2.5, 11.5, 10.5], [19.5, 4.5, 25.5, 13.5]])
    np.testing.assert_allclose(first.labels.points[0], [6.5, 6.5])
    assert [first.metadata["molecules"][s] for s in first.labels["species"]] == ["pyridine", "thiophene"]
    assert len(second.labels) == 1


def test_there_and_back_by_the_commands(tmp_path):
    path = write(tmp_path / "data")
    folders = [str(tmp_path / name) for name in ("one", "export", "two")]
    ingest = ["--modality", "iDPC", "--sampling", "0.25", "--out"]
    assert main(["ingest", str(tmp_path / "data"), "--labels", str(path), *ingest, folders[0]]) == 0
    assert main(["export", folders[0], "--format", "coco", "--out", folders[1]]) == 0
    back = tmp_path / "export" / "annotations.json"
    assert (
        main(["ingest", str(tmp_path / "export" / "images"), "--labels", str(back), *ingest, folders[2]]) == 0
    )
    for one, two in zip(Corpus(folders[0]), Corpus(folders[2]), strict=True):
        np.testing.assert_allclose(two.labels.boxes, one.labels.boxes, atol=2e-3)
        species = [[s.metadata["molecules"][k] for k in s.labels["species"]] for s in (one, two)]
        assert species[0] == species[1]
    read = COCO(str(back))  # COCO's own reader finds the same
    entries = {entry.file_name: entry for entry in read_coco(back)}
    for number, listed in read.imgs.items():
        stated = [read.anns[k]["bbox"] for k in read.getAnnIds(imgIds=[number])]
        boxes = entries[listed["file_name"]].annotations.boxes
        np.testing.assert_allclose(np.column_stack([boxes[:, :2] + 0.5, boxes[:, 2:] - boxes[:, :2]]), stated)


def test_keypoints_of_atoms_become_points(tmp_path):
    atoms = [box(1, keypoints=[7.5, 8.5, 2], num_keypoints=1), box(2, of=2, keypoints=[1.0, 2.0, 2])]
    path = write(tmp_path / "data", annotations=atoms)
    corpus = ingest_images([tmp_path / "data"], [path], tmp_path / "corpus")
    assert corpus[0].labels.boxes is None
    np.testing.assert_allclose(corpus[0].labels.points, [[7.0, 8.0]])


def test_a_keypoint_that_is_not_marked_is_no_point(tmp_path):
    unmarked = [box(1, keypoints=[0, 0, 0], num_keypoints=0), box(2, of=2, keypoints=[1.0, 2.0, 2])]
    path = write(tmp_path / "data", annotations=unmarked)
    corpus = ingest_images([tmp_path / "data"], [path], tmp_path / "corpus")
    assert corpus[0].labels.boxes is not None  # their middles stand for all


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [box(), box(2)]}, "1 and 2 are the same object"),
        ({"annotations": [box(), box()]}, "annotation id 1 occurs twice"),
        ({"annotations": [box(of=9)]}, "image_id 9 is not in the file"),
        ({"annotations": [box(category=4)]}, "category_id 4 is not in the file"),
        ({"annotations": [box(bbox=(35, 3, 10, 8))]}, "leaves 'a.png' of 40 × 30 pixels"),
        ({"annotations": [box(bbox=(2, -4, 10, 8))]}, "leaves 'a.png'"),
        ({"annotations": [box(bbox=(2, 3, 0, 8))]}, "no area"),
        (
            {"annotations": [box(keypoints=[70.0, 8.5, 2])]},
            "keypoint 70, 8.5 leaves 'a.png' of 40 × 30 pixels",
        ),
        ({"annotations": [box(bbox=(2, 3, 8))]}, "must be 4 numbers"),
        ({"annotations": [box(bbox=(2, 3, True, 8))]}, "must be 4 numbers"),
        ({"annotations": [box(bbox=(float("nan"), 3, 8, 8))]}, "NaN, which is no number"),
        ({"annotations": [box(bbox=(float("inf"), 3, 8, 8))]}, "Infinity, which is no number"),
        ({"annotations": [box(iscrowd=1)]}, "crowd"),
        ({"annotations": [{"id": 1}]}, "is not in the file"),
        ({"images": [image(), image(1, "b.png")]}, "id among images 1 occurs twice"),
        ({"images": [image(), image(2, "x/a.png")]}, "file name 'a.png' occurs twice"),
        ({"images": []}, "lists no images"),
        ({"images": [image(width=-3)]}, "numbers of pixels"),
        ({"categories": [*CATEGORIES, CATEGORIES[0]]}, "id among categories 3 occurs twice"),
        ({"categories": {}}, "'categories' must be a list"),
    ],
)
def test_refusals(tmp_path, changes, message):
    with pytest.raises(AnnotationsError, match=message):
        read_coco(write(tmp_path / "data", **changes))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 100_000, '{"images": [{"id": ' + "9" * 10_000 + "}]}", "\0"], ids=range(6)
)
def test_what_is_no_coco(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(AnnotationsError, match=r"bad\.json"):
        read_coco(tmp_path / "bad.json")


def test_numbers_too_large_for_a_float_are_refused(tmp_path):
    path = write(tmp_path / "data")
    path.write_text(path.read_text().replace("[2.0, 3.0, 10.0, 8.0]", "[1e999, 3.0, 10.0, 8.0]"))
    with pytest.raises(AnnotationsError, match="must be 4 numbers"):
        read_coco(path)


def test_images_and_file_must_fit(tmp_path):
    path = write(tmp_path / "data")
    with pytest.raises(InputError, match=r"not given: b\.png"):
        ingest_images([tmp_path / "data" / "a.png"], [path], tmp_path / "corpus")
    Image.effect_noise((41, 30), 50).save(tmp_path / "data" / "b.png")
    with pytest.raises(InputError, match="41 × 30 pixels"):
        ingest_images([tmp_path / "data"], [path], tmp_path / "corpus")
    Image.effect_noise((40, 30), 50).save(tmp_path / "data" / "b.png")
    Image.effect_noise((40, 30), 50).save(tmp_path / "data" / "c.png")
    with pytest.raises(InputError, match=r"does not list.*c\.png"):
        ingest_images([tmp_path / "data"], [path], tmp_path / "corpus")
    with pytest.raises(InputError, match="stands alone"):
        ingest_images([tmp_path / "data"], [path, tmp_path / "x.csv"], tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
