"""The tables of label columns in docs/corpora.md name the columns that labels have."""

import re
from pathlib import Path

import numpy as np
import pytest

from stemforge import Corpus
from stemforge.simulate import Scan, label_molecules
from stemforge.structures import mfi, place_guest
from stemforge.structures.tags import Site, Tag

TEXT = (Path(__file__).parents[3] / "docs" / "corpora.md").read_text(encoding="utf-8")


def documented(things):
    table = TEXT.partition(f"| {things} | holds |\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))


def test_atoms(tiny_corpus):
    assert set(documented("atoms")) == set(Corpus(tiny_corpus)[0].labels.columns)


def test_molecules():
    loaded = place_guest(mfi(), "pyridine", rng=np.random.default_rng(0))
    labels, _ = label_molecules(loaded, Scan(shape=(64, 64), sampling=0.25, margin=2))
    assert set(documented("molecules")) == set(labels.columns)


@pytest.mark.parametrize(("column", "kinds"), [("site", Site), ("tag", Tag)])
def test_numbers_of_kinds(column, kinds):
    words = {"UNKNOWN": "not said", "SINGLE_ATOM": "single atom", "CLUSTER_ATOM": "atom of a cluster"}
    for number, name in re.findall(r"(\d+) ([a-z][a-z ]+)", documented("atoms")[column]):
        one = kinds(int(number)).name
        assert name.strip() == words.get(one, one.lower())
