"""What the doctor finds: packages, extras, imports that break, weights, and its exit code."""

import json
import os
import subprocess
import sys

import pytest

from stemforge.__main__ import main
from stemforge.installation import report
from stemforge.installation.imports import try_imports
from stemforge.installation.requirements import Package, extras, required_packages
from stemforge.installation.weights import shipped_weights, weights_fault

TORCH = {
    "threads": 2,
    "built_for_cuda": None,
    "devices": [{"name": "cuda:0", "model": "H100", "memory": 8e10}],
}


@pytest.fixture
def doctor(monkeypatch, capsys):
    """Run the doctor with imports that were tried elsewhere: those take seconds."""

    def run(*words, broken=(), torch=TORCH):
        monkeypatch.setattr(report, "try_imports", lambda _: (dict(broken), torch))
        code = main(["doctor", *words])
        return code, capsys.readouterr().out

    return run


def test_a_sound_installation(doctor):
    code, printed = doctor()
    assert code == 0, printed
    assert "cuda:0 (H100, 80.0 GB)" in printed
    assert "everything that stemforge needs works" in printed
    for word in ("Python 3.", "abtem 1.", "usable; torch uses 2 threads", "sac-cnn intact", "working folder"):
        assert word in printed


def test_json_has_all(doctor, tmp_path):
    code, _ = doctor("--json", str(tmp_path / "doctor.json"))
    found = json.loads((tmp_path / "doctor.json").read_text())
    assert code == 0
    assert found["problems"] == []
    assert set(found["packages"]) == {one.name for one in required_packages()}
    assert found["extras"]["track"]["install"] == 'pip install "stemforge[track]"'
    assert found["memory"]["total"] > 1e8
    assert set(found["weights"].values()) == {"intact"}


def test_a_torch_that_cannot_be_imported_is_named(doctor):
    code, printed = doctor(broken={"torch": "ImportError: libcudart.so"}, torch=None)
    assert code == 1
    assert "problem   torch cannot be imported (ImportError: libcudart.so)" in printed
    assert "GPU       not known" in printed
    assert "sac-cnn intact" in printed


def test_extras_that_are_missing_and_how_to_get_them(doctor, monkeypatch):
    def none(name):
        return None if name == "laptrack" else "100"

    monkeypatch.setattr("stemforge.installation.requirements.installed_version", none)
    code, printed = doctor()
    assert code == 1  # versions of 100 are too new for what is bounded
    assert 'missing laptrack: pip install "stemforge[track]"' in printed
    assert "problem   abtem 100 is installed, needed is <2,>=1.0.11" in printed


def test_packages_of_other_versions_are_problems():
    assert Package("a", ">=2", "1.9").problem == "a 1.9 is installed, needed is >=2"
    assert Package("a", ">=2", "2.1.dev1").problem == ""
    assert Package("a", "", None).problem == "a is not installed"


def test_extras_are_those_of_the_metadata():
    found = {one.name: one for one in extras()}
    assert {"app", "relax", "components", "track", "cluster", "test", "dev"} <= set(found)
    assert {one.name for one in found["track"].packages} == {"imageio-ffmpeg", "laptrack"}
    assert {"laptrack", "fastapi", "pytest"} <= {one.name for one in found["test"].packages}
    assert "numpy" not in {one.name for one in found["test"].packages}


def test_imports_that_fail_or_end_the_process(monkeypatch, tmp_path):
    (tmp_path / "sound.py").write_text("print('hello')")
    (tmp_path / "broken.py").write_text("raise RuntimeError('no\\n  good')")
    (tmp_path / "deadly.py").write_text("import os\nos._exit(9)")
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    failed, torch = try_imports(("sound", "broken", "deadly", "json"))
    assert failed == {"broken": "RuntimeError: no good", "deadly": "ended the process with code 9"}
    assert torch is None
    assert try_imports(("endless",), timeout=1)[0] == {"endless": "took more than 1 s"}


def test_weights_that_are_damaged(tmp_path):
    assert len(shipped_weights()) >= 5
    path = tmp_path / "w.safetensors"
    whole = shipped_weights()[0].read_bytes()
    path.write_bytes(whole)
    assert weights_fault(path) == ""
    path.write_bytes(whole[:-100])
    assert "is damaged" in weights_fault(path)
    path.write_bytes(whole[:-4] + b"\xff\x7f\xff\x7f")  # no number, in 16 bits and in 32
    assert "not finite" in weights_fault(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "is damaged" in weights_fault(path)


def test_weights_are_compared_with_the_record_of_a_wheel(monkeypatch, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(shipped_weights()[0].read_bytes())
    monkeypatch.setattr("stemforge.installation.weights._recorded", lambda: {path.resolve(): "other"})
    assert weights_fault(path) == "has another content than the one that was installed"


@pytest.mark.slow
def test_the_doctor_works_where_torch_does_not(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch.so: cannot open shared object file')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "stemforge", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 1
    assert "torch cannot be imported (ImportError: libtorch.so" in done.stdout
    assert "Traceback" not in done.stderr
