"""The commands, as typed."""

import pytest

from stemforge.__main__ import main
from stemforge.train import load_weights

TINY = ["--workers", "0", "--quiet", "--accelerator", "cpu", "--epochs", "1"]
TINY_DIVAESR = [
    "--per_image",
    "2",
    "--network.blocks",
    "1",
    "--network.features",
    "4",
    "--network.channels",
    "[4, 8]",
]
TINY_RCNN = ["--crop", "64", "--per_image", "1", "--network.pyramid", "8", "--network.head", "16"]


def _run(capsys, *words):
    code = main([str(word) for word in words])
    return code, "".join(capsys.readouterr())


@pytest.mark.slow
def test_divaesr_and_then_faster_rcnn_on_what_it_restores(tmp_path, capsys, corpus_by_name):
    words = ["--recipe", "sr", "--lambda_l1", "0.1", "--half", *TINY, *TINY_DIVAESR]
    code, message = _run(capsys, "train", "divaesr", "--data", "x", "--out", tmp_path / "a", *words)
    assert code == 0
    path = tmp_path / "a" / "divaesr.safetensors"
    assert f"stemforge infer restore IMAGE --weights {path}" in message
    card = load_weights(path)[1]
    assert (card.recipe["lambda_l1"], card.settings["mode"]) == (0.1, "sr")

    words = ["--recipe", "faster-rcnn-small", "--restorer", path, "--one_class", "true", *TINY, *TINY_RCNN]
    code, message = _run(capsys, "train", "faster-rcnn", "--data", "x", "--out", tmp_path / "b", *words)
    assert code == 0
    assert "stemforge infer molecules IMAGE" in message
    card = load_weights(tmp_path / "b" / "faster-rcnn.safetensors")[1]
    assert card.settings["classes"] == ["molecule"]
    assert card.inputs.restorer.file == "divaesr.safetensors"


@pytest.mark.parametrize("network", ["sac-cnn", "divaesr", "faster-rcnn"])
def test_every_network_has_the_same_flags(network, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, message = _run(capsys, "train", network, "--help")
    assert code == 0
    lines = [line.strip(" │*") for line in message.splitlines() if line.startswith("│")]
    for flag in (
        *("--data", "--out", "--recipe", "--init", "--resume", "--half", "--accelerator", "--device"),
        *("--num-nodes", "--strategy", "--precision", "--workers", "--quiet"),
    ):
        (line,) = (line for line in lines if line.startswith(f"{flag} "))
        assert len(line.split()) > 4, line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["divaesr", "--data", "none.zip"], "none.zip: no such file"),
        (["divaesr", "--data", "nowhere"], "nowhere: no such folder"),
        (["faster-rcnn", "--data", "nowhere"], "nowhere: no such folder"),
        (["divaesr", "--data", "none.zip", "--recipe", "faster-rcnn"], "divaesr-small"),
        (["divaesr", "--data", "none.zip", "--network.mode", "magic"], "network.mode"),
        (["divaesr", "--data", "none.zip", "--doses", "[1000, 10]"], "doses must be ordered"),
        (["atom-net", "--data", "none", "--doses", "[1000, 10]"], "doses must be ordered"),
        (["faster-rcnn", "--data", "nowhere", "--network.anchors", "[[8]]"], "anchors must list 5 levels"),
    ],
)
def test_bad_input(words, message, tmp_path, capsys):
    code, text = _run(capsys, "train", *words, "--out", tmp_path / "run")
    assert code == 2
    assert message in " ".join(text.split())
    assert not (tmp_path / "run").exists()
