import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from stemforge import Corpus, CorpusError, InputError
from stemforge.__main__ import main
from stemforge.corpus.sample import Sample, Structure
from stemforge.corpus.writer import CorpusWriter
from stemforge.evaluate import Sweep, draw_conditions, draw_sweep, sweep_doses
from stemforge.evaluate.sweep.command import check_doses
from stemforge.evaluate.sweep.result import Row
from stemforge.evaluate.sweep.table import sweep_lines
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import BoxDefinition, SimulationRecipe
from stemforge.train import (
    DIVAESR,
    AtomNetRecipe,
    Card,
    DIVAESRSettings,
    FasterRCNN,
    FasterRCNNSettings,
    fit,
    load_weights,
    save_weights,
)
from stemforge.train.data.batches import split_corpora

RECIPE = {"name": "tiny", "degradation": {"dose": 1000, "source_size": 0.5}}


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """A corpus of four-segment signals: the gradient of silicon atoms on a grid, and two molecules."""
    writer = CorpusWriter(tmp_path_factory.mktemp("sweep") / "corpus", RECIPE, "1" * 64)
    side, sampling = 96, 0.25
    y, x = np.indices((side, side), dtype=float)
    for index in range(4):
        atoms = np.array([[a, b] for a in range(10, side, 16) for b in range(8, side, 16)], float) + index
        phase = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 18) for a, b in atoms)
        down, right = np.gradient(phase)
        signal = 0.02 + 0.05 * np.stack([right, down, -right, -down]) / 2
        positions = np.column_stack([atoms * sampling, np.zeros(len(atoms))]).astype("float32")
        structure = Structure(
            np.full(len(atoms), 14, np.uint8),
            positions,
            np.zeros(len(atoms), np.uint8),
            np.diag([side * sampling, side * sampling, 5.0]),
        )
        boxes = np.array([[10.0, 10, 34, 34], [50, 50, 74, 74]])
        labels = Annotations.of_boxes(boxes, {"species": np.array([0, 1], np.uint8)})
        metadata = {"name": f"tiny-{index}", "molecules": ["pyridine", "thiophene"]}
        channels = ("DPC_0", "DPC_1", "DPC_2", "DPC_3")
        writer.write(
            index, [Sample(index, signal.astype("float32"), sampling, channels, labels, metadata, structure)]
        )
    return writer.folder


@pytest.fixture(scope="module")
def restorer(tmp_path_factory):
    torch.manual_seed(0)
    settings = DIVAESRSettings(mode="sr", blocks=1, features=4)
    path = tmp_path_factory.mktemp("weights") / "small-restorer.safetensors"
    card = Card("divaesr", 0.25, settings=settings.model_dump(mode="json"), recipe={"target": "atoms"})
    save_weights(path, DIVAESR(settings), card)
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(0)
    settings = FasterRCNNSettings(
        classes=("pyridine", "thiophene"),
        backbone="resnet18",
        pyramid=4,
        head=4,
        anchors=((8,), (16,), (32,), (64,)),
        detections=20,
    )
    path = tmp_path_factory.mktemp("weights") / "two-species.safetensors"
    save_weights(
        path, FasterRCNN(settings), Card("faster-rcnn", 0.25, settings=settings.model_dump(mode="json"))
    )
    return path


def _mean(result, dose, method, metric):
    rows = result.summary()
    (found,) = [r for r in rows if (r["dose"], r["method"], r["metric"]) == (dose, method, metric)]
    return found


def test_restoration_beside_raw_and_baselines(segments, restorer):
    options = {"validation": 0.5, "baselines": ["gaussian", "wiener"], "quiet": True}
    result = sweep_doses(Corpus(segments), restorer, [300, 1e6], **options)
    methods = {row.method for row in result.rows}
    assert methods == {"raw", "gaussian", "wiener", "small-restorer"}
    for metric in ("ssim", "psnr", "vif"):
        assert _mean(result, 300, "raw", metric)["mean"] < _mean(result, 1e6, "raw", metric)["mean"]
    assert _mean(result, 300, "gaussian", "ssim")["mean"] >= _mean(result, 300, "raw", "ssim")["mean"]
    assert _mean(result, 300, "raw", "ssim")["images"] == 2
    assert set(result.settings["baselines"]) == {"300", "1e+06"}
    # A dose is the same whatever else is swept.
    alone = sweep_doses(Corpus(segments), restorer, [300], **{**options, "baselines": []})
    assert [r for r in alone.rows if r.method == "raw"] == [
        r for r in result.rows if r.method == "raw" and r.dose == 300
    ]


def test_molecules(segments, detector):
    result = sweep_doses(Corpus(segments), detector, [1000], validation=0.5, quiet=True)
    assert {row["metric"] for row in result.summary()} >= {"ap", "ap50", "ar", "ap pyridine", "ar thiophene"}
    assert _mean(result, 1000, "two-species", "ap")["images"] == 2


def test_molecules_in_boxes_of_another_definition(segments, detector, restorer):
    class Perfect(torch.nn.Module):
        """Finds the boxes that the labels hold, as torchvision counts pixels."""

        def forward(self, images):
            boxes = torch.tensor([[10.5, 10.5, 34.5, 34.5], [50.5, 50.5, 74.5, 74.5]])
            return [{"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": torch.tensor([0.9, 0.8])}]

    weights = (Perfect(), load_weights(detector)[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stemforge.evaluate.sweep.doses.load_weights", lambda path: weights)
        options = {"validation": 0.5, "quiet": True}
        for boxes, margin in ((None, "van-der-waals"), (BoxDefinition(0.5), 0.5), (BoxDefinition(3.5), 3.5)):
            result = sweep_doses(Corpus(segments), detector, [1e6], boxes=boxes, **options)
            assert result.settings["boxes"] == margin
            assert _mean(result, 1e6, "two-species", "ap")["mean"] == pytest.approx(1)
    with pytest.raises(InputError, match="boxes: is for weights that find molecules"):
        sweep_doses(Corpus(segments), restorer, [1e6], boxes=BoxDefinition(0.5))


def test_boxes_are_not_converted_without_a_pixel_size(segments, detector, tmp_path):
    whole = Corpus(segments)
    writer = CorpusWriter(tmp_path / "corpus", RECIPE, "1" * 64)
    for index in range(4):
        # The first one has its pixel size, which is what is looked at before work starts.
        writer.write(index, [whole[index] if index == 0 else replace(whole[index], sampling=None)])
    with pytest.raises(CorpusError, match="sample"):
        sweep_doses(Corpus(tmp_path / "corpus"), detector, [1e6], boxes=BoxDefinition(0.5), quiet=True)


def test_every_image_of_a_corpus_can_be_scored(tiny_corpus, spot_weights):
    corpus = Corpus(tiny_corpus)
    names = [
        {row.sample for row in sweep_doses(corpus, spot_weights, [1e5], validation=share, quiet=True).rows}
        for share in (0.5, 1)
    ]
    every = {sample.metadata["name"] for sample in corpus}
    assert every <= names[1]
    assert not every <= names[0]


def test_atoms(tiny_corpus, spot_weights):
    result = sweep_doses(Corpus(tiny_corpus), spot_weights, [1e3, 1e5], validation=0.5, quiet=True)
    assert _mean(result, 1e5, "spots", "f1")["mean"] > 0.5
    visible = [_mean(result, dose, "spots", "visible")["mean"] for dose in (1e3, 1e5)]
    assert visible[0] <= visible[1]
    for row in result.rows:
        corpus_row = next(s for s in Corpus(tiny_corpus) if s.metadata["name"] == row.sample)
        assert row.metrics["thickness_angstrom"] == corpus_row.metadata["thickness_angstrom"]
        area = (64 * 0.293 / 10) ** 2
        assert row.metrics["areal_density"] == pytest.approx(row.metrics["visible"] / area)


def test_atoms_beside_what_is_possible(tiny_corpus, spot_weights):
    result = sweep_doses(Corpus(tiny_corpus), spot_weights, [3e4, 3e6], validation=0.5, quiet=True)
    figures = {
        dose: {
            m: _mean(result, dose, "spots", m)["mean"] for m in ("placement_px", "bound_px", "ideal_recall")
        }
        for dose in (3e4, 3e6)
    }
    for dose, mean in figures.items():
        # These atoms outshine their thin support: part of the background beside them is their own, and the bound
        # is higher than it should be.
        assert 0 < mean["bound_px"] < 1.8 * mean["placement_px"]
        assert _mean(result, dose, "spots", "recall")["mean"] <= mean["ideal_recall"] + 0.05 <= 1.05
    # Counting noise alone would go down tenfold; the support's texture stays.
    fall = figures[3e4]["bound_px"] / figures[3e6]["bound_px"]
    assert 1.2 < fall < 10


def _atom_rows():
    """Six images at two doses, thicker ones with a lower F1; nothing is visible on the last at the low dose."""
    rows = []
    for dose in (1e4, 1e5):
        for i in range(6):
            hard = {"thickness_angstrom": 100.0 + 50 * i, "areal_density": 0.1, "defocus_angstrom": 10.0 + i}
            figures = {
                "f1": 0.9 - 0.1 * i,
                "recall": 0.8,
                "ideal_recall": 0.95,
                "placement_px": 1.0,
                "bound_px": 0.7,
            }
            if (dose, i) == (1e4, 5):
                figures = dict.fromkeys(figures) | {"defocus_angstrom": None}
            rows.append(Row(dose, "atom-net", str(i), hard | figures))
    return Sweep("atom-net", "atoms", tuple(rows), {})


def test_limits_are_dashed():
    recall, error = draw_sweep(_atom_rows()).axes[2:]
    for axes, level in ((recall, 0.95), (error, 0.7)):
        (dashed,) = [line for line in axes.lines if line.get_linestyle() == "--"]
        np.testing.assert_allclose(dashed.get_ydata(), level)


def test_f1_over_dose_and_conditions(tmp_path):
    figure = draw_conditions(_atom_rows(), tmp_path / "c.png")
    thickness = np.asarray(figure.axes[0].images[0].get_array())
    # Two images in each third; at the low dose the thickest has no F1.
    np.testing.assert_allclose(thickness[:, 1], [0.85, 0.65, 0.45])
    np.testing.assert_allclose(thickness[:, 0], [0.85, 0.65, 0.5])
    assert (tmp_path / "c.png").stat().st_size
    draw_conditions(Sweep("atom-net", "atoms", (), {}))


def test_the_command_for_atoms(tiny_corpus, spot_weights, tmp_path):
    out = tmp_path / "out"
    words = ["sweep", str(tiny_corpus), "--weights", str(spot_weights), "--out", str(out), "--quiet"]
    assert main([*words, "--dose", "1e5", "--validation", "0.5"]) == 0
    assert (out / "sweep-conditions.png").is_file()


def test_what_does_not_fit(segments, tiny_corpus, restorer, detector, spot_weights, write_blobs, tmp_path):
    with pytest.raises(InputError, match="segment signals"):
        sweep_doses(Corpus(tiny_corpus), restorer, [100])
    with pytest.raises(InputError, match="measured"):
        sweep_doses(Corpus(write_blobs(tmp_path / "blobs")), restorer, [100])
    for doses in ([], [0], [np.nan]):
        with pytest.raises(InputError, match="doses"):
            sweep_doses(Corpus(segments), restorer, doses)
    with pytest.raises(
        InputError, match=r"validation must .*; on the other images baselines are tuned, not 1"
    ):
        sweep_doses(Corpus(segments), restorer, [100], validation=1)
    with pytest.raises(InputError, match=r"validation must lie between 0 and 1, or be 1, not 1\.5"):
        sweep_doses(Corpus(segments), detector, [100], validation=1.5)
    with pytest.raises(InputError, match="restor"):
        sweep_doses(Corpus(segments), detector, [100], restorer=detector)
    with pytest.raises(InputError, match="restor"):
        sweep_doses(Corpus(tiny_corpus), spot_weights, [100], restorer=restorer)
    with pytest.raises(InputError, match="annular detector"):
        sweep_doses(Corpus(segments), spot_weights, [100])
    with pytest.raises(InputError, match="annular detector"):
        fit(AtomNetRecipe.shipped(), [segments], tmp_path / "run")
    assert not (tmp_path / "run").exists()
    model, card = load_weights(spot_weights)
    save_weights(tmp_path / "fine.safetensors", model, replace(card, sampling=0.15))
    with pytest.raises(InputError, match=r"trained at 0\.15 Å"):
        sweep_doses(Corpus(tiny_corpus), tmp_path / "fine.safetensors", [100])


@pytest.mark.slow
def test_a_recipe_is_swept_on_other_structures(tiny_overrides, restorer, tmp_path, monkeypatch, capsys):
    swept = []

    def look(corpus, *args, **options):
        swept.append((corpus.recipe["seed"], len(corpus), options["validation"]))
        raise InputError("stopped here")

    monkeypatch.setattr("stemforge.evaluate.sweep.doses.sweep_doses", look)
    recipe = SimulationRecipe.load("quickstart", tiny_overrides)
    (tmp_path / "r.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    words = ["sweep", str(tmp_path / "r.yaml"), "--weights", str(restorer), "--out", str(tmp_path / "out")]
    assert main([*words, "--num", "1"]) == 2
    printed = capsys.readouterr().err
    assert "at least two images" in printed
    assert "simulate" not in printed  # refused before work starts
    assert main([*words, "--num", "2", "--quiet"]) == 2
    ((seed, number, share),) = swept
    assert seed != recipe.seed
    assert (number, share) == (2, 0.9)


def _example():
    rows = [
        Row(dose, method, str(i), {"ssim": 0.2 + 0.1 * i, "psnr": float("inf"), "vif": None})
        for dose in (100.0, 1e6)
        for method in ("raw", "divaesr")
        for i in range(3)
    ]
    return Sweep("divaesr", "images", tuple(rows), {})


def test_mean_and_sd(tmp_path):
    result = _example()
    (first, *_) = result.summary()
    assert (first["mean"], first["sd"], first["images"]) == (pytest.approx(0.3), pytest.approx(0.1), 3)
    assert {row["metric"] for row in result.summary()} == {"ssim"}  # what is not finite has no mean
    result.to_csv(tmp_path / "s.csv")
    assert (
        (tmp_path / "s.csv").read_text().startswith("dose,method,metric,mean,sd,images\n100.0,divaesr,ssim,")
    )
    figure = draw_sweep(result, tmp_path / "s.png")
    assert [axes.get_title() for axes in figure.axes] == ["SSIM", "PSNR [dB]", "VIF", "MSE (0–255 grey)"]


def test_the_printed_table_has_spreads_where_several_images_are_scored():
    rows = [
        Row(dose, "film", str(i), {"f1": 0.5 + 0.1 * i})
        for dose, number in ((1e3, 3), (1e4, 1))
        for i in range(number)
    ]
    printed = [line.split() for line in sweep_lines(Sweep("atom-net", "atoms", tuple(rows), {}))]
    assert printed == [
        ["F1", "1000", "10000", "e/Å²"],
        ["film", "0.600", "0.500"],
        ["±", "over", "images", "0.100", "–"],
    ]
    assert draw_sweep(Sweep("atom-net", "atoms", tuple(rows), {})).get_suptitle().startswith("film: ")


def test_a_total_takes_the_place_of_the_mean():
    rows = (
        Row(1.0, "m", "a", {"ap": 0.2}),
        Row(1.0, "m", "b", {"ap": 0.4}),
        Row(1.0, "m", "all", {"ap": 0.7}),
    )
    (found,) = Sweep("faster-rcnn", "molecules", rows, {}).summary()
    assert (found["mean"], found["images"]) == (0.7, 2)


def test_the_command(segments, restorer, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["sweep", str(segments), "--weights", str(restorer), "--out", str(out), "--quiet"]
    words += ["--dose", "500", "1e5", "--validation", "0.3", "--baselines", "gaussian"]
    assert main(words) == 0
    printed = [line.split() for line in capsys.readouterr().err.splitlines()]
    # One image is scored: nothing is spread. The row has the name of the weights.
    assert [line[0] for line in printed[:4]] == ["SSIM", "small-restorer", "raw", "Gaussian"]
    pictures = {"sweep.png", "sweep-differences.png"}
    assert {path.name for path in out.iterdir()} == {"sweep.json", "sweep.csv", *pictures}
    content = json.loads((out / "sweep.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    (held_out,) = split_corpora([Corpus(segments)], 0.15)[1]
    assert content["settings"]["images"] == [held_out.number]
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_sweep_leaves_no_picture_of_an_earlier_one(segments, detector, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("sweep.json", "sweep-differences.png", "sweep-conditions.png", "notes.txt"):
        (out / name).write_text("earlier")
    words = ["sweep", str(segments), "--weights", str(detector), "--out", str(out), "--quiet", "--overwrite"]
    words += ["--dose", "1e5", "--validation", "0.3"]
    assert main([*words, "--drawn-dose", "1e5"]) == 2
    assert "--drawn-dose: is for weights that restore images" in capsys.readouterr().err
    assert (out / "sweep-differences.png").is_file()
    assert main(words) == 0
    assert {path.name for path in out.iterdir()} == {"sweep.json", "sweep.csv", "sweep.png", "notes.txt"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dose", "1", "x"], "--dose"),
        (["--dose", "-1"], "positive"),
        (["--dose", "5", "5"], "twice"),
        (["--baselines", "median"], "median"),
        (["--scaling", "log"], "--scaling"),
        (["--drawn-dose", "7"], "--drawn-dose must be one of"),
        (["--num", "3"], "--num"),
        (["--restorer", "none.safetensors"], "none.safetensors"),
    ],
)
def test_bad_options(segments, restorer, tmp_path, capsys, words, message):
    out = tmp_path / "out"
    assert main(["sweep", str(segments), "--weights", str(restorer), "--out", str(out), *words]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_doses_are_positive_and_differ():
    assert check_doses([100, 1e6]) == [100, 1e6]
    for doses in ([0.0], [float("inf")], [5.0, 5.0]):
        with pytest.raises(InputError, match="dose"):
            check_doses(doses)
