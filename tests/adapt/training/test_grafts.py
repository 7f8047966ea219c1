"""Copies of a user's images with simulated atoms, as a corpus to learn from."""

import numpy as np
import pytest

from stemforge import Annotations, Corpus, InputError, Micrograph
from stemforge.adapt.training.grafts import write_grafts
from stemforge.simulate import SimulationRecipe
from stemforge.train.labelled import DOUBTFUL, labelled_image
from stemforge.train.recipe import Visible

SAMPLING = 0.3
RECIPE = SimulationRecipe.from_mapping(
    {
        "support": {"kind": "amorphous_carbon", "thickness": {"uniform": [20, 60]}},
        "single_atoms": [{"element": "Pt"}, {"element": "Zn", "impurity": True}],
        "scan": {"shape": [128, 128], "sampling": SAMPLING},
        "focus": {"uniform": [0, 1]},
        "degradation": {"dose": 2e4, "source_size": {"uniform": [1, 2]}},
    }
)


def images(number=2):
    rng = np.random.default_rng(3)
    ramp = np.linspace(30, 90, 128)
    return [
        Micrograph(100 + 7 * rng.poisson(ramp, (128, 128)), SAMPLING, "HAADF", f"image-{n}")
        for n in range(number)
    ]


def grafts(folder, micrographs=None, likely=None, **options):
    micrographs = images() if micrographs is None else micrographs
    likely = [Annotations([[40.0, 40.0]])] * len(micrographs) if likely is None else likely
    settings = {"rounds": 3, "visible": Visible(), "quiet": True, **options}
    return write_grafts(micrographs, likely, RECIPE, folder, **settings)


def test_every_image_has_copies_and_their_atoms_are_brighter_than_what_was_there(tmp_path):
    corpus = grafts(tmp_path)
    assert len(corpus) == 6
    assert corpus.kind == "measured"
    plain = {micrograph.name: micrograph.image for micrograph in images()}
    added, beside = [], []
    for sample in corpus:
        difference = sample.signal[0] - plain[sample.metadata["structure"]]
        assert difference.min() >= 0
        certain = sample.labels[DOUBTFUL] == 0
        columns, rows = np.rint(sample.labels.points[certain]).astype(int).T
        added += difference[rows, columns].tolist()
        beside.append(difference.mean())
    assert len(added) > 5
    assert np.median(added) > 20 * np.mean(beside)


def test_copies_of_an_image_count_as_one_structure(tmp_path):
    structures = grafts(tmp_path).structures
    assert len(set(structures.tolist())) == 2
    assert structures[0] == structures[1] == structures[2] != structures[3]


def test_the_same_bytes_also_where_a_run_was_interrupted(tmp_path):
    whole, resumed = grafts(tmp_path / "a"), grafts(tmp_path / "b")
    for path in sorted((tmp_path / "b").glob("shard-*.h5"))[1:4]:
        path.unlink()
    resumed = grafts(tmp_path / "b")
    for one, other in zip(whole, resumed, strict=True):
        assert one.signal.tobytes() == other.signal.tobytes()
        np.testing.assert_array_equal(one.labels.points, other.labels.points)
    other_seed = grafts(tmp_path / "c", seed=1)
    assert other_seed[0].signal.tobytes() != whole[0].signal.tobytes()


def test_what_may_be_an_atom_already_is_neither_taught_nor_crowded(tmp_path):
    corpus, nearest = grafts(tmp_path), []
    for sample in corpus:
        labelled = labelled_image(sample, Visible(), None, np.random.default_rng(0))
        assert [40.0, 40.0] in labelled.doubtful.tolist()
        assert [40.0, 40.0] not in labelled.atoms.tolist()
        nearest += np.hypot(*(labelled.atoms - 40.0).T).tolist()
    assert len(nearest) > 5
    assert min(nearest) >= 6.0 / SAMPLING - 1e-6
    # Without the mark measured labels are atoms, as they were.
    sample = corpus[0]
    plain = Annotations(sample.labels.points)
    unmarked = type(sample)(sample.index, sample.signal, sample.sampling, sample.channels, plain, {})
    assert len(labelled_image(unmarked, Visible(), None, np.random.default_rng(0)).doubtful) == 0


def test_another_set_of_images_does_not_go_into_the_same_folder(tmp_path):
    grafts(tmp_path)
    with pytest.raises(InputError, match="another recipe"):
        grafts(tmp_path, images(3), [Annotations([])] * 3)
    assert len(Corpus(tmp_path)) == 6


def test_refused_before_anything_is_written(tmp_path):
    bare = RECIPE.replace(single_atoms=())
    with pytest.raises(InputError, match="nothing to look for"):
        write_grafts(
            images(), [Annotations([])] * 2, bare, tmp_path / "a", rounds=1, visible=Visible(), quiet=True
        )
    unscaled = [Micrograph(image.image, None, "HAADF", image.name) for image in images()]
    with pytest.raises(InputError, match="image-0: has no pixel size"):
        grafts(tmp_path / "a", unscaled)
    assert not (tmp_path / "a").exists()
