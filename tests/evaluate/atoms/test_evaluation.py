import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import InputError
from stemforge.evaluate import evaluate_atoms, pair_images
from stemforge.micrograph.annotations import Annotations

SAMPLING = 0.29297


def _predict(folder: Path, name: str, points, scores=None, sampling=SAMPLING):
    folder.mkdir(exist_ok=True)
    columns = {} if scores is None else {"score": np.asarray(scores, dtype=float)}
    Annotations(points, columns=columns).to_csv(folder / f"{name}.csv", sampling)


def _label(folder: Path, name: str, points):
    folder.mkdir(exist_ok=True)
    rows = "".join(f"{i},{x:g},{y:g}\n" for i, (x, y) in enumerate(points, start=1))
    (folder / f"{name}.csv").write_text(f" ,X,Y\n{rows}")


@pytest.fixture
def folders(tmp_path):
    """Two images: 2 of 3 atoms found with one ghost, and 1 of 1 found."""
    pred, truth = tmp_path / "pred", tmp_path / "truth"
    _predict(pred, "021_HAADF_15nm", [[100, 101], [203, 204], [300, 30], [9, 9]], [0.9, 0.8, 0.7, 0.1])
    _predict(pred, "b", [[50, 56]], [0.95])
    (pred / "run.json").write_text("{}")
    (pred / "021_HAADF_15nm.png").write_bytes(b"an overlay")
    _label(truth, "021_Results", [[100, 100], [200, 200], [400, 400]])
    _label(truth, "b", [[50, 50]])
    return pred, truth


def test_scores_by_hand(folders):
    result = evaluate_atoms(*folders, min_score=0.5)
    assert [(i.name, i.truth) for i in result.images] == [("021_HAADF_15nm", "021_Results"), ("b", "b")]
    f1 = {name: [i.scores[name].f1 for i in result.images] for name in result.summary}
    # Distances are 1, 5 and 6 px: 0.29, 1.46 and 1.76 Å.
    assert f1 == {
        "box21_iou0.5": pytest.approx([2 / 3, 1]),
        "0.5 Å": pytest.approx([1 / 3, 0]),
        "1 Å": pytest.approx([1 / 3, 0]),
        "2 Å": pytest.approx([2 / 3, 1]),
    }
    box = result.summary["box21_iou0.5"]
    assert box.mean["f1"] == pytest.approx(5 / 6)
    assert box.sd["f1"] == pytest.approx(np.std([2 / 3, 1], ddof=1))
    assert box.pooled.rmse_px == pytest.approx(np.sqrt((1 + 25 + 36) / 3))
    assert box.pooled.rmse_angstrom == pytest.approx(SAMPLING * np.sqrt(62 / 3), rel=1e-4)
    assert result.images[0].sampling == pytest.approx(SAMPLING, rel=1e-4)


def test_curves_hold_all_predictions_whatever_the_threshold(folders):
    curves = evaluate_atoms(*folders, min_score=0.85).curves
    assert set(curves) == {"box21_iou0.5", "0.5 Å", "1 Å", "2 Å"}
    assert curves["box21_iou0.5"].thresholds[0] == 0.1
    assert curves["box21_iou0.5"].recall[0] == 3 / 4
    assert curves["1 Å"].recall[0] == 1 / 4


def test_without_calibration_criteria_in_angstrom_are_null_with_a_note(folders):
    pred, truth = folders
    _predict(pred, "b", [[50, 56]], [0.95], sampling=None)
    result = evaluate_atoms(pred, truth)
    assert result.summary["1 Å"] is None
    assert result.images[1].scores["1 Å"] is None
    assert result.images[0].scores["1 Å"] is not None
    assert "1 Å" not in result.curves
    assert any("No pixel size for b" in note for note in result.notes)
    assert result.summary["box21_iou0.5"] is not None
    given = evaluate_atoms(pred, truth, sampling=0.3)
    assert given.summary["2 Å"].mean["f1"] is not None
    assert given.images[0].sampling == 0.3


def test_an_empty_table_keeps_the_scores_in_angstrom(folders):
    pred, truth = folders
    _predict(pred, "b", [], [])
    result = evaluate_atoms(pred, truth)
    assert result.images[1].scores["1 Å"].f1 == 0
    assert result.summary["1 Å"].images == 2
    assert len(result.curves) == 4


def test_nothing_predicted_anywhere(tmp_path):
    _predict(tmp_path / "p", "a", [], [])
    _label(tmp_path / "t", "a", [])
    result = evaluate_atoms(tmp_path / "p", tmp_path / "t")
    assert result.summary["box21_iou0.5"].mean["f1"] == 1
    assert result.curves == {}
    result.figure()


def test_a_corpus_is_truth_too(tmp_path):
    writer = CorpusWriter(tmp_path / "corpus", {"name": "demo"}, "0" * 64)
    labels = Annotations([[5, 5], [20, 20]], columns={"visible": [1.0, 0.0]})
    signal = np.ones((1, 32, 32), "float32")
    writer.write(0, [Sample(0, signal, 0.3, ("HAADF",), labels, {"name": "demo_000"})])
    _predict(tmp_path / "p", "demo_000", [[5, 6]], [0.9], sampling=None)
    result = evaluate_atoms(tmp_path / "p", tmp_path / "corpus")
    assert result.summary["1 Å"].mean["f1"] == pytest.approx(2 / 3)  # calibrated by the corpus
    result = evaluate_atoms(tmp_path / "p", tmp_path / "corpus", select=lambda atoms: atoms["visible"] > 0)
    assert result.summary["1 Å"].mean["f1"] == 1

    writer.write(1, [Sample(1, signal, 0.3, ("HAADF",), labels, {})])
    with pytest.raises(InputError, match="1 truth without prediction: 000001"):
        evaluate_atoms(tmp_path / "p", tmp_path / "corpus")


def test_json_is_strict_and_keeps_its_keys(folders, tmp_path):
    pred, truth = folders
    _predict(pred, "b", [[50, 56]], [0.95], sampling=None)
    result = evaluate_atoms(pred, truth)
    path = tmp_path / "scores.json"
    result.to_json(path)

    def refuse(name):
        raise AssertionError(f"{name} is no strict JSON")

    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert read == result.to_dict()
    assert [*read] == [
        *("schema", "software", "pred", "truth", "criteria", "threshold"),
        *("summary", "images", "curves", "notes"),
    ]
    assert read["summary"]["1 Å"] is None
    assert read["curves"]["1 Å"] is None
    assert [*read["summary"]["box21_iou0.5"]["pooled"]] == [
        *("predicted", "truth", "true_positives", "false_positives", "false_negatives"),
        *("precision", "recall", "f1", "rmse_px", "rmse_angstrom"),
    ]
    best = read["curves"]["box21_iou0.5"]["best"]
    assert best["f1_mean"] == max(read["curves"]["box21_iou0.5"]["f1_mean"])


def test_json_of_a_single_image_has_null_deviations(tmp_path):
    _predict(tmp_path / "p", "a", [[1, 1]], [0.5])
    _label(tmp_path / "t", "a", [[1, 1]])
    read = evaluate_atoms(tmp_path / "p", tmp_path / "t").to_dict()
    assert read["summary"]["1 Å"]["sd"]["f1"] is None
    assert read["curves"]["1 Å"]["f1_sd"] == [None]
    json.dumps(read, allow_nan=False)


def test_csv_has_one_row_per_image_and_criterion(folders, tmp_path):
    evaluate_atoms(*folders).to_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 8
    first = rows[0]
    assert (first["image"], first["truth_image"], first["criterion"]) == (
        *("021_HAADF_15nm", "021_Results"),
        "box21_iou0.5",
    )
    assert (first["predicted"], first["truth"], first["true_positives"]) == ("4", "3", "2")


def test_unwritable_output_is_refused(folders, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        evaluate_atoms(*folders).to_json(tmp_path / "no" / "such" / "folder.json")


@pytest.mark.parametrize("scores", [[0.9], None])
@pytest.mark.parametrize("images", [1, 3, 50])
def test_figure_is_made(tmp_path, images, scores):
    for i in range(images):
        _predict(tmp_path / "p", f"{i:03d}_image", [[10 + i % 9, 10]], scores)
        _label(tmp_path / "t", f"{i:03d}_Results", [[10, 10], [30, 30]])
    figure = evaluate_atoms(tmp_path / "p", tmp_path / "t").figure()
    figure.savefig(tmp_path / "f.png", dpi=50)
    assert len(figure.axes) == 4
    assert (tmp_path / "f.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("predicted", "truth", "pairs"),
    [
        (["a", "b"], ["b", "a"], {"a": "a", "b": "b"}),
        (["021_HAADF_15nm_21Oct20"], ["021_Results"], {"021_HAADF_15nm_21Oct20": "021_Results"}),
        (["021"], ["021_Results"], {"021": "021_Results"}),
        (["021_a", "022_a"], ["022_Results", "021_a"], {"021_a": "021_a", "022_a": "022_Results"}),
    ],
)
def test_pairing(predicted, truth, pairs):
    assert pair_images(predicted, truth) == pairs


@pytest.mark.parametrize(
    ("predicted", "truth", "says"),
    [
        (["a", "b"], ["a"], "1 prediction without truth: b"),
        (["a"], ["a", "b", "c"], "2 truths without prediction: b, c"),
        (["021_a", "021_b"], ["021_Results"], "2 predictions without truth: 021_a, 021_b"),
        (["021_a", "021_b"], ["021_a", "021_Results"], "1 truth without prediction: 021_Results"),
        (["HAADF_001"], ["HAADF_002"], "1 prediction without truth: HAADF_001"),  # a word names no image
        (["0211_a"], ["021_a"], "without truth: 0211_a"),
    ],
)
def test_images_that_do_not_pair(predicted, truth, says):
    with pytest.raises(InputError, match=says):
        pair_images(predicted, truth)


def test_unlabelled_predictions_may_be_left_out_but_no_truth(folders):
    pred, truth = folders
    _predict(pred, "c", [[1, 1]], [0.5])
    assert len(evaluate_atoms(pred, truth, unlabelled=True).images) == 2
    with pytest.raises(InputError, match="1 truth without prediction: b"):
        pair_images(["a", "c"], ["a", "b"], unlabelled=True)


def _no_scores(pred):
    _predict(pred, "b", [[50, 56]])


def _empty_score(pred):
    (pred / "b.csv").write_text("x_px,y_px,x_nm,y_nm,score\n1,1,,,\n")


def _crooked_nm(pred):
    (pred / "b.csv").write_text("x_px,y_px,x_nm,y_nm,score\n10,10,1,1,0.5\n100,100,20,10,0.5\n")


def _wrong_columns(pred):
    (pred / "b.csv").write_text("row,column\n1,1\n")


@pytest.mark.parametrize(
    ("spoil", "options", "says"),
    [
        (_no_scores, {"min_score": 0.5}, r"b\.csv: has no column 'score'"),
        (_empty_score, {}, r"b\.csv: column score holds cells"),
        (_crooked_nm, {}, r"b\.csv: columns x_nm, y_nm do not follow"),
        (_wrong_columns, {}, r"b\.csv: expected columns x_px,y_px or X,Y"),
        (None, {"sampling": 0}, "sampling must be a positive length"),
        (None, {"sampling": float("nan")}, "sampling must be a positive length"),
        (None, {"tolerances": [1, -2]}, "tolerances must be a positive length"),
        (None, {"min_score": float("nan")}, "min_score must be a finite number"),
        (None, {"select": lambda atoms: [True]}, "select must return 3 booleans"),
    ],
)
def test_bad_input(folders, spoil, options, says):
    if spoil:
        spoil(folders[0])
    with pytest.raises(InputError, match=says):
        evaluate_atoms(*folders, **options)


def test_bad_folders(folders, tmp_path):
    pred, truth = folders
    (tmp_path / "empty").mkdir()
    for bad, says in (
        (tmp_path / "missing", "pred .*missing: does not exist"),
        (pred / "b.csv", "pred .*is a file"),
        (tmp_path / "empty", "pred .*holds no CSV and is no corpus"),
    ):
        with pytest.raises(InputError, match=says):
            evaluate_atoms(bad, truth)


def test_hidden_files_of_file_managers_are_no_tables(folders):
    (folders[1] / "._b.csv").write_bytes(b"\x00\xff")
    assert len(evaluate_atoms(*folders).images) == 2


def test_tables_without_scores_have_no_curves(folders):
    pred, truth = folders
    _no_scores(pred)
    result = evaluate_atoms(pred, truth)
    assert result.curves == {}
    assert any("no curves" in note for note in result.notes)


def test_published_labels_against_themselves():
    data = os.environ.get("STEMFORGE_DATA_DIR")
    if not data or not (Path(data) / "pt-nc" / "labels").is_dir():
        pytest.skip("STEMFORGE_DATA_DIR names no folder with pt-nc/labels")
    labels = Path(data) / "pt-nc" / "labels"
    result = evaluate_atoms(labels, labels, sampling=SAMPLING)
    assert len(result.images) == 11
    for name, summary in result.summary.items():
        assert [image.scores[name].f1 for image in result.images] == [1.0] * 11
        assert summary.pooled.truth == 481
        assert summary.pooled.rmse_angstrom == 0


def test_truth_in_nanometres(tmp_path):
    pred, truth = tmp_path / "pred", tmp_path / "truth"
    pred.mkdir()
    truth.mkdir()
    Annotations([[5, 5], [50, 50]], columns={"score": [0.9, 0.6]}).to_csv(pred / "021_HAADF.csv", 0.3)
    (truth / "021_Results.txt").write_text(" \tX\tY\n1\t0,15\t0,15\n2\t1,5\t1,5\n")
    assert evaluate_atoms(pred, truth, label_unit="nm").summary["0.5 Å"].mean["f1"] == 1
    assert evaluate_atoms(pred, truth).summary["0.5 Å"].mean["f1"] == 0
    (pred / "021_HAADF.csv").write_text("x_px,y_px,x_nm,y_nm,score\n5,5,,,0.9\n")
    with pytest.raises(InputError, match=r"points in nm need the image's pixel size.*\(sampling\)"):
        evaluate_atoms(pred, truth, label_unit="nm")


def test_truth_that_is_plainly_in_nanometres_is_refused(tmp_path):
    pred, truth = tmp_path / "pred", tmp_path / "truth"
    pred.mkdir()
    truth.mkdir()
    points = np.random.default_rng(0).uniform(0, 500, (20, 2))
    Annotations(points, columns={"score": np.full(20, 0.9)}).to_csv(pred / "a.csv", 0.3)
    for scale in (0.03, 1.0):
        (truth / "a.csv").write_text("X,Y\n" + "".join(f"{x * scale},{y * scale}\n" for x, y in points))
        if scale == 1.0:
            assert evaluate_atoms(pred, truth).summary["0.5 Å"].mean["f1"] == 1
        else:
            with pytest.raises(InputError, match=r"fit as nm; give their unit, nm or px \(label_unit\)"):
                evaluate_atoms(pred, truth)
            assert evaluate_atoms(pred, truth, label_unit="nm").summary["0.5 Å"].mean["f1"] == 1
            assert evaluate_atoms(pred, truth, label_unit="px").summary["0.5 Å"].mean["f1"] == 0
