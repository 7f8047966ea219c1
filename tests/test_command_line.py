"""The command line: the README's commands, and every bad input refused with one message and exit code 2."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from stemforge.__main__ import app, main
from stemforge.corpus import Corpus
from stemforge.train import SACCNN, Card, load_weights, save_weights

ROOT = Path(__file__).parents[1]
TINY = ["--scan.shape", "[64,64]", "--scan.margin", "3", "--support.mean_thickness", "60", "--quiet"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "sac-cnn.safetensors"
    save_weights(path, SACCNN(), Card("sac-cnn", 0.293, 0.5, recipe={"validation": 0.3}))
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("corpora") / "tiny"
    assert main(["simulate", "quickstart", "--out", str(out), "--num", "4", "--workers", "1", *TINY]) == 0
    return out


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "field.tif"
    values = np.random.default_rng(0).poisson(30, (64, 80)).astype("float32")
    tifffile.imwrite(path, values, imagej=True, resolution=(34.13, 34.13), metadata={"unit": "nm"})
    return path


def _bad_images(folder: Path) -> dict[str, Path]:
    noise = np.random.default_rng(0).poisson(30, (32, 32)).astype("float32")
    paths = {name: folder / f"{name}.tif" for name in ("truncated", "nan", "constant", "stack")}
    tifffile.imwrite(paths["truncated"], noise)
    paths["truncated"].write_bytes(paths["truncated"].read_bytes()[:-900])
    tifffile.imwrite(paths["nan"], np.where(noise > 40, np.nan, noise))
    tifffile.imwrite(paths["constant"], np.full_like(noise, 3))
    tifffile.imwrite(paths["stack"], np.stack([noise, noise]))
    paths["colour"] = folder / "colour.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype="uint8")).save(
        paths["colour"]
    )
    paths["text"] = folder / "text.tif"
    paths["text"].write_text("no image")
    paths["missing"] = folder / "missing.tif"
    return paths


@pytest.mark.parametrize("kind", ["truncated", "nan", "constant", "stack", "colour", "text", "missing"])
def test_a_bad_image_is_refused(kind, tmp_path, weights, capsys):
    path = _bad_images(tmp_path)[kind]
    assert main(["infer", "atoms", str(path), "--weights", str(weights), "--out", str(tmp_path / "o")]) == 2
    assert path.name in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "o").glob("*.csv"))


def test_a_batch_goes_on_past_a_bad_image(tmp_path, image, weights, capsys):
    bad = _bad_images(tmp_path)["nan"]
    out = tmp_path / "o"
    assert main(["infer", "atoms", str(bad), str(image), "--weights", str(weights), "--out", str(out)]) == 1
    assert "nan.tif" in capsys.readouterr().err
    assert (out / "field.csv").exists()
    assert (out / "field.png").exists()
    assert not (out / "nan.csv").exists()


def test_results_are_not_replaced_silently(tmp_path, image, weights, capsys):
    command = ["infer", "atoms", str(image), "--weights", str(weights), "--out", str(tmp_path / "o")]
    assert main(command) == 0
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_the_table_has_nanometres_only_where_calibrated(tmp_path, image, weights):
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, tifffile.imread(image))
    out = tmp_path / "o"
    command = ["infer", "atoms", str(image), str(plain), "--weights", str(weights), "--out", str(out)]
    assert main([*command, "--threshold", "0.02", "--likelihood"]) == 0
    for name, calibrated in (("field", True), ("plain", False)):
        header, *rows = (out / f"{name}.csv").read_text().splitlines()
        assert header == "x_px,y_px,x_nm,y_nm,score"
        assert rows
        assert all(bool(row.split(",")[2]) == calibrated for row in rows)
    assert tifffile.imread(out / "field_likelihood.tif").shape == (64, 80)


def test_no_atoms_make_an_empty_table(tmp_path, image, weights):
    out = tmp_path / "o"
    command = ["infer", "atoms", str(image), "--weights", str(weights), "--out", str(out)]
    assert main([*command, "--threshold", "0.9999999"]) == 0
    assert (out / "field.csv").read_text() == "x_px,y_px,x_nm,y_nm,score\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sed", "3"], "did you mean 'seed'"),
        (["--microscope.enrgy", "3"], "did you mean 'energy'"),
        (["--degradation.dose", "-5"], "degradation.dose"),
        (["--microscope.detectors", "{HAADF: [90, 900]}", "--engine.sampling", "0.1"], "antialias"),
        (["--single_atoms", "[{element: Qq}]"], "no such element"),
        (["--scan.shape", "[2, 2]"], "scan"),
        (["--num", "0"], "num_samples"),
        (["--num", "many"], "many"),
        (["--workers", "0"], "workers"),
        (["stray"], "stray"),
    ],
)
def test_a_bad_recipe_is_refused_before_anything_is_written(options, said, tmp_path, capsys):
    out = tmp_path / "corpus"
    assert main(["simulate", "quickstart", "--out", str(out), *options]) == 2
    captured = capsys.readouterr()
    assert said in " ".join((captured.err + captured.out).split())
    assert not out.exists()


def test_an_unknown_recipe_names_those_there_are(tmp_path, capsys):
    assert main(["simulate", "nonesuch", "--out", str(tmp_path / "c")]) == 2
    assert "pt-nc" in capsys.readouterr().err


def test_another_recipes_corpus_is_refused(corpus, capsys):
    before = sorted(p.stat().st_mtime_ns for p in corpus.iterdir())
    assert main(["simulate", "fe-c3n4", "--out", str(corpus), "--num", "1"]) == 2
    assert "another recipe" in capsys.readouterr().err
    assert before == sorted(p.stat().st_mtime_ns for p in corpus.iterdir())


def test_images_without_atoms_can_be_made_and_looked_at(tmp_path, capsys):
    out = tmp_path / "empty"
    options = ["--num", "1", "--workers", "1", "--single_atoms", "[]", *TINY]
    assert main(["simulate", "quickstart", "--out", str(out), *options]) == 0
    assert len(Corpus(out)[0].labels) == 0
    assert main(["inspect", str(out), "--out", str(tmp_path / "sheet.png")]) == 0
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("table", "said"),
    [("a,b\n1,2\n", "x_px,y_px or X,Y"), ("X,Y\n500,2\n", "outside the image"), ("X,Y\n1,oops\n", "oops")],
)
def test_bad_labels_are_refused(table, said, tmp_path, image, capsys):
    labels = tmp_path / "field.csv"
    labels.write_text(table)
    out = tmp_path / "corpus"
    assert main(["ingest", str(image), "--labels", str(labels), "--out", str(out)]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "field.csv" in message
    assert said in message
    assert not out.exists()


def test_weights_of_another_network_are_refused(tmp_path, image, capsys):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"a": SACCNN().fc3.weight.detach()}, path, metadata={"stemforge": Card("sac-cnn").to_json()})
    assert main(["infer", "atoms", str(image), "--weights", str(path), "--out", str(tmp_path / "o")]) == 2
    assert "another network" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_ingest_train_calibrate_and_score(tmp_path, image, corpus):
    labels = tmp_path / "field_labels.csv"
    labels.write_text("X,Y\n10,20\n40,30\n")
    second = tmp_path / "other.tif"
    tifffile.imwrite(second, tifffile.imread(image)[::-1])
    (tmp_path / "other.csv").write_text("X,Y\n12,21\n")
    labels.rename(tmp_path / "field.csv")
    tables = [str(tmp_path / "field.csv"), str(tmp_path / "other.csv")]
    real = tmp_path / "real"
    arguments = [str(image), str(second), "--labels", *tables, "--out", str(real), "--sampling", "0.293"]
    assert main(["ingest", *arguments]) == 0
    run = tmp_path / "run"
    options = ["--epochs", "1", "--crops.per_image", "16", "--num_workers", "0", "--quiet"]
    assert main(["train", "sac-cnn", "--data", str(corpus), str(real), "--out", str(run), *options]) == 0
    trained = run / "sac-cnn.safetensors"
    assert main(["evaluate", "threshold", "--weights", str(trained), "--data", str(corpus), "--quiet"]) == 0
    card = load_weights(trained)[1]
    assert "held_out_f1" in card.metrics
    assert card.recipe["epochs"] == 1
    found = tmp_path / "found"
    images = [str(image), str(second)]
    assert main(["infer", "atoms", *images, "--weights", str(trained), "--out", str(found)]) == 0
    truth = tmp_path / "truth"
    truth.mkdir()
    for table in tables:
        (truth / Path(table).name).write_text(Path(table).read_text())
    scores = tmp_path / "scores.json"
    command = ["evaluate", "atoms", "--pred", str(found), "--truth", str(truth), "--json", str(scores)]
    assert main(command) == 0
    assert scores.stat().st_size > 100


def readme_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("stemforge ")]


@pytest.mark.parametrize("command", readme_commands())
def test_readme_commands_parse(command):
    # .ci/run runs the install lines; here every command must fit its options.
    bound = app.parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)
    assert callable(bound[0])


def test_readme_has_commands():
    assert len(readme_commands()) >= 7


@pytest.mark.parametrize(
    "command",
    [
        "",
        "simulate",
        "ingest",
        "inspect",
        "train sac-cnn",
        "infer atoms",
        "evaluate atoms",
        "evaluate threshold",
    ],
)
def test_help(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    assert "Usage" in capsys.readouterr().out
