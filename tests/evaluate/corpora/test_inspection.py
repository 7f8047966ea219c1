import dataclasses
import itertools

import numpy as np
import pytest
import tifffile

from stemforge import Micrograph
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import InputError
from stemforge.evaluate import inspect as inspect_file
from stemforge.evaluate.corpora.command import inspect
from stemforge.evaluate.corpora.inspection import (
    contact_sheet,
    describe_corpus,
    describe_micrograph,
    draw_corpus,
    draw_histogram,
    recorded_image,
)
from stemforge.evaluate.corpora.statistics import CorpusStatistics
from stemforge.micrograph.annotations import Annotations
from stemforge.options import ChosenFrame, FigureFile, Overwrite
from stemforge.simulate import SEGMENTS


@pytest.mark.slow
def test_corpus_in_words(tiny_corpus):
    corpus = Corpus(tiny_corpus)
    lines = describe_corpus(corpus)
    counts = [len(sample.labels) for sample in corpus]
    assert lines["corpus"] == f"{tiny_corpus} (quickstart, simulated)"
    assert corpus.recipe_hash.startswith(lines["recipe hash"])
    assert lines["images"] == "4 of 64 × 64 pixels (0.293 Å a pixel), HAADF 90–185 mrad at 60 kV"
    assert lines["labels"] == f"{sum(counts)}, {min(counts)} to {max(counts)} an image"
    low, high = (float(lines["thickness"].split(",")[0].split(" to ")[i]) for i in (0, 1))
    assert 3 < low <= high < 7  # nm
    assert "at 20000 e/Å²" in lines["CNR"]
    every = np.concatenate([sample.labels["cnr"] for sample in corpus])
    assert f"median {np.median(every):.3g}" in lines["CNR"]


def test_measured_corpus_in_words(tmp_path, write_blobs):
    lines = describe_corpus(Corpus(write_blobs(tmp_path / "m", 3, sampling=None)))
    assert "measured" in lines["corpus"]
    assert lines["images"] == "3 of 72 × 72 pixels (uncalibrated), HAADF"
    assert not {"thickness", "CNR", "contrast", "dose"} & set(lines)
    assert "mean intensity" in lines["counts"]


def test_corpus_without_labels(tmp_path, write_blobs):
    corpus = Corpus(write_blobs(tmp_path / "m", 2, points=np.empty((0, 2))))
    assert describe_corpus(corpus)["labels"] == "0, 0 to 0 an image"
    assert "0 visible" in contact_sheet(corpus).axes[0].get_title()


@pytest.mark.parametrize(
    ("sampling", "says"),
    [(0.5, "0.5 Å (2.00 × 1.50 nm)"), (None, "not in the file"), (20.0, "20 Å (80.00 × 60.00 nm)")],
)
def test_micrograph_in_words(sampling, says):
    image = np.zeros((30, 40))
    image[3, 4], image[5, 5] = 7, -2
    lines = describe_micrograph(Micrograph(image, sampling, name="field"))
    assert lines["micrograph"] == "field"
    assert lines["size"] == "40 × 30 pixels"
    assert says in lines["pixel size"]
    assert lines["intensity"] == "-2 to 7, median 0"


@pytest.mark.parametrize(("frame", "shown"), [(None, 0), (2, 2)])
def test_a_stack_is_named_by_its_file_and_frame(frame, shown, tmp_path, capsys):
    frames = np.random.default_rng(0).random((5, 30, 40)).astype("float32")
    tifffile.imwrite(tmp_path / "film.tif", frames)
    inspect([tmp_path / "film.tif"], chosen=ChosenFrame(frame=frame), drawing=FigureFile(tmp_path / "f.png"))
    printed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert printed[:2] == [
        ["micrograph", "film.tif"],
        ["frames", f"5, numbered 0 to 4; shown is {shown}, --frame takes another one"],
    ]
    assert "signal" not in dict(printed)
    assert f"{frames[shown].min():g} to {frames[shown].max():g}" in dict(printed)["intensity"]
    figure = inspect_file(tmp_path / "film.tif", frame=frame).figure()
    assert figure.axes[0].get_title() == f"film.tif, frame {shown} of 0 to 4"


@pytest.mark.parametrize(("images", "most", "shown"), [(1, 12, 1), (3, 12, 3), (7, 5, 5), (5, 2, 2)])
def test_contact_sheet_shows_samples_and_their_atoms(tmp_path, write_blobs, images, most, shown):
    corpus = Corpus(write_blobs(tmp_path / "m", images, size=40))
    figure = contact_sheet(corpus, most)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == shown
    assert titles[0] == "blobs-000: 1 visible, 0 faint"
    assert titles[-1].startswith(f"blobs-{images - 1:03d}")
    (circles,) = figure.axes[0].collections
    np.testing.assert_allclose(circles.get_offsets(), corpus[0].labels.points)
    figure.savefig(tmp_path / "sheet.png")


def test_simulated_samples_are_shown_recorded_image(tiny_corpus):
    corpus = Corpus(tiny_corpus)
    sample = corpus[0]
    micrograph, visible, faint = recorded_image(corpus, sample)
    assert micrograph.sampling == pytest.approx(0.293)
    assert len(visible) + len(faint) == len(sample.labels)
    assert len(visible)
    counts = micrograph.image
    assert np.array_equal(counts, np.rint(counts))  # electrons, not fractions
    assert counts.mean() == pytest.approx(sample.signal.mean() * 4e4 * 0.293**2, rel=0.05)
    np.testing.assert_array_equal(recorded_image(corpus, sample)[0].image, counts)
    assert not np.array_equal(recorded_image(corpus, corpus[1])[0].image, counts)


def test_histogram_counts_every_pixel():
    image = np.random.default_rng(0).normal(size=(30, 50))
    figure = draw_histogram(Micrograph(image))
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 1500


def test_statistics_hold_for_the_images_that_are_shown(tiny_corpus):
    corpus = Corpus(tiny_corpus)
    statistics = CorpusStatistics.of(corpus)
    assert statistics.labels.tolist() == [len(sample.labels) for sample in corpus]
    np.testing.assert_allclose(statistics.dose, 4e4)
    shown = [recorded_image(corpus, sample) for sample in corpus]
    np.testing.assert_allclose(
        statistics.counts, [micrograph.image.mean() for micrograph, *_ in shown], rtol=0.05
    )
    assert statistics.visible.sum() == sum(len(visible) for _, visible, _ in shown)
    # Twice the reference dose at the same source: CNR against counts grows with its square root; texture takes away.
    assert (statistics.drawn_cnr < statistics.cnr * np.sqrt(2)).all()
    assert (statistics.drawn_cnr > 0.2 * statistics.cnr).all()
    lines = describe_corpus(corpus, statistics)
    assert lines["dose"] == "4e+04 e/Å²"
    assert f"{statistics.visible.mean():.0%} of the atoms" in lines["CNR as drawn"]
    assert "electrons a pixel" in lines["counts"]


def test_molecules_are_counted(make_idpc_corpus):
    corpus = make_idpc_corpus
    statistics = CorpusStatistics.of(corpus)
    assert statistics.molecules == {"pyridine": 3, "thiophene": 2}
    assert describe_corpus(corpus)["molecules"] == "3 pyridine, 2 thiophene"
    figure = draw_corpus(corpus)
    assert figure.axes[0].get_title() == "0: 2 pyridine, 1 thiophene"
    assert len(figure.axes[0].patches) == 4  # boxes and the scale bar
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert labels == ["molecules an image", "dose [e/Å²]", "electrons a pixel"]


@pytest.fixture
def make_idpc_corpus(tmp_path):
    """Two samples of segment signals, with three and two molecules."""
    writer = CorpusWriter(
        tmp_path / "c", {"name": "guests", "seed": 0, "degradation": {"dose": 1e3}}, "b" * 64
    )
    for i, species in enumerate(([0, 1, 0], [1, 0])):
        rng = np.random.default_rng(i)
        points = rng.uniform(10, 30, (len(species), 2))
        labels = Annotations(points, np.hstack([points - 4, points + 4]), {"species": np.array(species)})
        signal = rng.uniform(0.1, 0.2, (4, 40, 40)).astype(np.float32)
        metadata = {"molecules": ["pyridine", "thiophene"]}
        writer.write(i, [Sample(i, signal, 0.25, SEGMENTS, labels, metadata)])
    return Corpus(tmp_path / "c")


@pytest.fixture
def vacancies_corpus(tmp_path):
    """Two samples that list missing atoms: three S and one Mo, and none."""
    degradation = {"dose": 1e5, "source_size": 0.0, "line_jitter": 0.0}
    writer = CorpusWriter(tmp_path / "c", {"name": "sheet", "seed": 0, "degradation": degradation}, "c" * 64)
    names = (
        "scattering",
        "background",
        "peak_width_angstrom",
        "noise_width_angstrom",
        "contrast",
        "cnr",
        "tag",
    )
    for i, missing in enumerate(([16, 16, 42, 16], [])):
        points = [[5.0 * (k + 1), 20.0] for k in range(len(missing))]
        columns = {"element": missing, **{name: [-0.01] * len(missing) for name in names}}
        columns["tag"] = [11] * len(missing)
        for name in names[1:4]:
            columns[name] = [0.5] * len(missing)
        atom = {name: np.array([0.5]) for name in names} | {"element": np.array([74], np.uint8)}
        signal = np.full((1, 40, 40), 0.5, np.float32)
        metadata = {"vacancies": {"points": points, "columns": columns}}
        labels = Annotations([[20.0, 30.0]], columns=atom)
        writer.write(i, [Sample(i, signal, 0.25, ("HAADF",), labels, metadata)])
    return Corpus(tmp_path / "c")


def test_vacancies_are_counted_and_drawn(vacancies_corpus, tmp_path):
    statistics = CorpusStatistics.of(vacancies_corpus)
    words = describe_corpus(vacancies_corpus, statistics)
    assert words["labels"] == "2, 1 to 1 an image"
    assert words["S vacancies"] == "3, 0 to 3 an image"
    assert words["Mo vacancies"] == "1, 0 to 1 an image"
    figure = contact_sheet(vacancies_corpus)
    first, second = figure.axes
    assert first.get_title().splitlines()[1] == "1 Mo vacancy, 3 S vacancies"
    assert second.get_title().splitlines()[1] == "no vacancy"
    atoms, molybdenum, sulphur = first.collections
    np.testing.assert_allclose(sulphur.get_offsets(), [[5, 20], [10, 20], [20, 20]])
    np.testing.assert_allclose(molybdenum.get_offsets(), [[15, 20]])
    colours = {tuple(mark.get_edgecolor()[0]) for mark in (atoms, molybdenum, sulphur)}
    assert len(colours) == 3
    assert len(atoms.get_paths()[0].vertices) != len(sulphur.get_paths()[0].vertices)
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["visible atom", "Mo vacancy", "S vacancy"]
    figure.savefig(tmp_path / "sheet.png")


@pytest.mark.parametrize(
    ("dose", "logarithmic"),
    [([4891.2] * 3, False), ([4891.2], False), ([2e4, 4.5e4, 9e4], False), ([2e4, 3e4, 3e5], True)],
)
def test_ticks_do_not_run_into_each_other(dose, logarithmic, vacancies_corpus):
    known = CorpusStatistics.of(vacancies_corpus)
    statistics = dataclasses.replace(known, dose=np.array(dose))
    figure = draw_corpus(vacancies_corpus, statistics)
    figure.draw_without_rendering()
    (axes,) = (one for one in figure.axes if one.get_xlabel() == "dose [e/Å²]")
    assert (axes.get_xscale() == "log") == logarithmic
    assert axes.xaxis.get_offset_text().get_text() == ""
    low, high = axes.get_xlim()
    minor = [text for text in axes.get_xticklabels(minor=True) if text.get_text()]
    labels = [t for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
    assert labels
    assert not minor
    edges = [text.get_window_extent() for text in labels]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(edges))
    if len(set(dose)) == 1:  # a bar, not a rectangle that fills the axes
        assert axes.patches[0].get_width() < 0.2 * (high - low)


def test_the_picture_has_every_histogram(tiny_corpus, tmp_path):
    corpus = Corpus(tiny_corpus)
    statistics = CorpusStatistics.of(corpus)
    figure = draw_corpus(corpus, statistics, most=3)
    by_name = {axes.get_xlabel().split("\n")[0]: axes for axes in figure.axes if axes.get_xlabel()}
    assert list(by_name) == list(statistics.histograms)
    assert "contrast-to-noise" in by_name
    for name, axes in by_name.items():
        heights = [bar.get_height() for bar in axes.patches]
        assert sum(heights) == len(statistics.histograms[name])
    assert len([axes for axes in figure.axes if "visible" in axes.get_title()]) == 3
    figure.savefig(tmp_path / "picture.png")


def test_a_picture_is_not_replaced_unasked(tiny_corpus, tmp_path, capsys):
    out = tmp_path / "picture.png"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"exists already.*--overwrite"):
        inspect([tiny_corpus], drawing=FigureFile(out))
    assert out.read_text() == "mine"
    inspect([tiny_corpus], drawing=FigureFile(out), replacing=Overwrite(overwrite=True))
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "CNR as drawn" in capsys.readouterr().out
