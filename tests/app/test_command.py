"""The command that starts the server: what it refuses, and with which words."""

import socket
import subprocess
import sys

import pytest

from stemforge.__main__ import main
from stemforge.app import command
from stemforge.app.server.guard import is_loopback
from stemforge.installation.requirements import install_command
from stemforge.outputs.locks import hold_folder


def test_without_its_extra_the_command_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "uvicorn" else object())
    assert main(["app", "--folder", str(tmp_path / "x"), "--no-browser"]) == 2
    printed = capsys.readouterr().err
    assert "uvicorn" in printed
    assert install_command("app") in printed
    assert not (tmp_path / "x").exists()


def test_a_port_that_is_taken_and_a_folder_that_is_none(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["app", "--port", port, "--folder", str(tmp_path), "--no-browser"]) == 2
        assert "choose another port" in capsys.readouterr().err
    assert main(["app", "--port", "0", "--folder", str(tmp_path / "file"), "--no-browser"]) == 2
    assert "folder" in capsys.readouterr().err
    assert main(["app", "--port", "0", "--host", "no.such.host.invalid", "--no-browser"]) == 2


def test_two_servers_do_not_work_in_one_folder(tmp_path, capsys):
    release = hold_folder(tmp_path)
    assert main(["app", "--port", "0", "--folder", str(tmp_path), "--no-browser"]) == 2
    release()
    assert "another stemforge app" in capsys.readouterr().err
    # What is in the folder is read when the other server has ended, and not before.
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_which_addresses_are_this_machine_alone(host, inside):
    assert is_loopback(host) is inside


def test_the_server_loads_no_network():
    code = (
        "import sys\nfrom pathlib import Path\nfrom stemforge.app import AppSettings, create_app\n"
        "import tempfile\ncreate_app(AppSettings(Path(tempfile.mkdtemp())))\n"
        "heavy = {'torch', 'abtem', 'matplotlib', 'ase', 'dask', 'numba', 'lightning', 'skimage'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.splitlines()[-1] == "HEAVY []"
