"""What the commands leave behind; plain mistakes stand in test_bad_input."""

import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from stemforge import Annotations, Corpus, read_micrograph
from stemforge.options import option_names
from stemforge.simulate.recipe import shipped_recipes
from stemforge.train import Card, load_weights, save_weights

SPOTS = np.array([[20.0, 30.0], [44.5, 12.25], [50.0, 52.0]])  # as in conftest

COMMANDS = {
    "quickstart": "stemforge.evaluate.command:quickstart",
    "doctor": "stemforge.installation.command:doctor",
    "recipe list": "stemforge.train.catalogue.command:list_recipes",
    "recipe show": "stemforge.train.catalogue.command:show",
    "recipe explain": "stemforge.train.catalogue.command:explain",
    "structures candidates": "stemforge.structures.command:make_candidates",
    "simulate": "stemforge.simulate.command:simulate",
    "plan": "stemforge.simulate.command:plan",
    "verify": "stemforge.command:verify",
    "export": "stemforge.simulate.command:export",
    "calibrate": "stemforge.adapt.command:calibrate",
    "compare": "stemforge.evaluate.corpora.command:compare",
    "ingest": "stemforge.command:ingest",
    "inspect": "stemforge.evaluate.corpora.command:inspect",
    "train": "stemforge.train.command:train",
    "infer atoms": "stemforge.infer.command:atoms",
    "infer restore": "stemforge.infer.command:restore",
    "infer molecules": "stemforge.infer.command:molecules",
    "infer lattice": "stemforge.infer.command:lattice",
    "infer occupancy": "stemforge.infer.command:occupancy",
    "infer columns": "stemforge.infer.command:columns",
    "infer conformation": "stemforge.infer.command:conformation",
    "triage": "stemforge.evaluate.triage.command:triage",
    "analyse": "stemforge.evaluate.statistics.command:analyse",
    "report": "stemforge.evaluate.reports.command:report",
    "track": "stemforge.evaluate.series.command:track",
    "depth": "stemforge.evaluate.depth.command:depth",
    "sweep": "stemforge.evaluate.sweep.command:sweep",
    "evaluate molecules": "stemforge.evaluate.crystals.command:molecules",
    "evaluate framework": "stemforge.evaluate.crystals.command:framework",
    "evaluate atoms": "stemforge.evaluate.atoms.command:atoms",
    "evaluate threshold": "stemforge.evaluate.likelihoods.command:threshold",
    "app": "stemforge.app.command:serve",
    "shortcut": "stemforge.app.command:shortcut",
}

HEADER = "x_px,y_px,x_nm,y_nm,score,x_error_px,y_error_px,intensity,intensity_error,contrast,width_px,fitted"


@pytest.fixture
def infer(cli, spot_weights, tmp_path):
    def run(*words, out="out"):
        words = [*words, "--weights", spot_weights, "--out", tmp_path / out, "--no-completeness", "--quiet"]
        return cli("infer", "atoms", *words)

    return run


def _rows(path):
    header, *rows = path.read_text().splitlines()
    assert header == HEADER
    return [row.split(",") for row in rows]


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atoms_of_a_calibrated_tiff(infer, write_image, tmp_path):
    code, _ = infer(write_image(), "--likelihood")
    assert code == 0
    assert _names(tmp_path / "out") == ["run.json", "spots.csv", "spots.png", "spots_likelihood.tif"]
    rows = np.array(_rows(tmp_path / "out" / "spots.csv"), dtype=float)
    points = rows[np.argsort(rows[:, 1])][:, :2]
    np.testing.assert_allclose(points, SPOTS[np.argsort(SPOTS[:, 1])], atol=0.4)
    np.testing.assert_allclose(rows[:, 2:4], rows[:, :2] * 0.0293, atol=1e-4)
    assert np.all(np.diff(rows[:, 4]) <= 0)
    likelihood = read_micrograph(tmp_path / "out" / "spots_likelihood.tif")
    assert likelihood.sampling == pytest.approx(0.293, rel=1e-4)
    assert likelihood.shape == (64, 64)
    assert likelihood.image.max() == pytest.approx(rows[0, 4], abs=1e-5)


def test_likelihood_of_a_resampled_image_carries_the_networks_pixel_size(infer, write_image, tmp_path, blobs):
    image = blobs((SPOTS + 0.5) * 2 - 0.5, (128, 128), sigma=4.0)
    assert infer(write_image("fine.tif", image, sampling=0.1465), "--likelihood")[0] == 0
    likelihood = read_micrograph(tmp_path / "out" / "fine_likelihood.tif")
    assert likelihood.sampling == pytest.approx(0.293, rel=1e-4)
    assert likelihood.shape == (64, 64)
    rows = np.array(_rows(tmp_path / "out" / "fine.csv"), dtype=float)
    assert rows[:, 0].max() > 64  # in the image's own pixels
    np.testing.assert_allclose(rows[:, 2], rows[:, 0] * 0.01465, atol=1e-4)


@pytest.mark.parametrize("name", ["bare.tif", "bare.png"])
def test_without_calibration_nm_stay_empty_with_a_note(infer, write_image, spots_image, tmp_path, name):
    image = np.clip(spots_image, 0, 255).astype(np.uint8) if name.endswith("png") else spots_image
    code, output = infer(write_image(name, image, sampling=None))
    assert code == 0
    assert "bare: no calibration" in output
    assert "--sampling" in output
    rows = _rows(tmp_path / "out" / "bare.csv")
    assert len(rows) == 3
    assert all(row[2:4] == ["", ""] for row in rows)


def test_sampling_given_on_the_command_line(infer, write_image, tmp_path):
    code, output = infer(write_image("bare.tif", sampling=None), "--sampling", "0.293")
    assert code == 0
    assert "no calibration" not in output
    assert all(
        float(row[2]) == pytest.approx(float(row[0]) * 0.0293, abs=1e-4)
        for row in _rows(tmp_path / "out" / "bare.csv")
    )


def test_a_batch_goes_on_past_bad_images(infer, write_image, spots_image, tmp_path):
    spoilt = spots_image.copy()
    spoilt[0, 0] = np.inf
    images = [
        write_image("a.tif"),
        write_image("bad.tif", spoilt),
        tmp_path / "gone.tif",
        write_image("z.tif"),
    ]
    code, output = infer(*images)
    assert code == 1
    assert "bad.tif" in output
    assert "gone.tif" in output
    assert "2 of 4 images" in output
    assert _names(tmp_path / "out") == ["a.csv", "a.png", "run.json", "z.csv", "z.png"]
    run = json.loads((tmp_path / "out" / "run.json").read_text())["infer atoms"]
    assert {name for name, entry in run.items() if "failed" in entry} == {"bad", "gone"}
    assert {name: entry["threshold"] for name, entry in run.items() if "threshold" in entry} == {
        "a": 0.5,
        "z": 0.5,
    }
    assert run["a"]["expected_f1"] is None


@pytest.mark.slow
def test_an_image_on_which_little_looks_like_an_atom_is_named(
    cli, matched_filter, blobs, write_image, tmp_path
):
    """Clear spots get a threshold of their own; faint ones the card's, and it is output."""
    card = Card(
        *("sac-cnn", 0.293, 0.9),
        inputs={"spots": "peaks"},
        calibration={"scale": 1.0, "shift": 0.0},
        counting={"scale": 1.0, "spread": 0.1},
        min_expected_f1=0.6,
    )
    save_weights(tmp_path / "w.safetensors", matched_filter, card)
    clear = write_image("clear.tif", blobs(SPOTS, (72, 72), noise=0))
    rng = np.random.default_rng(0)
    faint = write_image("faint.tif", rng.poisson(100, (72, 72)).astype(np.float32))
    words = ["infer", "atoms", clear, faint, "--weights", tmp_path / "w.safetensors"]
    words += ["--no-completeness", "--quiet"]
    code, output = cli(*words, "--out", tmp_path / "own")
    assert code == 0
    assert "faint: hardly anything looks like an atom" in output
    assert "clear: hardly" not in output
    run = json.loads((tmp_path / "own" / "run.json").read_text())["infer atoms"]
    assert run["faint"]["threshold"] == 0.9
    assert run["clear"]["threshold"] != 0.9
    assert run["clear"]["expected_f1"] > 0.6 > run["faint"]["expected_f1"]
    code, output = cli(*words, "--out", tmp_path / "fixed", "--threshold", "0.1")
    assert "hardly" not in output
    run = json.loads((tmp_path / "fixed" / "run.json").read_text())["infer atoms"]
    assert {name: entry["threshold"] for name, entry in run.items()} == {"clear": 0.1, "faint": 0.1}


def test_a_batch_of_bad_images_alone(infer, tmp_path):
    code, output = infer(tmp_path / "one.tif", tmp_path / "two.tif")
    assert code == 1
    assert "one.tif" in output
    assert "two.tif" in output
    assert not (tmp_path / "out").exists()


def test_markup_in_a_file_name_is_printed_literally(infer, write_image, spots_image, tmp_path):
    code, output = infer(write_image("good.tif"), tmp_path / "a[bold]b.tif")
    assert code == 1
    assert "a[bold]b.tif" in output


def test_no_atoms_give_an_empty_table(infer, write_image, tmp_path):
    noise = np.random.default_rng(0).normal(100, 1, (64, 64))
    code, output = infer(write_image("noise.tif", noise))
    assert code == 0
    assert "0 atoms" in output
    assert _rows(tmp_path / "out" / "noise.csv") == []
    assert (tmp_path / "out" / "noise.png").exists()


def test_results_are_not_replaced_unasked(infer, write_image, tmp_path):
    image = write_image()
    assert infer(image)[0] == 0
    table = tmp_path / "out" / "spots.csv"
    table.write_text("mine")
    code, output = infer(image)
    assert code == 2
    assert "spots.csv" in output
    assert "--overwrite" in output
    assert table.read_text() == "mine"
    assert infer(image, "--overwrite")[0] == 0
    assert len(_rows(table)) == 3


@pytest.mark.parametrize(
    ("option", "first"), [(["--stack"], "movie_000.csv"), (["--frame", "1"], "movie_001.csv")]
)
def test_frames_are_not_replaced_unasked_either(infer, spots_image, tmp_path, option, first):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.stack([spots_image, spots_image[::-1]]), imagej=True)
    assert infer(path)[0] == 2  # a stack needs a word
    assert infer(path, *option)[0] == 0
    expected = 2 if option == ["--stack"] else 1
    assert len(list((tmp_path / "out").glob("movie_*.csv"))) == expected
    (tmp_path / "out" / first).write_text("mine")
    code, output = infer(path, *option)
    assert code == 2
    assert first in output
    assert (tmp_path / "out" / first).read_text() == "mine"


def test_a_foreign_picture_is_not_replaced(infer, write_image, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "spots.png").write_text("mine")
    code, output = infer(write_image())
    assert code == 2
    assert "spots.png" in output
    assert (tmp_path / "out" / "spots.png").read_text() == "mine"


def test_two_images_of_one_name_are_refused(infer, write_image):
    code, output = infer(write_image("a/spots.tif"), write_image("b/spots.tif"))
    assert code == 2
    assert "their results would overwrite each other (spots.csv)" in output


def test_png_images_are_not_replaced_by_their_overlays(infer, write_image, spots_image, tmp_path):
    path = write_image("here/spots.png", spots_image.astype(np.uint8))
    before = path.read_bytes()
    assert infer(path, out="here")[0] == 2
    assert infer(path, "--overwrite", out="here")[0] == 2
    assert path.read_bytes() == before


@pytest.mark.slow
def test_ingest_train_and_score(cli, infer, write_image, blobs, tmp_path):
    for index in range(3):
        write_image(f"images/{index:03d}_HAADF.tif", blobs(SPOTS, (64, 64), seed=index))
        (tmp_path / "labels").mkdir(exist_ok=True)
        rows = "".join(f"{i},{x},{y}\n" for i, (x, y) in enumerate(SPOTS))
        (tmp_path / "labels" / f"{index:03d}_Results.csv").write_text(f" ,X,Y\n{rows}")
    corpus = tmp_path / "corpus"
    assert cli("ingest", tmp_path / "images", "--labels", tmp_path / "labels", "--out", corpus)[0] == 0
    assert Corpus(corpus).kind == "measured"
    assert Corpus(corpus)[0].sampling == pytest.approx(0.293, rel=1e-4)
    words = [
        "--epochs",
        "1",
        "--crops.per_image",
        "8",
        "--workers",
        "0",
        "--quiet",
        "--accelerator",
        "cpu",
    ]
    code, output = cli("train", "sac-cnn", "--data", corpus, "--out", tmp_path / "run", *words)
    assert code == 0
    assert "sac-cnn.safetensors" in output
    card = load_weights(tmp_path / "run" / "sac-cnn.safetensors")[1]
    assert (card.recipe["epochs"], card.recipe["crops"]["per_image"]) == (1, 8)

    assert infer(*sorted((tmp_path / "images").iterdir()))[0] == 0
    scores = tmp_path / "scores.json"
    code, output = cli(
        "evaluate", "atoms", "--pred", tmp_path / "out", "--truth", tmp_path / "labels", "--json", scores
    )
    assert code == 0
    assert json.loads(scores.read_text())["summary"]["box21_iou0.5"]["mean"]["f1"] == 1
    assert "1.000" in output


def test_training_can_go_on(cli, tiny_corpus, tmp_path):
    words = ["train", "sac-cnn", "--data", tiny_corpus, "--out", tmp_path / "run", "--crops.per_image", "8"]
    words += ["--workers", "0", "--quiet", "--accelerator", "cpu"]
    assert cli(*words, "--epochs", "1")[0] == 0
    code, output = cli(*words, "--epochs", "2")
    assert code == 2
    assert "--resume" in output
    assert cli(*words, "--epochs", "2", "--resume")[0] == 0
    assert load_weights(tmp_path / "run" / "sac-cnn.safetensors")[1].recipe["epochs"] == 2


def test_dotted_options_reach_the_recipe_and_a_corpus_can_grow(cli, tiny_overrides, tmp_path):
    out = tmp_path / "corpus"
    words = ["simulate", "quickstart", "--out", out, "--workers", "1", "--quiet"]
    for name, value in (
        tiny_overrides | {"shard_size": 1, "scan.shape": [32, 48], "reference_dose": 123.0}
    ).items():
        if name != "num_samples":
            words += [f"--{name}", json.dumps(value)]
    assert cli(*words, "--num", "1")[0] == 0
    corpus = Corpus(out)
    assert corpus.recipe["reference_dose"] == 123
    assert corpus.recipe["single_atoms"][0]["areal_density"] == 1.0
    assert corpus[0].signal.shape == (1, 32, 48)
    before = (out / "shard-000000.h5").stat().st_mtime_ns
    code, output = cli(*words, "--num", "2")
    assert code == 0
    assert "2 images" in output
    assert (out / "shard-000000.h5").stat().st_mtime_ns == before


def test_a_corpus_without_atoms(cli, refuse, tiny_overrides, tmp_path):
    out = tmp_path / "corpus"
    words = ["simulate", "quickstart", "--out", out, "--workers", "1", "--quiet", "--num", "2"]
    for name, value in (tiny_overrides | {"single_atoms": [], "scan.shape": [32, 32]}).items():
        if name != "num_samples":
            words += [f"--{name}={json.dumps(value)}"]
    code, output = cli(*words)
    assert code == 0
    assert "0 labelled atoms" in output
    assert [len(sample.labels) for sample in Corpus(out)] == [0, 0]
    code, output = cli("inspect", out, "--figure", tmp_path / "sheet.png")
    assert code == 0
    assert "0, 0 to 0 an image" in output
    refuse(["train", "sac-cnn", "--data", out, "--out", tmp_path / "run"], "no labelled atom")
    assert not (tmp_path / "run").exists()


def test_the_threshold_is_stored_with_the_weights(cli, write_blobs, spot_weights, tmp_path):
    corpus = write_blobs(tmp_path / "corpus", 3)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(spot_weights.read_bytes())
    words = ["evaluate", "threshold", "--weights", weights, "--data", corpus, "--quiet"]
    code, output = cli(*words, "--validation", "0.6")
    assert code == 0
    card = load_weights(weights)[1]
    assert f"threshold {card.threshold:g}" in output
    assert "2 held-out images" in output
    assert card.metrics["held_out_f1"] == 1


def test_inspect_prints_and_draws(cli, tiny_corpus, write_image, tmp_path):
    code, output = cli("inspect", tiny_corpus, "--figure", tmp_path / "sheet.png")
    assert code == 0
    labels = sum(len(sample.labels) for sample in Corpus(tiny_corpus))
    assert "4 of 64 × 64 pixels (0.293 Å a pixel), HAADF" in output
    assert f"{labels}, " in output
    code, output = cli("inspect", write_image(), "--figure", tmp_path / "image.png")
    assert code == 0
    assert "0.293 Å (1.88 × 1.88 nm)" in output
    for name in ("sheet.png", "image.png"):
        assert read_picture(tmp_path / name) > 100


def read_picture(path):
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()
        return min(picture.size)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_option(cli, command, monkeypatch):
    module, name = COMMANDS[command].split(":")
    function = getattr(importlib.import_module(module), name)
    code, output = cli(*command.split(), "--help")
    assert code == 0
    for name in option_names(function):
        option = f"--{name.replace('_', '-')}"
        lines = [line.strip("│ *") for line in output.splitlines() if line.startswith("│")]
        line = next((line for line in lines if line.startswith(f"{option} ")), "")
        words = line.split(option, 1)[-1].replace("│", "").split()
        assert len(words) > 2, f"{command} {option} is not explained"


def test_every_command_is_known_here(cli):
    _, output = cli("--help")
    assert all(command.split()[0] in output for command in COMMANDS)


def _python(*words, **options):
    command = [sys.executable, "-m", "stemforge", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_exit_code_of_the_process(tmp_path):
    done = _python(
        "ingest", tmp_path / "none.tif", "--labels", tmp_path / "none.csv", "--out", tmp_path / "out"
    )
    assert done.returncode == 2
    assert "none.tif: no such file" in done.stderr
    assert not (tmp_path / "out").exists()
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_tables_of_atoms_can_be_read_back(infer, write_image, tmp_path):
    assert infer(write_image())[0] == 0
    table = Annotations.from_csv(tmp_path / "out" / "spots.csv", (64, 64))
    assert len(table) == 3
    assert set(table.columns) == set(HEADER.split(",")) - {"x_px", "y_px"}


@pytest.mark.slow
def test_candidates_of_a_zeolite_are_docked_and_kept(cli, refuse, tmp_path):
    words = [
        "structures",
        "candidates",
        "--t-sites",
        "T12",
        "--calculator",
        "none",
        "--out",
        tmp_path / "out",
        "--quiet",
    ]
    code, output = cli(*words)
    assert code == 0
    assert "T12-O12: the guest does not fit before this proton" in output
    assert "3 candidates; this run asked for 3" in output
    names = [
        "T12-O11-1.cif",
        "T12-O20-1.cif",
        "T12-O24-1.cif",
        "candidates.csv",
        "candidates.png",
        "run.json",
    ]
    assert _names(tmp_path / "out") == names
    before = (tmp_path / "out" / names[0]).stat().st_mtime_ns
    assert cli(*words)[0] == 0
    assert (tmp_path / "out" / names[0]).stat().st_mtime_ns == before
    refuse([*words, "--guest", "benzene"], "--out", "made with another guest", "--overwrite")
    refuse(
        [*words[:3], "T13"], "--t-sites must be all, or numbers of T sites of this framework, 1 to 12, got 13"
    )
    refuse([*words[:3], "first"], "--t-sites must be all, or numbers such as 1 12 or T1 T12, got 'first'")
    refuse([*words, "--radius", "1"], "radius must be between 2 and 10")


def test_recipes_are_listed_shown_and_explained(cli, refuse):
    code, printed = cli("recipe", "list")
    assert code == 0
    assert " ".join(
        next(line for line in printed.splitlines() if line.startswith("pt-nc ")).split()
    ).startswith("pt-nc simulate, plan, calibrate, adapt Pt single atoms on nitrogen-doped carbon")
    code, printed = cli("recipe", "explain", "pt-nc", "single_atoms.1.element")
    assert code == 0
    assert "set      --single_atoms.1.element Zn" in printed
    refuse(["recipe", "explain", "pt-nc", "single_atoms.1.elemnt"], "did you mean single_atoms.0.element")
    refuse(["recipe", "show", "pt-nk"], "no shipped recipe of that name", "pt-nc")


def test_a_shown_recipe_is_its_file_with_other_values(cli):
    plain = shipped_recipes()["pt-nc"].read_text(encoding="utf-8")
    assert cli("recipe", "show", "pt-nc") == (0, plain)
    code, printed = cli(
        "recipe", "show", "pt-nc", "--single_atoms.0.element", "Ir", "--degradation.dose", "2e4"
    )
    assert code == 0
    changed = [line for line in printed.splitlines() if line not in plain.splitlines()]
    assert [" ".join(line.split()) for line in changed] == [
        "- element: Ir",
        "dose: 20000 # [e/Å²]: 15 to 100 electrons a pixel",
    ]
    code, printed = cli("recipe", "show", "pt-nc", "--full")
    assert code == 0
    assert (
        "A1_angle: {uniform: [0, 3.1416]} # Azimuth of the twofold astigmatism; abTEM's phi12 [rad]"
        in " ".join(printed.split())
    )


@pytest.mark.parametrize(
    ("words", "patterns"),
    [
        (
            ["--single_atoms.2.element", "Ir"],
            ["'single_atoms' has 2 entries, 'single_atoms.0' to 'single_atoms.1'"],
        ),
        (["--single_atoms.0.elemnt", "Ir"], ["unknown key 'single_atoms.0.elemnt'; did you mean 'element'?"]),
        (["--single_atoms.0.element", "Irr"], ["'single_atoms.0': no such element: 'Irr'"]),
        (["--single_atoms.0.element", "No"], ["must be text; put quotes round a word"]),
        (
            ["--single_atoms.0.placement", "surfac"],
            ["'single_atoms.0.placement': must be 'surface', 'volume'"],
        ),
        (["--support.kind", "carbon"], ["'support.kind': must be one of amorphous_carbon,", "got carbon"]),
        (["--scan.shape", "{a: {b: 1}}"], ["'scan.shape': must be a list (got a mapping of a)"]),
    ],
)
def test_errors_of_recipes_show_no_dictionary(refuse, tmp_path, words, patterns):
    printed = refuse(["simulate", "pt-nc", "--out", tmp_path / "out", *words], *patterns)
    assert "{'" not in printed
    assert '{"' not in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_bash_completes_commands_and_options(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path), "SHELL": "/bin/bash"}
    assert _python("--install-completion", env=environment).returncode == 0
    script = tmp_path / ".local/share/bash-completion/completions/stemforge"
    lines = [f"source {script}"]
    for typed in ("recipe ''", "infer atoms --sampl"):
        lines.append(f"COMP_WORDS=(stemforge {typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()")
        lines.append('_stemforge stemforge "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; echo "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["list show explain", "--sampling"]
