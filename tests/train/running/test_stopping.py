"""A run that is stopped from outside says so."""

import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "variables"),
    [
        (signal.SIGINT, {}),
        (signal.SIGTERM, {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train"}),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="no signals are sent here")
def test_a_signal_ends_a_run_with_a_sentence(tmp_path, tiny_corpus, number, variables):
    run = tmp_path / "run"
    words = [sys.executable, "-m", "stemforge", "train", "sac-cnn", "--data", tiny_corpus, "--out", run]
    words += ["--workers", "0", "--accelerator", "cpu", "--patience", "100000", "--crops.per_image", "4"]
    began = subprocess.Popen(
        [*map(str, words), "--epochs", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **variables},
    )
    end = time.monotonic() + 200
    while not (run / "checkpoints" / "last.ckpt").is_file():
        assert began.poll() is None, began.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.1)
    began.send_signal(number)
    output = " ".join(began.communicate(timeout=120)[0].split())
    assert began.returncode == 130, output
    assert "stopped; what was finished is kept (the same with --resume goes on from the last epoch)" in output
    assert "Traceback" not in output
