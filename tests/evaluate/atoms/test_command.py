import json

import cyclopts
import pytest

from stemforge.errors import InputError
from stemforge.evaluate.atoms.command import atoms
from stemforge.micrograph.annotations import Annotations
from stemforge.options import FigureFile, JsonFile


@pytest.fixture
def folders(tmp_path):
    pred, truth = tmp_path / "pred", tmp_path / "truth"
    pred.mkdir()
    truth.mkdir()
    for name, y in (("021_HAADF", 12), ("022_HAADF", 40)):
        found = Annotations([[10, y], [90, 90]], columns={"score": [0.9, 0.6]})
        found.to_csv(pred / f"{name}.csv", 0.3)
        (truth / f"{name[:3]}_Results.csv").write_text(" ,X,Y\n1,10,10\n2,90,90\n")
    return pred, truth


def _run(*arguments):
    app = cyclopts.App(result_action="return_value")
    # Mounted as the front door does it, by import string.
    app.command("stemforge.evaluate.atoms.command:atoms", name="atoms")
    return app(["atoms", *map(str, arguments)], exit_on_error=False)


def test_a_table_is_printed_and_results_are_written_on_request(folders, tmp_path, capsys):
    pred, truth = folders
    before = sorted(tmp_path.rglob("*"))
    _run("--pred", pred, "--truth", truth)
    printed = capsys.readouterr().out
    for expected in ("021", "mean", "sd", "pooled", "0.750", "lowest score"):
        assert expected in printed
    assert sorted(tmp_path.rglob("*")) == before

    out = [tmp_path / name for name in ("scores.json", "scores.csv", "scores.png")]
    options = ["--json", out[0], "--csv", out[1], "--figure", out[2]]
    _run("--pred", pred, "--truth", truth, *options)
    assert all(path.stat().st_size for path in out)
    assert json.loads(out[0].read_text(encoding="utf-8"))["summary"]["1 Å"]["mean"]["f1"] == 0.75
    assert "wrote" in capsys.readouterr().out
    _run("--pred", pred, "--truth", truth, *options, "--min-score", "0.7")
    assert "replaced" in capsys.readouterr().out


def test_help_explains_the_options(capsys):
    _run("--help")
    printed = capsys.readouterr().out
    for option in (
        "--pred",
        "--truth",
        "--json",
        "--csv",
        "--figure",
        "--sampling",
        "--min-score",
        "--unlabelled",
    ):
        assert option in printed


@pytest.mark.parametrize(
    ("option", "name", "says"),
    [
        ("figure", "scores.gif", r"--figure .*must end in \.png"),
        ("json", "no/such/scores.json", "folder .* does not exist"),
        ("json", "pred", "--json .*is a folder"),
        ("csv", "pred/scores.csv", "lies among the tables"),
        ("json", "pred/run.json", "lies among the tables"),
        ("csv", "truth/021_Results.csv", "lies among the tables"),
    ],
)
def test_outputs_are_checked_before_work(folders, tmp_path, option, name, says):
    pred, truth = folders
    path = tmp_path / name
    options = {
        "json": {"report": JsonFile(path)},
        "figure": {"drawing": FigureFile(path)},
        "csv": {"csv": path},
    }
    with pytest.raises(InputError, match=says):
        atoms(pred=pred, truth=truth, **options[option])


def test_one_file_for_two_outputs_is_refused(folders, tmp_path):
    """Each output has an ending of its own, so that no file of another kind is replaced either."""
    pred, truth = folders
    with pytest.raises(InputError, match=r"--json .*must end in \.json"):
        atoms(pred=pred, truth=truth, report=JsonFile(tmp_path / "a.csv"), csv=tmp_path / "a.csv")


def test_without_calibration_the_table_is_in_pixels(folders, capsys):
    pred, truth = folders
    for path in pred.glob("*.csv"):
        found = Annotations.from_csv(path)
        Annotations(found.points, columns={"score": found["score"]}).to_csv(path)
    _run("--pred", pred, "--truth", truth)
    printed = capsys.readouterr().out
    assert "px" in printed
    assert "No pixel size for 021_HAADF, 022_HAADF" in printed
    assert "rms" in printed
    assert "0.5 Å" not in printed
