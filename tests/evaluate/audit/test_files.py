"""The command: exit codes, what it writes, what it refuses; and the real images."""

import csv
import shutil

import numpy as np
import pytest
import tifffile

from stemforge.__main__ import main
from stemforge.evaluate import audit_files


@pytest.fixture
def data(tmp_path, blobs):
    """Two images with their labels in nm, as ImageJ measures on a calibrated image."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(12, 118, 22), np.arange(12, 118, 22)), -1).reshape(-1, 2)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in (1, 2):
        points = grid + rng.uniform(-6, 6, grid.shape)
        options = {"imagej": True, "resolution": (1 / 0.03,) * 2, "metadata": {"unit": "nm"}}
        tifffile.imwrite(
            tmp_path / f"images/{number}_HAADF.tif", blobs(points, (128, 128), seed=number), **options
        )
        np.savetxt(
            tmp_path / f"labels/{number}_Results.csv", points * 0.03, "%.4f", ",", header="X,Y", comments=""
        )
    return tmp_path


def words(data, *more):
    return ["audit", str(data / "images"), "--labels", str(data / "labels"), "--quiet", *map(str, more)]


@pytest.mark.slow
def test_the_command_mends_a_unit(data, capsys):
    before = sorted(path.name for path in data.rglob("*"))
    assert main(words(data)) == 1
    assert "1_Results: the labels are in nm, not in pixels" in capsys.readouterr().out
    assert sorted(path.name for path in data.rglob("*")) == before
    assert main(words(data, "--out", data / "mended")) == 1
    assert sorted(path.suffix for path in (data / "mended").iterdir()) == [
        ".csv",
        ".csv",
        ".json",
        ".png",
        ".png",
    ]
    # What it wrote is sound, and so are the tables with the unit that was found.
    shutil.copytree(data / "labels", data / "nm")
    shutil.rmtree(data / "labels")
    (data / "labels").mkdir()
    for path in (data / "mended").glob("*.csv"):
        shutil.copy(path, data / "labels")
    assert main(words(data)) == 0
    assert "2 of 2 files" in capsys.readouterr().out
    shutil.rmtree(data / "labels")
    shutil.move(data / "nm", data / "labels")
    assert main(words(data, "--label-unit", "nm")) == 0


@pytest.mark.parametrize(
    ("prepare", "more", "says"),
    [
        (lambda d: (d / "images/2_HAADF.tif").unlink(), [], "2_Results has no partner"),
        (lambda d: (d / "labels/1_Results.csv").write_text("a,b\n"), [], "expected columns"),
        (lambda d: None, ["--label-unit", "furlong"], "--label-unit must be px or a unit of length"),
        (lambda d: (d / "full").mkdir() or (d / "full/x").touch(), ["--out", "full"], "is not empty"),
        (lambda d: (d / "file").touch(), ["--out", "file"], "is a file, expected a folder"),
        (lambda d: None, ["--weights", "none.safetensors"], "--weights"),
    ],
)
def test_refused(data, capsys, monkeypatch, prepare, more, says):
    monkeypatch.chdir(data)
    prepare(data)
    assert main(words(data, *more)) == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_real_images(data_dir, tmp_path):
    """As published: sound. Then each file with another fault."""
    folder = data_dir / "pt-nc"
    assert audit_files([folder / "images"], [folder / "labels"]).sound
    tables = {path.name[:3]: path for path in folder.joinpath("labels").glob("*.csv")}
    points = {name: np.loadtxt(path, delimiter=",", skiprows=1)[:, 1:] for name, path in tables.items()}
    given = dict(points)
    given["021"], given["025"] = points["025"], points["021"]
    given["027"] = points["027"] + [5, 6]
    given["034"] = points["034"][:, ::-1]
    given["037"] = 511 - points["037"]
    given["045"] = np.concatenate([points["038"][-15:], points["045"]])
    given["047"] = points["047"] / 2
    given["048"] = points["048"] * 0.0293
    given["049"] = np.concatenate([points["049"], points["049"][:9]])
    for name, table in given.items():
        with (tmp_path / tables[name].name).open("w", newline="") as stream:
            csv.writer(stream).writerows([("X", "Y"), *table.tolist()])
    audit = audit_files([folder / "images"], [tmp_path])
    found = {verdict.image[:3]: {fault.kind for fault in verdict.faults} for verdict in audit.verdicts}
    wanted = {
        "021": {"image"}, "025": {"image"}, "027": {"shift"}, "034": {"transposed"}, "037": {"mirrored"}, "038": set(),
        "045": {"rows"}, "047": {"scale"}, "048": {"unit"}, "049": {"duplicates"}, "051": set(),
    }  # fmt: skip
    assert found == wanted
