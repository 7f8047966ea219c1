import json

import numpy as np
import pytest

from stemforge import Annotations, CorpusError, InputError
from stemforge.__main__ import main
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.evaluate import evaluate_molecules, score_boxes
from stemforge.infer.molecules.detection import read_molecules
from stemforge.simulate import BoxDefinition

HEADER = "x0_px,y0_px,x1_px,y1_px,label"


def _table(boxes, labels="pyridine", scores=None):
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    labels = [labels] * len(boxes) if isinstance(labels, str) else labels
    columns = {"label": np.array(labels, dtype=object)}
    if scores is not None:
        columns["score"] = np.asarray(scores, float)
    return Annotations.of_boxes(boxes, columns)


def _grid(count, side=20):
    x, y = np.meshgrid(np.arange(count), np.arange(10))
    corners = 30.0 * np.column_stack([x.ravel(), y.ravel()])
    return np.hstack([corners, corners + side])


def test_perfect_beyond_a_hundred():
    boxes = _grid(30)
    score = score_boxes([_table(boxes, scores=np.full(300, 0.9))], [_table(boxes)])
    assert (score.ap, score.ap50, score.ar) == pytest.approx((1, 1, 1))
    assert (score.images, score.truth, score.predicted) == (1, 300, 300)


def test_shifted_boxes_lose_at_the_strict_limits():
    boxes = _grid(3)
    # 2 of 20 pixels: IoU 0.818, above seven of the ten limits.
    score = score_boxes([_table(boxes + np.array([2, 0, 2, 0]), scores=np.full(30, 0.9))], [_table(boxes)])
    assert score.ap50 == pytest.approx(1)
    assert score.ap == pytest.approx(0.7)
    assert score.ar == pytest.approx(0.7)


def test_classes_count_unless_they_are_left_aside():
    boxes = _grid(1)
    truth = _table(boxes, ["pyridine", "thiophene"] * 5)
    found = _table(boxes, "pyridine", np.full(10, 0.9))
    score = score_boxes([found], [truth])
    assert score.classes["thiophene"]["ap"] == 0
    assert 0.2 < score.ap < 0.4
    assert score_boxes([found], [truth], one_class=True).ap == pytest.approx(1)


def test_sizes_are_divided_at_the_given_side():
    small, middle, large = [0, 0, 10, 10], [50, 50, 80, 80], [100, 100, 160, 160]
    truth = _table([small, middle, large])
    found = _table([small, large], scores=[0.9, 0.8])
    score = score_boxes([found], [truth])
    assert (score.ar_small, score.ar_medium, score.ar_large) == pytest.approx((1, 0, 1))
    assert score_boxes([found], [truth], small=100).ar_medium is None


@pytest.mark.parametrize("empty", ["pred", "truth", "both"])
def test_empty_tables(empty):
    one = _table([[0, 0, 20, 20]], scores=[0.9])
    nothing = _table([], scores=[])
    score = score_boxes([one if empty == "truth" else nothing], [one if empty == "pred" else nothing])
    assert score.ap == (0 if empty == "pred" else None)


def test_numbers_that_do_not_fit():
    one = _table([[0, 0, 20, 20]], scores=[0.9])
    with pytest.raises(InputError, match="2 predictions"):
        score_boxes([one, one], [one])
    with pytest.raises(InputError, match="small"):
        score_boxes([one], [one], small=0)


@pytest.fixture
def folders(tmp_path):
    for name, columns, rows in (
        ("pred", f"{HEADER},score", ["0,0,20,20,pyridine,0.9", "40,40,60,60,thiophene,0.4"]),
        ("truth", HEADER, ["0,0,20,21,pyridine", "40,40,60,60,thiophene"]),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "img_001.csv").write_text("\n".join([columns, *rows]) + "\n")
        (tmp_path / name / "img_002.csv").write_text(columns + "\n")
    return tmp_path / "pred", tmp_path / "truth"


def test_folders(folders):
    evaluation = evaluate_molecules(*folders)
    assert evaluation.score.ap50 == pytest.approx(1)
    assert evaluation.score.classes["thiophene"]["ap"] == pytest.approx(1)
    assert evaluation.images["img_001"].truth == 2
    assert evaluation.images["img_002"].ap is None
    assert evaluate_molecules(*folders, min_score=0.5).score.predicted == 1


def test_a_corpus_as_truth(folders, tmp_path):
    writer = CorpusWriter(tmp_path / "corpus", {"name": "x"}, "0" * 64)
    for index, boxes in enumerate(([[0, 0, 20, 21], [40, 40, 60, 60]], [])):
        table = np.asarray(boxes, float).reshape(-1, 4)
        labels = Annotations.of_boxes(table, {"species": np.arange(len(table))})
        metadata = {"name": f"img_{index + 1:03d}", "molecules": ["pyridine", "thiophene"]}
        sample = Sample(index, np.ones((4, 8, 8), "float32"), 0.25, tuple("abcd"), labels, metadata)
        writer.write(index, [sample])
    evaluation = evaluate_molecules(folders[0], tmp_path / "corpus")
    assert evaluation.score.ap50 == pytest.approx(1)


def test_a_corpus_without_boxes(folders, write_blobs, tmp_path):
    with pytest.raises(CorpusError, match="boxes"):
        evaluate_molecules(folders[0], write_blobs(tmp_path / "blobs"))


def test_no_class_in_common(folders):
    path = folders[0] / "img_001.csv"
    path.write_text(path.read_text().replace("pyridine", "molecule").replace("thiophene", "molecule"))
    with pytest.raises(InputError, match="one_class"):
        evaluate_molecules(*folders)
    assert evaluate_molecules(*folders, one_class=True).score.ap50 == pytest.approx(1)


def test_the_command(folders, tmp_path, capsys):
    pred, truth = map(str, folders)
    words = ["evaluate", "molecules", "--pred", pred, "--truth", truth]
    assert main([*words, "--json", str(tmp_path / "scores.json")]) == 0
    assert "thiophene" in capsys.readouterr().out
    assert json.loads((tmp_path / "scores.json").read_text())["score"]["ap50"] == pytest.approx(1)
    assert main([*words[:3], str(tmp_path / "none"), *words[4:]]) == 2
    (folders[1] / "img_003.csv").write_text(HEADER + "\n")
    assert main(words) == 2
    assert "img_003" in capsys.readouterr().err


NM = "x0_nm,y0_nm,x1_nm,y1_nm"


def _write(folder, margin, boxes, sampling=0.25):
    folder.mkdir()
    rows = [f"{HEADER},score,{NM},boxes"]
    for box in boxes:
        nm = ["" if sampling is None else f"{v * sampling / 10:.4f}" for v in box]
        rows.append(",".join([*map(str, box), "pyridine", "0.9", *nm, str(margin)]))
    (folder / "img_001.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_boxes_of_two_definitions_are_scored_in_one(tmp_path):
    # The same molecule: 1.7 Å and 0.7 Å round the centres of carbon, 4 pixels apart.
    spheres = _write(tmp_path / "spheres", "van-der-waals", [[10, 10, 34, 34]])
    centres = _write(tmp_path / "centres", 0.7, [[14, 14, 30, 30]])
    for pred, truth in ((spheres, centres), (centres, spheres)):
        for boxes in (None, BoxDefinition(), BoxDefinition(2.0)):
            assert evaluate_molecules(pred, truth, boxes=boxes).score.ap == pytest.approx(1)
    evaluation = evaluate_molecules(centres, spheres)
    assert evaluation.boxes == BoxDefinition(0.7)
    evaluation.to_json(tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text())["boxes"] == {"margin": 0.7}
    # Taken as they come they would overlap by 0.44.
    names = ("img_001.csv",) * 2
    raw = [read_molecules(folder / name) for folder, name in zip((spheres, centres), names, strict=True)]
    assert score_boxes(raw[:1], raw[1:]).ap50 == 0


def test_a_definition_that_cannot_be_converted(tmp_path):
    pred = _write(tmp_path / "pred", 0.7, [[14, 14, 30, 30]], sampling=None)
    truth = _write(tmp_path / "truth", "van-der-waals", [[10, 10, 34, 34]], sampling=None)
    with pytest.raises(
        InputError, match=r"van-der-waals, wanted are 0\.7 Å round atom centres; without a pixel size"
    ):
        evaluate_molecules(pred, truth)
    text = (pred / "img_001.csv").read_text()
    (pred / "img_001.csv").write_text(text + "0,0,9,9,pyridine,0.8,,,,,van-der-waals\n")
    with pytest.raises(InputError, match="different definitions"):
        evaluate_molecules(pred, truth)
    (pred / "img_001.csv").write_text(text.replace("0.7", "tight"))
    with pytest.raises(InputError, match="boxes must be"):
        evaluate_molecules(pred, truth)
    assert main(["evaluate", "molecules", "--pred", str(truth), "--truth", str(truth), "--boxes", "-1"]) == 2


def test_the_pixel_size_of_either_table_serves_both(tmp_path):
    pred = _write(tmp_path / "pred", 0.7, [[14, 14, 30, 30], [50, 14, 66, 30]], sampling=None)
    truth = _write(tmp_path / "truth", "van-der-waals", [[10, 10, 34, 34], [46, 10, 70, 34]])
    path = truth / "img_001.csv"
    lines = path.read_text().splitlines()
    lines[2] = ",".join(
        [*lines[2].split(",")[:6], "", "", "", "", "van-der-waals"]
    )  # nm of the first row alone
    path.write_text("\n".join(lines) + "\n")
    for boxes in (None, BoxDefinition()):
        assert evaluate_molecules(pred, truth, boxes=boxes).score.ap == pytest.approx(1)


@pytest.mark.parametrize("score", ["", "nan", "inf"])
def test_scores_that_are_no_numbers_are_refused(folders, score):
    path = folders[0] / "img_001.csv"
    lines = path.read_text().splitlines()
    place = lines[0].split(",").index("score")
    cells = lines[1].split(",")
    cells[place] = score
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(InputError, match="img_001 holds scores"):
        evaluate_molecules(*folders)
