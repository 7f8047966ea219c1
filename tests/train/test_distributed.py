"""Several processes that train one network together."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError
from stemforge.train import AtomNetRecipe, RunOptions, fit, load_weights
from stemforge.train.atom_net.data import AtomHeatMaps
from stemforge.train.data.batches import Place, _share

SMALL = {
    "epochs": 1,
    "crop": 64,
    "per_image": 1,
    "validation": 0.34,
    "network": {"width": 4, "levels": 3},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, write_blobs):
    return write_blobs(tmp_path_factory.mktemp("data") / "blobs", images=6)


def metrics(run):
    with (run / "logs" / "csv" / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: next(float(row[name]) for row in rows if row[name]) for name in rows[0] if "_" in name}


@pytest.mark.slow
def test_two_processes_learn_as_one_does_from_batches_twice_as_large(corpus, tmp_path):
    alone = AtomNetRecipe(**SMALL, images_per_batch=2)
    options = RunOptions(num_workers=0, quiet=True, trainer_options={"accelerator": "cpu", "devices": 1})
    fit(alone, [corpus], tmp_path / "one", options)
    (tmp_path / "two.yaml").write_text(AtomNetRecipe(**SMALL, images_per_batch=1).to_yaml())
    words = ["--data", corpus, "--recipe", tmp_path / "two.yaml", "--out", tmp_path / "two"]
    words += ["--accelerator", "cpu", "--device", 2, "--strategy", "ddp"]
    command = [sys.executable, "-m", "stemforge", "train", "atom-net", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Epoch 1/1: F1") == 1
    assert done.stderr.count("wrote") == 1
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-3)
    # Each process normalises its own images alone, so that what comes after the first step differs a little more.
    assert two["validation_loss"] == pytest.approx(one["validation_loss"], rel=3e-3)
    assert load_weights(tmp_path / "two" / "atom-net.safetensors")[1].architecture == "atom-net"
    # A folder that is used is refused by the first process, before the others are started.
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "is not empty" in again.stderr


SLURM = {
    "SLURM_JOB_ID": "1234",
    "SLURM_JOB_NAME": "stemforge",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}
"""What the script of a job has, before ``srun`` is called."""
STEP = SLURM | {"SLURM_STEP_ID": "0"}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "WORLD_SIZE": "2",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "GROUP_RANK": "0",
}


@pytest.mark.parametrize(
    ("variables", "options", "says"),
    [
        (
            STEP,
            {"devices": 2, "strategy": "ddp"},
            r"srun started 1 and the run is of 2 \(device, num_nodes\)",
        ),
        (
            STEP | {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"},
            {},
            "srun started 2 and the run is of 1",
        ),
        (SLURM, {"devices": 2, "num_nodes": 2, "strategy": "ddp"}, "num_nodes 2: in a SLURM job srun starts"),
        (TORCHRUN, {}, "torchrun started 2 and the run is of 1"),
    ],
)
def test_processes_that_would_wait_or_train_each_by_itself_are_refused(
    corpus, tmp_path, monkeypatch, variables, options, says
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    trainer = {"accelerator": "cpu", "devices": 1, **options}
    with pytest.raises(InputError, match=says):
        fit(
            AtomNetRecipe(**SMALL),
            [corpus],
            tmp_path / "run",
            RunOptions(num_workers=0, trainer_options=trainer),
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("variables", [{}, SLURM, SLURM | {"SLURM_NTASKS": "4"}, STEP])
def test_one_process_trains_wherever_it_was_started(corpus, tmp_path, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    options = RunOptions(num_workers=0, quiet=True, trainer_options={"accelerator": "cpu", "devices": 1})
    assert fit(AtomNetRecipe(**SMALL), [corpus], tmp_path / "run", options).is_file()


@pytest.mark.slow
def test_the_script_of_a_slurm_job_starts_two_processes_without_srun(corpus, tmp_path):
    (tmp_path / "recipe.yaml").write_text(AtomNetRecipe(**SMALL).to_yaml())
    words = ["--data", corpus, "--recipe", tmp_path / "recipe.yaml", "--out", tmp_path / "run"]
    words += ["--accelerator", "cpu", "--device", 2, "--strategy", "ddp"]
    command = [sys.executable, "-m", "stemforge", "train", "atom-net", *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **SLURM}
    )
    assert done.returncode == 0, done.stderr
    assert "2 processes train together, on cpu" in done.stderr


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_workers_that_are_started_anew_know_their_rank(corpus, monkeypatch, workers):
    data = AtomHeatMaps([Corpus(corpus)], "train", AtomNetRecipe(**SMALL, images_per_batch=1))
    every = [batch.image for batch in DataLoader(data, batch_size=None)]
    assert len(every) == 4
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda *_: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda *_, rank=rank: rank)
        loader = DataLoader(
            data,
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
        )
        shares.append([batch.image for batch in loader])
    assert [len(share) for share in shares] == [2, 2]
    for rank, share in enumerate(shares):
        for image, wanted in zip(share, every[rank::2], strict=True):
            np.testing.assert_array_equal(image.numpy(), wanted.numpy())


@pytest.mark.parametrize("batches", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("workers", [1, 2])
def test_no_process_is_without_a_batch(batches, workers):
    """One without would leave the others waiting for ever."""
    work = []
    for rank in range(4):
        places = [Place(rank=rank, ranks=4, worker=worker, workers=workers) for worker in range(workers)]
        work.append([index for place in places for index in range(batches)[_share(place, batches)]])
    assert {len(share) for share in work} == {max(1, batches // 4)}
    if batches >= 4:
        assert len({index for share in work for index in share}) == batches - batches % 4
