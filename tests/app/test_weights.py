"""Weights that a user brings along: ours are taken, all else is refused with a sentence and leaves nothing."""

import json
import pickle
import struct

import pytest
import torch
from safetensors.torch import load_file, save

from stemforge.app.analysis.weights import check_weights
from stemforge.errors import InputError
from stemforge.train.card import CARD_KEY
from stemforge.train.weights import find_weights, load_weights, save_weights

LARGE = 65 * 2**20


@pytest.fixture(scope="module")
def tensors():
    return load_file(find_weights("any-atom"))


@pytest.fixture(scope="module")
def card():
    return load_weights("any-atom")[1].to_json()


def stored(tensors, card):
    return save(tensors, metadata={CARD_KEY: card} if card is not None else None)


def changed(card, **values):
    return json.dumps({**json.loads(card), **values})


class Harm:
    def __reduce__(self):
        return (open, ("/tmp/harm-of-weights", "w"))


def attacks(tensors, card):
    """Return content and a part of the sentence for each."""
    whole = stored(tensors, card)
    first = next(name for name, one in tensors.items() if one.ndim > 1)
    broken = {**tensors, first: torch.full_like(tensors[first].float(), float("nan"))}
    smaller = {**tensors, first: tensors[first][..., :1].clone()}
    missing = {name: tensor for name, tensor in tensors.items() if name != first}
    enormous = {**tensors, first: torch.full_like(tensors[first].float(), 3e38)}
    return {
        "pickle": (pickle.dumps(Harm()), "no safetensors file"),
        "checkpoint": (b"PK\3\4" + bytes(100), "no safetensors file"),
        "empty": (b"", "no safetensors file"),
        "a few bytes": (b"\1\0\0", "no safetensors file"),
        "half a header": (whole[: struct.unpack("<Q", whole[:8])[0] // 2], "header does not fit"),
        "half": (whole[: len(whole) // 2], "no readable safetensors"),
        "huge header": (struct.pack("<Q", 2**60) + whole[8:], "header does not fit"),
        "header of its length": (struct.pack("<Q", len(whole) - 8) + whole[8:], "(is damaged|no readable)"),
        "no JSON": (struct.pack("<Q", 16) + b"{" * 16 + bytes(64), "no readable safetensors"),
        "deep JSON": (struct.pack("<Q", 200_000) + b'{"a":' * 40_000 + bytes(64), "no readable safetensors"),
        "no card": (stored(tensors, None), "no stemforge card"),
        "card is no JSON": (stored(tensors, "{"), "card is damaged"),
        "card of another kind": (stored(tensors, "[]"), "card is damaged"),
        "NaN": (stored(broken, card), "not finite"),
        "other shapes": (stored(smaller, card), "weights of another network"),
        "tensors missing": (stored(missing, card), "weights of another network"),
        "no numbers": (stored(enormous, card), "."),
        "unknown network": (stored(tensors, changed(card, architecture="evil")), "unknown network 'evil'"),
        "enormous network": (stored(tensors, changed(card, settings={"width": 10**6})), "."),
        "pixels of nothing": (stored(tensors, changed(card, sampling=1e-9)), "sampling cannot be so"),
        "pixels of text": (stored(tensors, changed(card, sampling="<b>")), "sampling cannot be so"),
        "threshold": (stored(tensors, changed(card, threshold=7)), "threshold cannot be so"),
        "restorer": (find_weights("divaesr").read_bytes(), "needed are those of"),
    }


NAMES = [
    "pickle",
    "checkpoint",
    "empty",
    "a few bytes",
    "half a header",
    "half",
    "huge header",
    "header of its length",
    "no JSON",
    "deep JSON",
    "no card",
    "card is no JSON",
    "card of another kind",
    "NaN",
    "other shapes",
    "tensors missing",
    "no numbers",
    "unknown network",
    "enormous network",
    "pixels of nothing",
    "pixels of text",
    "threshold",
    "restorer",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_none_of_ours_is_refused(tensors, card, tmp_path, name):
    content, sentence = attacks(tensors, card)[name]
    path = tmp_path / "0123456789abcdef.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^mine.safetensors: .*{sentence}") as error:
        check_weights(str(path), "mine.safetensors")
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("weights", ["any-atom", "atom-net", "sac-cnn"])
def test_ours_are_taken(weights, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_weights(path, *load_weights(weights))
    assert load_weights(weights)[1].architecture in check_weights(str(path), "mine")["description"]


def test_only_safetensors_of_a_size_are_taken(browser, settings):
    def send(name, content):
        return browser.post("/api/weights", files={"file": (name, content)})

    assert send("model.pt", b"x").status_code == 415
    assert send("model.safetensors.pkl", b"x").status_code == 415
    large = send("model.safetensors", bytes(LARGE))
    assert large.status_code == 413
    assert "at most 64 MB" in large.json()["error"]
    assert not list(settings.folder.rglob("*.safetensors"))
    assert browser.delete("/api/weights/../images").status_code in (404, 405)


@pytest.mark.slow
def test_weights_become_a_detector_of_the_session_alone(browser, browse, settings, reread):
    name = "<b>mine</b>.safetensors"
    answer = browser.post("/api/weights", files={"file": (name, find_weights("atom-net").read_bytes())})
    assert answer.status_code == 201, answer.text
    detector = answer.json()
    assert detector["label"] == "b>.safetensors"  # what comes before is a folder's name to a path
    listed = [one["name"] for one in browser.get("/api/session").json()["detectors"]]
    assert detector["name"] in listed
    image = browser.image()
    chosen = browser.patch(f"/api/images/{image['id']}", json={"detector": detector["name"]})
    assert (chosen.status_code, chosen.json()["detector"]) == (200, detector["name"])
    (session,) = reread()
    assert f"weights:{next(iter(session.weights))}" == detector["name"]

    other = browse()
    assert detector["name"] not in [one["name"] for one in other.get("/api/session").json()["detectors"]]
    theirs = other.image()
    assert other.patch(f"/api/images/{theirs['id']}", json={"detector": detector["name"]}).status_code == 422
    address = detector["name"].replace("weights:", "/api/weights/")
    assert other.delete(address).status_code == 404
    assert browser.delete(address).status_code == 409  # an image uses it
    browser.delete(f"/api/images/{image['id']}")
    assert browser.delete(address).status_code == 204
    assert not list(settings.folder.rglob("weights.safetensors"))


@pytest.mark.slow
def test_a_damaged_file_leaves_nothing(browser, settings):
    answer = browser.post("/api/weights", files={"file": ("mine.safetensors", pickle.dumps(Harm()))})
    assert answer.status_code == 422
    assert "no safetensors file" in answer.json()["error"]
    assert not list(settings.folder.rglob("weights/*"))
    assert browser.image()
