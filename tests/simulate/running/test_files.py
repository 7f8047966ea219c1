"""Files that a recipe names belong to it by content: another content is another corpus."""

import hashlib
import json

import pytest
from pydantic import BaseModel

from stemforge import Corpus, CorpusError, InputError, RecipeError, Settings, UnfinishedError, verify_corpus
from stemforge.errors import ChangedFileError
from stemforge.settings import NamedFile
from stemforge.simulate import SimulationRecipe, simulate_corpus, simulate_sample
from stemforge.simulate.running import shards
from stemforge.simulate.running.audit import audit_samples
from stemforge.simulate.running.cluster import _problem_of_worker, _software
from stemforge.simulate.running.corpus import _engine
from stemforge.simulate.running.cost import plan_corpus

BOX = 'Lattice="8 0 0 0 8 0 0 0 8"'
FIRST = f"3\n{BOX}\nC 1 1 1\nC 4 5 1\nPt 4 4 3\n"
SECOND = FIRST.replace("Pt 4 4", "Pt 5 4")
QUARTZ_LIKE = """data_made
_cell_length_a 8.0
_cell_length_b 9.0
_cell_length_c 7.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_IT_number 2
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Si1 Si 0.20 0.10 0.30
O1 O 0.20 0.25 0.30
"""


@pytest.fixture
def slab(tmp_path):
    path = tmp_path / "slab.xyz"
    path.write_text(FIRST)
    return path


@pytest.fixture
def of_file(quick, slab):
    """Function that returns a recipe of the file, four samples in two shards."""

    def recipe(**overrides):
        support = {"kind": "file", "path": str(slab), "single_atoms": ["Pt"]}
        small = {"num_samples": 4, "scan.shape": [16, 16], "scan.margin": 0}
        return quick(**{"support": support, **small, **overrides})

    return recipe


def test_the_hash_of_a_recipe_changes_with_the_bytes_of_its_file(of_file, slab):
    before = of_file().content_hash
    assert of_file().content_hash == before
    slab.write_text(SECOND)
    assert of_file().content_hash != before
    slab.write_text(FIRST)
    assert of_file().content_hash == before
    slab.unlink()
    with pytest.raises(RecipeError, match=r"'support\.path': .*slab\.xyz cannot be read"):
        _ = of_file().content_hash


def test_a_recipe_without_files_has_the_hash_of_its_settings(quick):
    recipe = quick(num_samples=1)
    assert recipe.files == {}
    assert recipe.content_hash == recipe.hash


# What these recipes said before the noise of real images was measured anew.
BEFORE = {
    "degradation.dose": {"loguniform": [2.5e4, 1.1e5]},
    "degradation.flicker": {"uniform": [0.01, 0.022]},
    "degradation.flicker_time": {"loguniform": [0.3, 3]},
    **{f"degradation.{field}": 0.0 for field in ("decay_time", "pulse_spread", "line_jitter_across")},
}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("fe-c3n4", "235772ec6c33ed4fd3164ad2a1974a6f9ff303695313f28c89cbdf7f1d52f85b"),
        ("metal-free", "be956a6fe1da6fc006dcc3980073e5a503378026268e86461feb68c6b97ab36e"),
        ("pt-clusters", "ac833ffbff6cc775945e4048838cd023757e46f8625f201b6c2357c3fba110d3"),
        ("pt-nc", "32b5d5b6bebaf21195b89caa022b2f78792e60bd0ffbbee80d3fc0b5a7437742"),
        ("quickstart", "d395e14dc26f5c7bac161cba45b40a4ba61a0fa6ed345fe4edcd161244a2ec16"),
        ("zsm5-columns", "d82695f533402936bc59aa8cfc6f407d9f31f1e10d80d7dd01f6749900afc251"),
        ("zsm5-idpc", "087de3ff75be1fe08faee0e6149fece450d23d0bf3ac35618f1e2e8068e486c2"),
    ],
)
def test_corpora_that_exist_go_on(name, known):
    # Written down before files counted, and before crystals, sites, particles and defects were recipe fields.
    changed = BEFORE if name in {"metal-free", "pt-clusters", "pt-nc"} else {}
    assert SimulationRecipe.load(name, changed).content_hash == known


def test_a_framework_counts_as_well(quick, tmp_path):
    path = tmp_path / "made.cif"
    path.write_text(QUARTZ_LIKE)
    recipe = quick(support={"kind": "zeolite", "framework": str(path)})
    before = recipe.content_hash
    drawn, _ = recipe.pinned().build(0)
    path.write_text(QUARTZ_LIKE.replace("0.25", "0.26"))
    assert recipe.content_hash != before
    with pytest.raises(ChangedFileError, match=r"made\.cif: has another content"):
        drawn.build(0)


def test_what_a_corpus_keeps_of_a_file(of_file, slab, tmp_path):
    corpus = simulate_corpus(of_file(), tmp_path / "corpus", workers=1, quiet=True)
    kept = {"path": str(slab), "sha256": hashlib.sha256(FIRST.encode()).hexdigest()}
    assert corpus.recipe["support"]["path"] == kept
    assert all(sample.metadata["drawn"]["support"]["path"] == kept for sample in corpus)
    # The header's recipe makes the same corpus again, as long as the file is the same.
    again = SimulationRecipe.from_mapping(corpus.recipe)
    assert again.content_hash == of_file().content_hash
    slab.unlink()
    assert len(Corpus(tmp_path / "corpus")) == 4, "a corpus is read without its file"
    assert SimulationRecipe.from_mapping(corpus.recipe).content_hash == again.content_hash


def test_a_changed_file_ends_a_corpus_that_was_begun(of_file, slab, tmp_path, files):
    out = tmp_path / "corpus"
    simulate_corpus(of_file(num_samples=2), out, workers=1, quiet=True)
    before = files(out)
    slab.write_text(SECOND)
    for number in (2, 4):
        with pytest.raises(
            CorpusError, match=r"corpus: was made with another content of .*slab\.xyz .*put the file back"
        ):
            simulate_corpus(of_file(num_samples=number), out, workers=1, quiet=True)
    assert files(out) == before
    slab.write_text(FIRST)
    simulate_corpus(of_file(), out, workers=1, quiet=True)
    assert verify_corpus(out) == []


def test_a_corpus_of_before_files_counted_cannot_go_on(of_file, slab, tmp_path):
    out = tmp_path / "corpus"
    simulate_corpus(of_file(num_samples=2), out, workers=1, quiet=True)
    header = out / "recipe.yaml"
    text = header.read_text().replace(
        f"path:\n      path: {slab}\n      sha256: {of_file().pinned().support.path.sha256}", f"path: {slab}"
    )
    header.write_text(text)
    assert Corpus(out).recipe["support"]["path"] == str(slab)
    with pytest.raises(CorpusError, match=r"made before corpora knew the content of .*slab\.xyz"):
        simulate_corpus(of_file(), out, workers=1, quiet=True)


def test_a_file_that_changes_during_a_run_stops_it(of_file, slab, tmp_path, monkeypatch):
    def sample(recipe, index, **options):
        if index == 3:
            slab.write_text(SECOND)
        return simulate_sample(recipe, index, **options)

    monkeypatch.setattr(shards, "simulate_sample", sample)
    out = tmp_path / "corpus"
    with pytest.raises(
        UnfinishedError, match=r"stopped, .*slab\.xyz: has another content.*2 of the 4 images"
    ):
        simulate_corpus(of_file(), out, workers=1, quiet=True)
    assert sorted(path.name for path in out.glob("*.h5")) == ["shard-000000.h5"]
    monkeypatch.setattr(shards, "simulate_sample", simulate_sample)
    slab.write_text(FIRST)
    simulate_corpus(of_file(), out, workers=1, quiet=True)
    assert verify_corpus(out) == []


def test_a_worker_refuses_another_file(of_file, slab, tmp_path):
    recipe = of_file().pinned()
    marker = tmp_path / "probe-token.partial"
    marker.write_text("token")
    assert _problem_of_worker(recipe, marker, _software()) is None
    slab.write_text(SECOND)
    assert "slab.xyz: has another content" in _problem_of_worker(recipe, marker, _software())


@pytest.mark.slow
def test_dask_s_workers_make_the_same(of_file, tmp_path, files):
    for name, workers in (("one", 1), ("two", 2)):
        simulate_corpus(of_file(), tmp_path / name, workers=workers, quiet=True)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_an_audit_looks_at_the_same_file(of_file, slab, tmp_path):
    recipe = of_file(num_samples=1, shard_size=1)
    corpus = simulate_corpus(recipe, tmp_path / "corpus", workers=1, quiet=True)
    pinned = recipe.pinned()
    slab.write_text(SECOND)
    with pytest.raises(InputError, match=r"slab\.xyz: has another content"):
        audit_samples(pinned, corpus, [0], quiet=True)


def test_the_engine_of_another_file_is_not_taken_from_the_plan(of_file, slab, tmp_path):
    planned = {"recipe_hash": of_file().content_hash, "engine": {"name": "kernels", "depth_step": 7.0}}
    (tmp_path / "plan.json").write_text(json.dumps(planned))
    assert _engine(of_file(), tmp_path).depth_step == 7
    slab.write_text(SECOND)
    assert _engine(of_file(), tmp_path) == of_file().engine


@pytest.mark.parametrize(
    "content", ["3\nno cell\nC 1 1 1\nC 4 5 1\nPt 4 4 3\n", FIRST.replace("Pt", "X"), "\xff\xfe\0"]
)
def test_bad_files_are_the_user_s_to_mend_before_any_work(of_file, slab, tmp_path, content):
    slab.write_text(content)
    for call in (
        lambda: plan_corpus(of_file(), workers=1),
        lambda: simulate_corpus(of_file(), tmp_path / "corpus"),
    ):
        with pytest.raises(InputError, match=r"support: .*slab\.xyz"):
            call()
    assert not (tmp_path / "corpus").exists()


def test_remarks_on_a_file_are_printed_once(of_file, slab, tmp_path, capfd):
    slab.write_text(FIRST.replace("3\n", "4\n", 1) + "C 9 1 1\n")
    simulate_corpus(of_file(), tmp_path / "corpus", workers=1, quiet=True)
    assert capfd.readouterr().err.count("atoms that lie where another") == 1


def test_samples_of_a_disordered_file_differ_and_repeat(of_file, tmp_path):
    path = tmp_path / "half.xyz"
    path.write_text("by hand\n8 8 8\n6 1 1 1 1 0\n78 4 4 4 0.5 0\n-1\n")
    recipe = of_file(**{"support.path": str(path), "support.repeat": [3, 3]})
    numbers = [simulate_sample(recipe, index).metadata["num_atoms"] for index in range(8)]
    assert len(set(numbers)) > 1
    assert numbers == [simulate_sample(recipe, index).metadata["num_atoms"] for index in range(8)]
    assert all(9 <= number <= 18 for number in numbers)


def settings_below(model):
    for below in model.__subclasses__():
        yield below
        yield from settings_below(below)


def test_every_field_that_names_a_file_counts():
    """A field declared as a bare path would be left out of the hash."""
    import stemforge.evaluate.sweep
    import stemforge.simulate
    import stemforge.train.networks  # noqa: F401 - all settings there are

    found = [model for model in settings_below(Settings) if model is not NamedFile]
    assert len(found) > 20
    for model in found:
        assert issubclass(model, BaseModel)
        for name, field in model.model_fields.items():
            assert "Path" not in str(field.annotation), f"{model.__name__}.{name}: declare it as NamedFile"
