"""Corpora: the same bytes from any number of workers, after any interruption; bad recipes before work."""

import time

import h5py
import numpy as np
import pytest
from ase import Atoms

from stemforge import Corpus, CorpusError, CorpusWriter, InputError, RecipeError
from stemforge.simulate import SimulationRecipe, shipped_recipes, simulate_corpus, simulate_sample
from stemforge.simulate.recording.record import corpus_degradation, record
from stemforge.simulate.running import shards

TINY = {
    "name": "tiny",
    "seed": 5,
    "num_samples": 5,
    "shard_size": 2,
    "support": {"kind": "amorphous_carbon", "thickness": {"uniform": [8, 14]}, "nitrogen_fraction": 0.1},
    "single_atoms": [{"element": "Pt", "areal_density": 1.0}],
    "microscope": {
        "preset": "nion-ultrastem-100",
        "detectors": {"rings": {"HAADF": [90, 185]}},
        "A1": {"uniform": [0, 10]},
    },
    "scan": {"shape": [24, 32], "sampling": 0.4, "margin": 3},
    "focus": {"uniform": [0, 1]},
    "degradation": {"dose": {"loguniform": [1e4, 1e5]}},
}


def tiny(**overrides):
    return SimulationRecipe.from_mapping(TINY, overrides)


def content(path):
    """Bytes of every data set and attribute of a shard, except the recipe's text."""
    found = {}
    with h5py.File(path, "r") as h5:

        def visit(name, node):
            if isinstance(node, h5py.Dataset):
                values = node[()]
                found[name] = (
                    values.tolist()
                    if values.dtype == object
                    else (values.dtype, values.shape, values.tobytes())
                )

        h5.visititems(visit)
        found["attrs"] = {k: str(v) for k, v in h5.attrs.items() if k != "recipe"}
    return found


def contents(folder):
    return {path.name: content(path) for path in sorted(folder.glob("*.h5"))}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    simulate_corpus(tiny(), folder, workers=1, quiet=True)
    return folder


def test_what_a_corpus_holds(reference):
    corpus = Corpus(reference)
    assert [s.index for s in corpus] == [0, 1, 2, 3, 4]
    assert sorted(p.name for p in reference.iterdir()) == [
        "recipe.yaml",
        "shard-000000.h5",
        "shard-000001.h5",
        "shard-000002.h5",
    ]
    for sample in corpus:
        assert sample.signal.shape == (1, 24, 32)
        assert sample.sampling == 0.4
        assert 0 < sample.signal.mean() < 0.1
        assert set(sample.labels["element"]) <= {78}
        # The structure makes the labels: the tagged atoms, less those in the margin.
        structure = sample.structure
        origin = (np.diag(structure.cell)[:2] - np.array([32, 24]) * 0.4) / 2
        points = (structure.positions[structure.tags > 0, :2] - origin) / 0.4
        assert all(np.abs(points - point).max(axis=1).min() < 1e-3 for point in sample.labels.points)
    assert sum(len(s.labels) for s in corpus) >= 5
    assert len({s.signal.tobytes() for s in corpus}) == 5
    assert corpus.recipe == tiny().model_dump(mode="json")


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(reference, tmp_path):
    simulate_corpus(tiny(), tmp_path / "two", workers=2, quiet=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "two").iterdir()} == {
        p.name: p.read_bytes() for p in reference.iterdir()
    }


def test_an_interrupted_run_is_resumed(reference, tmp_path, monkeypatch):
    def interrupted(job, shard):
        if shard == 1:
            job.writer.path(shard).with_suffix(".partial").write_bytes(b"half")
            raise KeyboardInterrupt
        return work(job, shard)

    work = shards.write_shard
    monkeypatch.setattr(shards, "write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate_corpus(tiny(), tmp_path, workers=1, quiet=True)
    monkeypatch.setattr(shards, "write_shard", work)
    done = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")}
    assert len(done) == 1
    time.sleep(0.01)
    simulate_corpus(tiny(), tmp_path, workers=1, quiet=True)
    assert {p: p.stat().st_mtime_ns for p in done} == done
    assert contents(tmp_path) == contents(reference)
    assert not list(tmp_path.glob("*.partial"))


# 3 ends in the middle of the second shard, 2 at the end of the first, 1 in the middle of the first.
@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_corpus_can_be_extended(reference, tmp_path, first):
    simulate_corpus(tiny(num_samples=first), tmp_path, workers=1, quiet=True)
    full = {
        p: p.stat().st_mtime_ns for n, p in enumerate(sorted(tmp_path.glob("*.h5"))) if first >= 2 * (n + 1)
    }
    time.sleep(0.01)
    simulate_corpus(tiny(), tmp_path, workers=1, quiet=True)
    assert {p: p.stat().st_mtime_ns for p in full} == full
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        p.name: p.read_bytes() for p in reference.iterdir()
    }


def test_a_finished_or_shorter_corpus_is_left_alone(reference):
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in reference.iterdir()}
    assert len(simulate_corpus(tiny(), reference, workers=1, quiet=True)) == 5
    simulate_corpus(tiny(num_samples=3), reference, workers=1, quiet=True)
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in reference.iterdir()} == before


def test_a_half_written_shard_of_another_process_survives(tmp_path):
    recipe = tiny(num_samples=1, shard_size=1)
    writer = CorpusWriter(tmp_path, recipe.model_dump(mode="json"), recipe.content_hash)
    other = tmp_path / "shard-000007.partial"
    other.write_bytes(b"being written")
    shards.write_shard(shards.Job(recipe, writer), 0)
    assert other.exists()


def test_a_sample_depends_on_nothing_but_recipe_and_number(reference):
    alone = simulate_sample(tiny(num_samples=1), 3)
    stored = Corpus(reference)[3]
    assert alone.signal.tobytes() == stored.signal.tobytes()
    np.testing.assert_array_equal(alone.labels.points, stored.labels.points)
    np.testing.assert_array_equal(alone.labels["cnr"], stored.labels["cnr"])
    assert simulate_sample(tiny(seed=6), 3).signal.tobytes() != stored.signal.tobytes()


def test_another_recipe_is_refused(reference):
    before = {p: p.read_bytes() for p in reference.iterdir()}
    with pytest.raises(CorpusError, match="another recipe"):
        simulate_corpus(tiny(seed=6), reference, workers=1, quiet=True)
    assert {p: p.read_bytes() for p in reference.iterdir()} == before


def test_a_damaged_shard_is_named(tmp_path):
    simulate_corpus(tiny(num_samples=2), tmp_path, workers=1, quiet=True)
    path = tmp_path / "shard-000000.h5"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CorpusError, match=r"shard-000000\.h5: is no readable shard.*remove it"):
        simulate_corpus(tiny(num_samples=4), tmp_path, workers=1, quiet=True)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"engine": {"name": "multislice", "sampling": 0.2}}, "antialias limit"),
        ({"degradation": {"source_size": 1.0}}, "give dose"),
        ({"support": {"kind": "file", "path": "nowhere.cif"}}, "nowhere.cif"),
        ({"support": {"kind": "file", "path": "SMALL"}}, "field of view"),
    ],
)
def test_bad_recipes_are_refused_before_anything_is_written(tmp_path, overrides, says):
    if overrides.get("support", {}).get("path") == "SMALL":
        small = Atoms("C", positions=[[1, 1, 1]], cell=[5, 5, 5], pbc=True)
        small.write(tmp_path / "small.xyz", format="extxyz")
        overrides = {"support": {"kind": "file", "path": str(tmp_path / "small.xyz")}}
    with pytest.raises(InputError, match=says):
        simulate_corpus(tiny(**overrides), tmp_path / "corpus", workers=1, quiet=True)
    assert not (tmp_path / "corpus").exists()


def test_what_a_builder_refuses_is_the_recipe_s_fault(tmp_path, monkeypatch):
    def refuse(self, size, rng):
        raise ValueError("density must be below diamond's")

    monkeypatch.setattr("stemforge.simulate.specimen.films.AmorphousCarbon.build", refuse)
    with pytest.raises(InputError, match="recipe 'tiny', structure of sample 0: density must be"):
        simulate_corpus(tiny(), tmp_path, workers=1, quiet=True)


def test_no_workers(tmp_path):
    with pytest.raises(InputError, match="workers must be at least 1, not 0"):
        simulate_corpus(tiny(), tmp_path / "corpus", workers=0)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"num_samples": 0}, "num_samples"),
        ({"shard_size": 0}, "shard_size"),
        ({"support": {"kind": "steel"}}, "support"),
        ({"support.thickness": -5}, "thickness"),
        ({"single_atoms": [{"element": "Xx"}]}, "no such element: 'Xx'"),
        (
            {"engine.interpolation": 2},
            r"unknown key .*interpolation.*; allowed are broadening, depth_step",
        ),
        ({"engine.name": "bloch"}, "must be kernels, prism, multislice or auto"),
        ({"engine.name": "auto"}, "max_error"),
        ({"reference_dose": 0}, "reference_dose"),
        ({"focus": 1.2}, "focus"),
    ],
)
def test_recipes_out_of_range(overrides, says):
    with pytest.raises(RecipeError, match=says):
        tiny(**overrides)


@pytest.mark.parametrize("engine", ["prism", "multislice"])
def test_the_other_engines_make_samples_too(engine):
    overrides = {"engine": {"name": engine, "frozen_phonons": 1}, "scan.shape": [16, 16]}
    sample = simulate_sample(tiny(**overrides), 0)
    kernels = simulate_sample(tiny(**{"scan.shape": [16, 16]}), 0)
    assert sample.signal.shape == (1, 16, 16)
    assert sample.signal.mean() == pytest.approx(kernels.signal.mean(), rel=0.2)


# Crystals are imaged by PRISM, which takes a minute even for a small image; its windows would be too narrow there.
CRYSTALS = {"ir-mgo", "ir-mgo-small", "pt-ceo2"}
SMALL = {"scan.shape": [32, 32], "engine.interpolation": 1, "engine.frozen_phonons": 1}


@pytest.mark.parametrize(
    "name",
    [
        # Of au-carbon, the scattering of gold at five angles of convergence is what takes time.
        pytest.param(n, marks=[pytest.mark.slow] if n in {*CRYSTALS, "au-carbon", "zsm5-columns"} else [])
        for n in sorted(shipped_recipes())
    ],
)
def test_shipped_recipes_simulate(name, tmp_path):
    sizes = SMALL if name in CRYSTALS else {"scan.shape": [64, 64]}
    recipe = SimulationRecipe.load(name, {"num_samples": 1, **sizes})
    corpus = simulate_corpus(recipe, tmp_path, workers=1, quiet=True)
    assert len(corpus) == 1
    assert corpus[0].signal.shape == (len(recipe.microscope.channels), *sizes["scan.shape"])
    assert np.isfinite(corpus[0].signal).all()
    assert corpus[0].signal.max() > 0


OLDER = [
    ({"microscope": {"segments": [4, 22]}}, r"microscope\.detectors: \{segments: \[4, 22\]\}"),
    ({"microscope": {"detectors": {"HAADF": [90, 185]}}}, r"microscope\.detectors: \{rings: "),
    ({"engine": {"name": "prism", "max_error": 0.01}}, r"engine: \{name: auto, max_error"),
    ({"version": 1}, "version 1, this stemforge reads version 2"),
]


@pytest.mark.parametrize(("fields", "changed"), OLDER, ids=str)
def test_a_recipe_of_an_older_layout_says_which_field_changed(fields, changed):
    with pytest.raises(RecipeError, match=f"older layout: .*{changed}"):
        SimulationRecipe.from_mapping({**TINY, **fields})


@pytest.mark.parametrize(("fields", "changed"), OLDER, ids=str)
def test_a_corpus_of_an_older_layout_must_be_made_again(tmp_path, fields, changed):
    sample = simulate_sample(tiny(num_samples=1), 0)
    older = CorpusWriter(tmp_path, {**tiny().model_dump(mode="json"), **fields}, "0" * 64)
    older.write(0, [sample])
    with pytest.raises(CorpusError, match=rf"older layout \(.*{changed}.*simulate it again"):
        corpus_degradation(Corpus(tmp_path))
    with pytest.raises(
        CorpusError, match=rf"older layout \(.*{changed}.*simulate it again into a new folder"
    ):
        simulate_corpus(tiny(), tmp_path, workers=1, quiet=True)


def test_the_version_is_part_of_the_hash_and_of_the_corpus(reference):
    assert Corpus(reference).recipe["version"] == tiny().version == 2
    assert '"version":2' in tiny().model_dump_json()


def test_unknown_recipe_names_the_shipped_ones():
    with pytest.raises(
        RecipeError,
        match="fe-c3n4, ir-mgo, ir-mgo-small, metal-free, mos2-vacancies, pt-ceo2, pt-clusters, pt-nc, quickstart",
    ):
        SimulationRecipe.load("pt-ncc")


@pytest.mark.parametrize("name", ["metal-free", "pt-clusters"])
def test_variants_of_pt_nc_differ_in_their_atoms_alone(name):
    variant, original = (SimulationRecipe.shipped(each) for each in (name, "pt-nc"))
    for field in ("support", "microscope", "scan", "focus", "engine", "degradation", "reference_dose"):
        assert getattr(variant, field) == getattr(original, field), field
    plain = {"cluster_fraction": 0.0, "cluster_size": (2, 4)}
    kept = [species.replace(**plain) for species in variant.single_atoms]
    assert kept == ([] if name == "metal-free" else list(original.single_atoms))
    assert variant.seed != original.seed


def test_metal_free_has_carbon_and_nitrogen_and_no_label(tmp_path):
    overrides = {"num_samples": 2, "scan.shape": [64, 64], "support.vacuum_fraction": 0}
    recipe = SimulationRecipe.load("metal-free", overrides)
    _, atoms = recipe.build(0)
    assert set(atoms.get_chemical_symbols()) == {"C", "N"}
    corpus = simulate_corpus(recipe, tmp_path / "corpus", workers=1, quiet=True)
    for sample in corpus:
        assert len(sample.labels) == 0
        recorded = record(sample, recipe.degradation, np.random.default_rng(0)).labels
        assert recorded["cnr"].shape == recorded["contrast"].shape == (0,)


def test_images_of_a_drawn_pixel_size_lie_in_files_of_their_own(tmp_path):
    """Samples of one shard share their pixel size: two of them in one file ended the run."""
    recipe = tiny(**{"scan.sampling": {"uniform": [0.3, 0.5]}, "num_samples": 3})
    assert recipe.shard_size == recipe.replace(shard_size=8).shard_size == 1
    corpus = simulate_corpus(recipe, tmp_path / "c", workers=1, quiet=True)
    assert len({sample.sampling for sample in corpus}) == 3
