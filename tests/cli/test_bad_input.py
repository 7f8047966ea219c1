"""Every bad input of the list: exit code 2, one message that names file and field, nothing written."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from stemforge.train import Card, save_weights


@pytest.fixture
def infer(refuse, random_weights, tmp_path, tree):
    """Refuse an image; the rest of the command is in order."""

    def run(image, *patterns):
        before = tree()
        words = ("infer", "atoms", image, "--weights", random_weights, "--out", tmp_path / "out", "--quiet")
        output = refuse(words, *patterns)
        assert tree() == before
        return output

    return run


def test_missing_image(infer, tmp_path):
    infer(tmp_path / "none.tif", "none.tif", "no such file")


def test_folder_instead_of_an_image(infer, tmp_path):
    infer(tmp_path, tmp_path.name, "holds no image")


@pytest.mark.parametrize("keep", [0, 100, 5000])
@pytest.mark.parametrize("name", ["cut.tif", "cut.png"])
def test_truncated_image(infer, write_image, name, keep):
    image = None
    if name.endswith("png"):
        image = np.random.default_rng(0).integers(0, 255, (128, 128), dtype=np.uint8)
    path = write_image(name, image)
    path.write_bytes(path.read_bytes()[:keep])
    infer(path, name)


def test_image_with_nan(infer, write_image, spots_image):
    image = spots_image.copy()
    image[3, 4] = np.nan
    infer(write_image("nan.tif", image), "nan.tif", "1 of 4096 pixels are NaN")


def test_image_of_a_single_value(infer, write_image):
    infer(write_image("flat.tif", np.full((32, 32), 7.0)), "flat.tif", "same value")


def test_image_on_which_nothing_stands_out(infer, write_image):
    image = np.full((50, 50), 9.0)
    image[10, 10] = 1
    infer(write_image("hole.tif", image), "hole", "no signal")


@pytest.mark.parametrize("name", ["rgb.png", "rgb.tif"])
def test_colour_picture(infer, write_image, name):
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    infer(write_image(name, image), name, "colour")


def test_no_image_at_all(infer, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    infer(tmp_path / "notes.txt", "notes.txt", "known are")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--accelerator", "abacus"], "accelerator"),
        (["--precision", "17"], "17"),
        (["--device", "0"], "devices"),
        (["--workers", "-1"], "num_workers"),
        (["--init", "nothing"], "--init: nothing: no such weights file"),
        (["--epochs", "0"], "epochs set: 'epochs'"),
        (["--recipe", "recipe.yaml"], "recipe.yaml: cannot be read"),
    ],
)
def test_options_of_a_run_are_refused_before_its_folder_is_made(refuse, tiny_corpus, tmp_path, options, says):
    words = ["train", "sac-cnn", "--data", tiny_corpus, "--out", tmp_path / "run", "--quiet"]
    assert "--recipe.yaml" not in refuse([*words, *options], says)
    assert not (tmp_path / "run").exists()


def test_a_run_needs_a_folder_not_a_file(refuse, tiny_corpus, tmp_path):
    (tmp_path / "run").write_text("mine")
    refuse(["train", "sac-cnn", "--data", tiny_corpus, "--out", tmp_path / "run"], "--out", "is a file")


def test_a_path_that_begins_with_the_name_of_an_option_stays(refuse, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert "--data/" not in refuse(["train", "sac-cnn", "--data", "data/x", "--out", "out"], "data/x")


def test_a_corpus_has_no_frames_and_a_seed_no_sign(refuse, tiny_corpus, tmp_path):
    refuse(["inspect", tiny_corpus, "--frame", "2"], "--frame is for image files")
    refuse(
        ["sweep", tiny_corpus, "--weights", "atom-net", "--out", tmp_path / "sweep", "--seed", "-1"],
        "--seed must",
    )
    refuse(["export", tiny_corpus, "--out", tmp_path / "out", "--format", "coco", "--seed", "-3"], "'seed'")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--max-error", "-1"], "--max-error"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--json", "none/plan.json"], "--json none/plan.json"),
        (["--engine.name", "prism", "--engine.depth_step", "9"], "unknown key 'engine.depth_step'"),
    ],
)
def test_options_of_plan(refuse, words, says):
    refuse(["plan", "quickstart", *words], says)


@pytest.mark.parametrize("sampling", ["0", "-1", "nan"])
def test_sampling_that_is_no_length(refuse, random_weights, write_image, tmp_path, sampling):
    words = ["infer", "atoms", write_image(), "--weights", random_weights, "--out", tmp_path / "out"]
    refuse([*words, "--sampling", sampling], "sampling", "positive")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("threshold", "0"), ("threshold", "1.5"), ("tile", "0"), ("device", "abacus")]
)
def test_options_of_infer_out_of_range(refuse, random_weights, write_image, tmp_path, option, value):
    words = ["infer", "atoms", write_image(), "--weights", random_weights, "--out", tmp_path / "out"]
    refuse([*words, f"--{option}", value], f"--{option}", value)
    assert not (tmp_path / "out").exists()


def test_frame_and_stack_together(refuse, random_weights, write_image, tmp_path):
    words = ["infer", "atoms", write_image(), "--weights", random_weights, "--out", tmp_path / "out"]
    refuse([*words, "--stack", "--frame", "1"], "--frame", "--stack")


@pytest.mark.parametrize("kind", ["layers", "name", "nan", "cut", "missing", "text"])
def test_weights_that_cannot_be_used(refuse, write_image, random_weights, tmp_path, tree, kind):
    path = tmp_path / "w.safetensors"
    if kind == "layers":
        save_weights(path, torch.nn.Linear(3, 4), Card("sac-cnn"))
    elif kind == "name":
        save_weights(path, torch.nn.Linear(3, 4), Card("faster-rcnn"))
    elif kind == "nan":
        model = torch.nn.Module()
        from stemforge.train import SACCNN

        model = SACCNN()
        torch.nn.init.constant_(model.fc3.weight, np.nan)
        save_weights(path, model, Card("sac-cnn"))
    elif kind == "cut":
        path.write_bytes(random_weights.read_bytes()[:1000])
    elif kind == "text":
        path.write_text("weights")
    image = write_image()
    before = tree()
    refuse(["infer", "atoms", image, "--weights", path, "--out", tmp_path / "out"], "w.safetensors")
    assert tree() == before


@pytest.fixture
def labelled(write_image, tmp_path):
    """One image and a table of labels to be spoilt."""

    def write(text):
        image = write_image("001_image.tif")
        table = tmp_path / "001_Results.csv"
        table.write_text(text)
        return image, table

    return write


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("a,b\n1,2\n", ["expected columns x_px,y_px or X,Y", "a,b"]),
        ("X,Y\n1,two\n", ["line 2", "column Y", "two"]),
        ("X,Y\n1,2,3\n", ["line 2"]),
        ("", ["none"]),
        ("X,Y\n10,10\n70,10\n", ["row 2", "x=70", "64 × 64", "swapped"]),
        ("X,Y\n10,-3\n", ["row 1", "y=-3"]),
        ("X,Y\n10,\n", ["finite"]),
    ],
)
def test_tables_of_labels(refuse, labelled, tmp_path, tree, text, patterns):
    image, table = labelled(text)
    before = tree()
    refuse(["ingest", image, "--labels", table, "--out", tmp_path / "corpus"], "001_Results.csv", *patterns)
    assert tree() == before


def test_image_without_table(refuse, labelled, write_image, tmp_path):
    image, table = labelled("X,Y\n1,1\n")
    other = write_image("002_image.tif")
    refuse(["ingest", image, other, "--labels", table, "--out", tmp_path / "corpus"], "002_image", "partner")
    assert not (tmp_path / "corpus").exists()


def test_ingest_into_another_corpus(refuse, labelled, tiny_corpus, tmp_path):
    image, table = labelled("X,Y\n1,1\n")
    corpus = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    before = sorted((p.name, p.read_bytes()) for p in corpus.iterdir())
    refuse(["ingest", image, "--labels", table, "--out", corpus], "corpus", "another recipe")
    assert sorted((p.name, p.read_bytes()) for p in corpus.iterdir()) == before


@pytest.fixture
def simulate(refuse, tmp_path):
    """Refuse a change of the quickstart recipe."""

    def run(words, *patterns, recipe="quickstart"):
        refuse(
            ["simulate", recipe, "--out", tmp_path / "corpus", "--workers", "1", "--quiet", *words], *patterns
        )
        assert not (tmp_path / "corpus").exists()

    return run


@pytest.mark.parametrize(
    ("words", "patterns"),
    [
        (["--microscope.enrgy", "6e4"], ["unknown key 'microscope.enrgy'", "did you mean 'energy'?"]),
        (["--sed", "3"], ["unknown key 'sed'", "did you mean 'seed'?"]),
        (["--colour", "3"], ["unknown key 'colour'", "allowed are"]),
        (["--support.mean_thicknes", "40"], ["support.", "mean_thicknes", "did you mean 'mean_thickness'?"]),
        (["--degradation.dose", "-5"], ["degradation.dose", "at least 0", "-5"]),
        (["--degradation.dose={uniform: [-1, 5]}"], ["degradation.dose", "at least 0"]),
        (["--degradation.dose", "lots"], ["degradation.dose", "lots"]),
        (["--microscope.energy", "60"], ["energy", "keV"]),
        (["--microscope.preset", "magic"], ["unknown preset 'magic'", "nion-ultrastem-100"]),
        (["--scan.shape", "[4, 4]"], ["scan", "16 to 8192"]),
        (
            ["--engine", "{name: multislice, sampling: 0.2}"],
            ["microscope.detectors", "185 mrad of HAADF", "antialias", "engine.sampling"],
        ),
        (["--num", "0"], ["num_samples"]),
        (["--seed"], ["--seed", "needs a value"]),
        (["--workers", "0"], ["workers"]),
        (["stray"], ["stray"]),
        (["--single_atoms", "[{element: Xx}]"], ["no such element: 'Xx'"]),
    ],
)
def test_recipes(simulate, words, patterns):
    simulate(words, *patterns)


def test_recipe_without_dose(simulate, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("support: {kind: amorphous_carbon}\ndegradation: {source_size: 1}\n")
    simulate([], "degradation", "dose", recipe=path)


@pytest.mark.parametrize(
    ("text", "pattern"), [("a: [", "is not YAML"), ("- 1\n", "mapping"), ("name: x\n", "support")]
)
def test_recipe_files(simulate, tmp_path, text, pattern):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    simulate([], "mine.yaml", pattern, recipe=path)


def test_missing_recipe(simulate):
    simulate([], "pt-cn", "no such recipe", "pt-nc", recipe="pt-cn")


def test_folder_with_another_recipes_corpus(refuse, tiny_corpus, tmp_path):
    corpus = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    before = sorted((p.name, p.read_bytes()) for p in corpus.iterdir())
    refuse(["simulate", "quickstart", "--out", corpus, "--workers", "1"], "corpus", "another recipe")
    assert sorted((p.name, p.read_bytes()) for p in corpus.iterdir()) == before


def test_folder_with_other_files(refuse, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    refuse(["simulate", "quickstart", "--out", tmp_path], tmp_path.name, "holds files but no corpus")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("words", "patterns"),
    [
        (["--learning_rat", "1"], ["unknown key 'learning_rat'", "did you mean 'learning_rate'?"]),
        (["--epochs", "0"], ["epochs", "must be at least 1"]),
        (["--crops.positive", "1.5"], ["crops.positive"]),
        (["--recipe", "none.yaml"], ["none.yaml", "cannot be read"]),
        (["--init", "none.safetensors"], ["none.safetensors", "no such weights file"]),
    ],
)
def test_training(refuse, tiny_corpus, tmp_path, words, patterns):
    refuse(["train", "sac-cnn", "--data", tiny_corpus, "--out", tmp_path / "run", *words], *patterns)
    assert not (tmp_path / "run").exists()


def test_training_on_what_is_no_corpus(refuse, tmp_path):
    refuse(["train", "sac-cnn", "--data", tmp_path, "--out", tmp_path / "run"], "is no corpus")
    assert not (tmp_path / "run").exists()


def test_training_on_a_damaged_corpus(refuse, tiny_corpus, tmp_path):
    corpus = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    shard = corpus / "shard-000001.h5"
    shard.write_bytes(shard.read_bytes()[:3000])
    refuse(["train", "sac-cnn", "--data", corpus, "--out", tmp_path / "run"], "shard-000001.h5", "again")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["none.tif", "cut.tif", "folder"])
def test_inspecting_what_cannot_be_read(refuse, write_image, tmp_path, name):
    if name == "cut.tif":
        path = write_image(name)
        path.write_bytes(path.read_bytes()[:700])
    elif name == "folder":
        (tmp_path / name).mkdir()
    refuse(["inspect", tmp_path / name, "--figure", tmp_path / "o.png"], name)
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("out", ["o.doc", "o", "none/o.png", "spots.png"])
def test_inspecting_into_what_is_no_picture(refuse, write_image, tmp_path, out):
    path = write_image("spots.png", np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8))
    before = path.read_bytes()
    refuse(["inspect", path, "--figure", tmp_path / out], "--figure", out)
    assert path.read_bytes() == before


def test_choosing_a_threshold_for_what_cannot_carry_one(refuse, tiny_corpus, tmp_path):
    path = tmp_path / "w.ckpt"
    path.write_bytes(b"x")
    refuse(["evaluate", "threshold", "--weights", path, "--data", tiny_corpus], "w.ckpt", ".safetensors")


def test_scoring_a_missing_folder(refuse, tmp_path):
    refuse(["evaluate", "atoms", "--pred", tmp_path / "none", "--truth", tmp_path], "--pred", "none")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["infer", "atoms"],
        ["infer", "atoms", "a.tif", "--out", "o"],
        ["infer", "atoms", "a.tif", "--wieghts", "w", "--out", "o"],
        ["infer", "molecules"],
        ["simulate", "quickstart"],
        ["evaluate", "threshold", "--data", "c"],
    ],
)
def test_words_that_are_no_command(cli, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = cli(*words)
    assert code == (2 if words else 0)
    assert "Traceback" not in output
    assert output
    assert not list(tmp_path.iterdir())


def test_quickstart_in_a_folder_with_other_files(refuse, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    refuse(["quickstart", "--out", tmp_path], "thesis.tex")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_palette_pictures_are_colour(infer, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(image).quantize(16).save(tmp_path / "palette.png")
    infer(tmp_path / "palette.png", "palette.png", "colour")


def test_a_model_that_cannot_be_exported(refuse, tmp_path):
    refuse(
        ["export-model", "nothing", "--out", tmp_path / "a.pt2"], "names of weights that come with stemforge"
    )
    refuse(
        ["export-model", "atom-net", "--out", tmp_path / "a.pth"], "--out", "must end in .onnx, .pt2, .zip"
    )
    (tmp_path / "a.pt2").write_bytes(b"kept")
    refuse(["export-model", "atom-net", "--out", tmp_path / "a.pt2"], "exists already")
    assert (tmp_path / "a.pt2").read_bytes() == b"kept"
