"""Every command that the documents show fits the real commands, and the README's walk can be walked."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cyclopts import CycloptsError

from stemforge.__main__ import COMMANDS as ALL, command_line
from stemforge.infer import measure_completeness
from stemforge.micrograph.writers import write_tiff
from stemforge.options import parse_overrides
from stemforge.simulate import SimulationRecipe, load_recipes, record, simulate_sample
from stemforge.simulate.recording.record import recording_rng
from stemforge.train.catalogue.explanation import explained
from stemforge.train.catalogue.shipped import find_recipe
from stemforge.train.networks import network

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in (
        ROOT / "README.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/gallery/*/*.py"),
        *ROOT.glob("examples/notebooks/*.ipynb"),
    )
    if path.is_file()
)
NAMES = {name for name, *_ in ALL}


def _commands(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
        named = [one.replace("\n", " ") for one in re.findall(r"`(stemforge [^`]+)`", "\n".join(cells))]
        return [one for one in named if one.removeprefix("stemforge ") not in NAMES]
    if path.suffix == ".py":
        named = [one.replace("\n# ", " ") for one in re.findall(r"``(stemforge [^`]+)``", text)]
        return [one for one in named if one.removeprefix("stemforge ") not in NAMES]
    blocks = re.findall(r"^ *```(?:bash|sh|console)\n(.*?)^ *```", text, re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines = [line.partition(" > ")[0] for line in lines]
    parts = [part.strip().removeprefix("$ ") for line in lines for part in re.split("&&?|;|#", line)]
    return [part for part in parts if part.startswith("stemforge ")]


COMMANDS = [(path.name, command) for path in DOCUMENTS for command in _commands(path)]


def _bind(command):
    function, bound, _ = command_line().parse_args(
        shlex.split(command)[1:], exit_on_error=False, print_error=False
    )
    return function, bound.arguments


def test_the_readme_walks_from_corpus_to_scores():
    shown = " ".join(command for name, command in COMMANDS if name == "README.md")
    for word in (
        "quickstart",
        "simulate",
        "inspect",
        "train atom-net",
        "infer atoms",
        "evaluate atoms",
        "ingest",
    ):
        assert f"stemforge {word}" in shown


@pytest.mark.parametrize(("document", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_commands_fit_the_command_line_and_their_recipes(document, command):
    function, values = _bind(command)
    overrides = parse_overrides(values.get("overrides", ()))
    if function.__name__ == "simulate":
        load_recipes(values["recipe"], overrides)
    elif function.__module__ == "stemforge.train.catalogue.command":
        if function.__name__ == "show":
            find_recipe(values["recipe"]).load(overrides)
        elif function.__name__ == "explain":
            assert list(explained(values["recipe"], values.get("field")))
    elif function.__module__.startswith("stemforge.train"):
        network(values["network"]).recipe.load(values.get("recipe"), overrides)
    else:
        assert not overrides


def test_a_wrong_command_would_be_noticed():
    for command in ("stemforge infer atoms a.tif --wieghts w --out o", "stemforge infer atomes a"):
        with pytest.raises(CycloptsError):
            _bind(command)


def few_grafts(*of, **options):
    """Measure completeness with fewer grafts than a user gets."""
    return measure_completeness(*of, **options | {"number": 20})


@pytest.mark.slow
def test_the_readmes_walk(cli, tmp_path, monkeypatch, blobs):
    """Each command in turn, as shown but for the sizes; then the lines of Python."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # where an icon is put
    monkeypatch.setattr("stemforge.adapt.report.MEASURED", 1)
    for share, value in (("_TRAINING", 0.1), ("_POSTERIOR", 0.0)):  # without a posterior its share is trained
        monkeypatch.setattr(f"stemforge.adapt.training.plan.{share}", value)
    for room in ("infer.completeness.files", "adapt.report"):
        monkeypatch.setattr(f"stemforge.{room}.measure_completeness", few_grafts)
    for index in range(3):
        points = np.random.default_rng(index).uniform(8, 56, (12, 2))
        image = blobs(points, (64, 64), seed=index)
        for folder in ("images", "labels"):
            Path(folder).mkdir(exist_ok=True)
        scale = {"imagej": True, "resolution": (34.13, 34.13), "metadata": {"unit": "nm"}}
        tifffile.imwrite(f"images/{index:03d}_image.tif", image, **scale)
        rows = "".join(f"{i},{x},{y}\n" for i, (x, y) in enumerate(points))
        Path(f"labels/{index:03d}_Results.csv").write_text(f" ,X,Y\n{rows}")
    shutil.copy("images/000_image.tif", "my-image.tif")
    scale = {"imagej": True, "resolution": (40.0, 40.0), "metadata": {"unit": "nm"}}
    lattice = np.add.outer(*[np.sin(np.arange(96.0) / 4)] * 2) + np.random.default_rng(9).normal(
        size=(96, 96)
    )
    tifffile.imwrite("my-idpc.tif", lattice.astype("float32"), **scale)
    film = np.random.default_rng(3).uniform(12, 180, (24, 2))
    frames = [
        blobs(film + np.random.default_rng(n).normal(0, 0.3, (24, 2)), (192, 192), seed=n) for n in range(5)
    ]
    tifffile.imwrite(
        "film.tif", np.stack(frames), imagej=True, resolution=(34.13, 34.13), metadata={"unit": "nm"}
    )
    small = {
        "simulate": [
            "--num",
            "4",
            "--workers",
            "1",
            "--scan.shape",
            "[64,64]",
            "--support.mean_thickness",
            "100",
        ],
        "train": ["--epochs", "1", "--crop", "32", "--network.width", "4", "--workers", "0"],
        "evaluate atoms": ["--unlabelled"],
        "analyse": ["--simulations", "199"],
        "report": ["--simulations", "199"],
        "adapt": ["--minutes", "1", "--workers", "1", "--no-posterior"],
    }
    for name, command in COMMANDS:
        words = shlex.split(command)[1:]
        if name != "README.md" or words[0] == "quickstart":
            continue
        if "--num" in words:
            del words[words.index("--num") : words.index("--num") + 2]
        if "--pred" in words:  # the README labels its own images
            cli(
                "infer",
                "atoms",
                *Path("images").iterdir(),
                "--weights",
                "runs/pt-nc/atom-net.safetensors",
                "--out",
                "found",
            )
            assert len(list(Path("found").glob("*.csv"))) == 2 * 4  # each with its completeness
        if words[0] == "adapt":  # images of what the recipe shows
            recipe = SimulationRecipe.load("si.yaml", {"scan.shape": [200, 200]})
            for index in (1, 2, 3):
                recording = record(
                    simulate_sample(recipe, index), recipe.degradation, recording_rng({}, index)
                )
                write_tiff(Path(f"image-{index}.tif"), recording.image[0], recipe.scan.sampling)
        extra = next((more for start, more in small.items() if " ".join(words).startswith(start)), [])
        code, output = cli(*words, *extra)
        assert code == 0, f"{command}: {output}"
    for name in (
        "corpus.png",
        "found/my-image.csv",
        "scores.json",
        "report/report.html",
        "triage/triage.csv",
        "tracks/film_tracks.csv",
        "statistics/overview.png",
        "scores.png",
        "restored/my-idpc_restored.tif",
        "runs/fine-tuned/atom-net.safetensors",
        "si.png",
        "adapted/atom-net.safetensors",
        "adapted/found/image-3.csv",
        "adapted/report.html",
        "completeness/image-1_completeness.png",
    ):
        assert Path(name).stat().st_size > 10, name
    (python,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    exec(compile(python, "README.md", "exec"), {})
    assert Path("overlay.png").exists()
