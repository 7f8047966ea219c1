import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch

from stemforge import AnnotationsError, InputError, Micrograph, WeightsError
from stemforge.__main__ import main
from stemforge.infer import detect_boxes, detect_molecules, draw_molecules, read_molecules
from stemforge.simulate import BoxDefinition
from stemforge.train import (
    DIVAESR,
    Calibration,
    Card,
    DIVAESRSettings,
    FasterRCNN,
    FasterRCNNSettings,
    Inputs,
    RestorerFile,
    save_weights,
)

CLASSES = ("pyridine", "thiophene")
SETTINGS = FasterRCNNSettings(
    classes=CLASSES, backbone="resnet18", pyramid=4, head=4, anchors=((8,), (16,), (32,), (64,))
)
CARD = Card("faster-rcnn", 0.25, 0.5, settings=SETTINGS.model_dump(mode="json"), inputs=Inputs(zoom=1))
TINY = DIVAESRSettings(mode="sr", blocks=1, features=4)


class Squares(FasterRCNN):
    """Finds bright squares: connected regions, as boxes from edge to edge; the larger are thiophene."""

    def __init__(self):
        super().__init__(SETTINGS)

    def forward(self, images, targets=None):
        from scipy import ndimage

        results = []
        for image in images:
            regions, _ = ndimage.label(image[0].numpy() > 0.5)
            found = ndimage.find_objects(regions)
            boxes = [[c.start, r.start, c.stop, r.stop] for r, c in found]
            table = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
            sizes = (table[:, 2] - table[:, 0]).clamp(min=1)
            results.append(
                {"boxes": table, "labels": 1 + (sizes > 24).long(), "scores": 0.9 - 1 / (10 + sizes)}
            )
        return results


def _field(shape, corners, side=20):
    image = np.zeros(shape)
    for x, y in corners:
        image[y : y + side, x : x + side] = 1
    return image


@pytest.mark.parametrize("tile", [64, 100, 512])
@pytest.mark.parametrize("corner", [(0, 0), (55, 60), (101, 37), (160, 130)])
def test_each_object_once_and_whole_wherever_tiles_meet(tile, corner):
    image = _field((150, 180), [corner])
    overlap = 32 if tile < 512 else 64
    boxes, labels, scores = detect_boxes(Squares(), image, tile=tile, overlap=overlap)
    x, y = corner
    np.testing.assert_allclose(boxes, [[x, y, x + 20, y + 20]])
    assert labels.tolist() == [1]
    assert len(scores) == 1


def test_boxes_on_the_micrographs_own_pixels():
    micrograph = Micrograph(_field((100, 120), [(20, 30)], side=10), 0.5, name="field")
    detection = detect_molecules(micrograph, Squares(), CARD)
    assert detection.shown.shape == (200, 240)  # at the network's pixel size
    np.testing.assert_allclose(detection.molecules.boxes, [[19.5, 29.5, 29.5, 39.5]], atol=0.5)
    assert detection.molecules["label"].tolist() == ["pyridine"]


def test_more_than_a_hundred():
    corners = [(x, y) for x in range(5, 600, 30) for y in range(5, 300, 30)]
    found = detect_molecules(Micrograph(_field((300, 600), corners), 0.25), Squares(), CARD, tile=128)
    assert len(found.molecules) == len(corners) == 200


def test_threshold_and_empty_table(tmp_path):
    micrograph = Micrograph(_field((100, 120), [(20, 30)]), None)
    detection = detect_molecules(micrograph, Squares(), CARD, threshold=0.95)
    assert len(detection.molecules) == 0
    detection.to_csv(tmp_path / "none.csv")
    assert len(read_molecules(tmp_path / "none.csv")) == 0
    assert draw_molecules(detection).axes


def test_a_calibrated_detector_says_how_likely_a_box_is_and_decides():
    corners = [(10, 10), (60, 20)]
    image = _field((100, 120), corners, side=30)
    image[70:76, 20:26] = 1  # scored least
    micrograph = Micrograph(image, 0.25)
    calibrated = replace(CARD, threshold=0.99, calibration=Calibration(4.0, -7.5), min_expected_f1=0.5)
    detection = detect_molecules(micrograph, Squares(), calibrated)
    odds = np.log(detection.candidates["score"] / (1 - detection.candidates["score"]))
    likely = detection.candidates["likelihood"]
    assert likely == pytest.approx(1 / (1 + np.exp(7.5 - 4 * odds)))
    assert len(detection.candidates) == 3
    assert len(detection.molecules) == 2
    assert likely[2] < detection.threshold < likely[1]
    assert detection.threshold == pytest.approx(detection.expected_f1 / 2)
    assert detection.expected_f1 > 0.5
    # As the image promises too little, the card's threshold holds.
    careful = detect_molecules(micrograph, Squares(), replace(calibrated, min_expected_f1=0.999))
    assert (careful.threshold, len(careful.molecules)) == (0.99, 0)
    assert len(detect_molecules(micrograph, Squares(), calibrated, threshold=0.0).molecules) == 3


def test_all_orientations_agree_on_what_turns_with_the_image(tmp_path):
    micrograph = Micrograph(_field((100, 120), [(20, 30), (60, 60)]), 0.25, name="field")
    plain = detect_molecules(micrograph, Squares(), CARD)
    detection = detect_molecules(micrograph, Squares(), CARD, augment=True)
    np.testing.assert_allclose(detection.molecules.boxes, plain.molecules.boxes, atol=1e-6)
    assert detection.molecules["agreement"].tolist() == [1, 1]
    detection.to_csv(tmp_path / "field.csv")
    assert "agreement" in (tmp_path / "field.csv").read_text().splitlines()[0]


def test_one_place_holds_one_molecule():
    """A detector in doubt gives one object both names; average precision wants both, a reader the better."""

    class Doubtful(Squares):
        def forward(self, images, targets=None):
            for one in (found := super().forward(images)):
                one["boxes"] = one["boxes"].repeat(2, 1)
                one["labels"] = torch.cat([one["labels"], 3 - one["labels"]])
                one["scores"] = torch.cat([one["scores"], one["scores"] - 0.2])
            return found

    image = np.zeros((80, 100), dtype="float32")
    image[20:40, 30:50] = 1
    assert len(detect_boxes(Doubtful(), image)[0]) == 2
    boxes, labels, scores = detect_boxes(Doubtful(), image, exclusive=True)
    assert boxes.tolist() == [[30, 20, 50, 40]]
    assert labels.tolist() == [1]
    assert scores[0] > 0.8


def test_csv_and_back(tmp_path):
    micrograph = Micrograph(_field((100, 120), [(20, 30), (60, 60)]), 0.25, name="field")
    detection = detect_molecules(micrograph, Squares(), CARD)
    detection.to_csv(tmp_path / "field.csv")
    header, first, *_ = (tmp_path / "field.csv").read_text().splitlines()
    assert header.startswith("x0_px,y0_px,x1_px,y1_px,label,score,")
    cells = first.split(",")
    assert cells[4] == "pyridine"
    assert float(cells[6]) == pytest.approx(float(cells[0]) * 0.025, abs=1e-3)
    table = read_molecules(tmp_path / "field.csv")
    np.testing.assert_allclose(table.boxes, detection.molecules.boxes, atol=0.01)
    assert table["label"].tolist() == ["pyridine", "pyridine"]
    assert table["boxes"].tolist() == ["van-der-waals"] * 2


def test_a_table_says_what_the_detector_takes_for_a_box(tmp_path):
    card = replace(CARD, inputs=replace(CARD.inputs, boxes=BoxDefinition(0.56)))
    assert Card.from_json(card.to_json()) == card
    micrograph = Micrograph(_field((100, 120), [(20, 30)]), 0.25, name="field")
    detect_molecules(micrograph, Squares(), card).to_csv(tmp_path / "field.csv")
    assert read_molecules(tmp_path / "field.csv")["boxes"].tolist() == [0.56]


def test_cards_and_tables_from_before_definitions_mean_van_der_waals(tmp_path):
    card = json.loads(CARD.to_json())
    del card["inputs"]["boxes"]
    assert Card.from_json(json.dumps(card)).inputs.boxes == BoxDefinition()
    (tmp_path / "old.csv").write_text("x0_px,y0_px,x1_px,y1_px,label,score\n0,0,9,9,pyridine,0.5\n")
    assert read_molecules(tmp_path / "old.csv")["boxes"].tolist() == ["van-der-waals"]


def test_tables_of_another_kind_are_refused(tmp_path):
    (tmp_path / "points.csv").write_text("x_px,y_px\n1,2\n")
    with pytest.raises(AnnotationsError, match="label"):
        read_molecules(tmp_path / "points.csv")


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "cp1252")])
def test_tables_as_spreadsheets_write_them(tmp_path, separator, encoding):
    rows = [
        ["x0_px", "y0_px", "x1_px", "y1_px", "label", "score", "boxes"],
        [1, 2, 20, 21, "pyridiné", 0.9, 0.5],
    ]
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    table = read_molecules(tmp_path / "m.csv")
    assert table["label"].tolist() == ["pyridiné"]
    assert table["boxes"].tolist() == [0.5]
    assert table.boxes.tolist() == [[1, 2, 20, 21]]


def test_what_was_trained_on_restored_images_needs_a_restorer():
    card = Card("faster-rcnn", 0.25, inputs=Inputs(restorer=RestorerFile("d.safetensors", "0")))
    micrograph = Micrograph(_field((100, 120), [(20, 30)]), 0.25)
    with pytest.raises(InputError, match=r"d\.safetensors"):
        detect_molecules(micrograph, Squares(), card)
    network = DIVAESR(TINY).eval()
    assert (
        detect_molecules(micrograph, Squares(), card, restorer=(network, Card("divaesr", 0.25))).shown.ndim
        == 2
    )
    with pytest.raises(WeightsError, match="different pixel sizes"):
        detect_molecules(micrograph, Squares(), card, restorer=(network, Card("divaesr", 0.1)))
    with pytest.raises(WeightsError, match="divaesr"):
        detect_molecules(micrograph, Squares(), card, restorer=(Squares(), CARD))
    with pytest.raises(WeightsError, match="faster-rcnn"):
        detect_molecules(micrograph, network, Card("divaesr"))


@pytest.mark.parametrize(
    "options", [{"threshold": 1}, {"tile": 32}, {"tile_overlap": 300}, {"tile_overlap": -1}, {"iou": 0}]
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match=next(iter(options))):
        detect_molecules(Micrograph(_field((100, 120), [(2, 3)])), Squares(), CARD, **options)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    inputs = Inputs(zoom=1, restorer=RestorerFile("d.safetensors", "0"))
    card = Card("faster-rcnn", 0.25, 0.3, settings=SETTINGS.model_dump(mode="json"), inputs=inputs)
    save_weights(tmp_path / "f.safetensors", FasterRCNN(SETTINGS), card)
    return tmp_path / "f.safetensors"


@pytest.mark.slow
def test_the_command(weights, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "field.tif", _field((100, 120), [(20, 30)]).astype("float32"))
    words = ["infer", "molecules", str(tmp_path / "field.tif"), "--weights", str(weights), "--quiet"]
    words += ["--out", str(tmp_path / "out")]
    # The restorer that the detector was trained with is looked for beside it.
    code = main(words)
    assert code == 2 or "another restorer" in capsys.readouterr().err
    settings = TINY.model_dump(mode="json")
    save_weights(tmp_path / "d.safetensors", DIVAESR(TINY), Card("divaesr", 0.25, settings=settings))
    assert main([*words, "--overwrite"]) == 0
    message = capsys.readouterr().err
    assert "another restorer" in message
    assert "no calibration" in message
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"field.csv", "field.png", "run.json"}
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["infer molecules"]["field"]["box_margin"] == "van-der-waals"
    assert main([*words, "--threshold", "2"]) == 2
    assert main([*words, "--tile", "10"]) == 2
    assert main([*words, "--restorer", str(weights), "--overwrite"]) == 2
