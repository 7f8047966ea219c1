"""Exit codes of the command line, progress, streams and errors."""

import io
import os
import subprocess
import sys

import pytest

import stemforge
from stemforge import errors
from stemforge.__main__ import main
from stemforge.console import console, printable, progress, say


@pytest.mark.parametrize(
    "name", [name for name in vars(errors) if name.endswith("Error") and not name.startswith("_")]
)
def test_errors_a_user_can_mend(name):
    error = getattr(errors, name)
    if error.__module__ == "stemforge.errors":
        # A run that could not be finished is no bad input.
        assert issubclass(error, errors.InputError) or error is errors.UnfinishedError
        assert error.__doc__


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["simulate", "no-such", "--out", "OUT"], 2, "no such recipe file"),
        (["simulate", "quickstart", "--out", "OUT", "--sed", "1"], 2, "did you mean 'seed'"),
        (["simulate", "quickstart", "--out", "OUT", "--degradation.dose", "-1"], 2, "degradation.dose"),
        (["simulate", "quickstart"], 2, "--out"),
        (["ingest", "none.tif", "--labels", "none.csv", "--out", "OUT"], 2, "no such file"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_bad_input_is_one_message_and_code_2(tmp_path, monkeypatch, capsys, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert says in " ".join(text.split())
    assert "Traceback" not in text
    assert not list(tmp_path.iterdir())


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert stemforge.__version__ in capsys.readouterr().out
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for command in ("quickstart", "simulate", "ingest", "inspect", "train", "infer", "evaluate"):
        assert command in printed


def test_the_version_is_right_however_it_is_asked_for():
    shown = _stemforge("--version")
    assert shown.stdout.decode().strip() == stemforge.__version__


def test_a_program_waits_and_tidies_up_before_it_ends():
    program = (
        "import atexit, threading, time\n"
        "from stemforge import __main__ as front\n"
        "atexit.register(print, 'tidied up')\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), print('finished'))).start()\n"
        "front.main = lambda: 1\n"
        "front.program()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120, check=False)
    # Through a pipe, so that what is printed waits in a buffer.
    assert (ended.returncode, ended.stdout.split(b"\n")[:2]) == (1, [b"finished", b"tidied up"])
    assert not ended.stderr


@pytest.mark.skipif(os.name == "nt", reason="closes streams as shells of POSIX do")
def test_streams_that_are_closed_are_no_error():
    for closed in ("1>&-", "2>&-"):
        shell = ["sh", "-c", f"{sys.executable} -m stemforge --version {closed}"]
        done = subprocess.run(shell, capture_output=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_progress_counts_and_is_silent_on_request(capsys):
    with progress("work", 5, "images") as advance:
        advance(2)
        advance(3)
    captured = capsys.readouterr()
    assert not captured.out  # results go to standard output, progress does not
    assert console.stderr
    with progress("work", 5, quiet=True) as advance:
        advance(5)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def _stemforge(*words, **options):
    command = [sys.executable, "-m", "stemforge", *words]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
def test_streams_that_know_few_characters(tmp_path, variables):
    """Help, results and errors with Å, × and names beyond ASCII."""
    environment = os.environ | variables
    shown = _stemforge("infer", "atoms", "--help", env=environment)
    assert shown.returncode == 0
    assert b"Pixel size of the images [A]" in shown.stdout
    name = os.fsencode(tmp_path) + b"/\xe4\xb8\xad\xff.tif"
    refused = _stemforge("infer", "atoms", name, "--sampling", "-1", env=environment)
    assert refused.returncode == 2
    assert b"--sampling" in refused.stderr
    missing = _stemforge("inspect", name, env=environment)
    assert missing.returncode == 2
    assert b"no such file" in missing.stderr
    assert b"Traceback" not in shown.stderr + refused.stderr + missing.stderr


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(tmp_path, tiny_corpus):
    """Nobody reads what is printed; the picture is drawn all the same."""
    command = [sys.executable, "-m", "stemforge", "inspect", tiny_corpus, "--figure", tmp_path / "a.png"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        printed = running.stderr.read()
        assert running.wait(120) == 0
    assert printed == b""
    assert (tmp_path / "a.png").is_file()


def test_what_a_stream_cannot_show_is_spelt(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    say("0.3 Å, 5 ± 1, a\udcff\x1b[31m, \u4e2d")
    stream.flush()
    assert stream.buffer.getvalue() == rb"0.3 A, 5 +- 1, a\udcff\x1b[31m, \u4e2d" + b"\n"
    assert printable("two\nlines Å\t") == "two\nlines Å\t"


def test_the_systems_errors_are_one_sentence(monkeypatch, capsys, tmp_path):
    def broken(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path / "a.tif"))

    monkeypatch.setattr("stemforge.evaluate.inspect", broken)
    assert main(["inspect", str(tmp_path)]) == 2
    assert " ".join(capsys.readouterr().err.split()) == f"stemforge: {tmp_path / 'a.tif'}: Permission denied"
