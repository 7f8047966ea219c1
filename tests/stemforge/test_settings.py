"""Settings: what a recipe may say, what is drawn from it, what its hash means."""

import hashlib
import itertools
import pickle
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import Field

from stemforge import RecipeError, Settings
from stemforge.settings import (
    ADDED_LATER,
    Choice,
    Fraction,
    LogUniform,
    NamedFile,
    NonNegative,
    Normal,
    Positive,
    Quantiles,
    Random,
    Uniform,
)


class Disc(Settings):
    kind: Literal["disc"]
    radius: Positive = 5.0


class Ring(Settings):
    kind: Literal["ring"]
    inner: NonNegative = 1.0


class Optics(Settings):
    energy: float = 60e3
    tilt: Random = 0.0


class Demo(Settings):
    name: str = "demo"
    seed: Annotated[int, Field(ge=0)] = 0
    optics: Optics = Optics()
    support: Annotated[Disc | Ring, Field(discriminator="kind")] = Ring(kind="ring")
    focus: Fraction = 0.5
    dose: NonNegative | None = None
    layers: tuple[Optics, ...] = ()
    weights: tuple[Random, ...] = ()
    side: Literal["full"] | float = "full"
    names: dict[str, float] = Field(default={})


class Defaults(Demo):
    spread: tuple[float, float] = (1, 2)
    table: dict[str, tuple[float, float]] = Field(default={"a": (1, 1), "b": (2, 2)})
    special: Optics = Optics(energy=3e5)


# Nine times nine times nine … values in a few lines.
BOMB = "a: &a [x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise("abcdefghijk")
)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sed": 1}, "unknown key 'sed'; did you mean 'seed'"),
        ({"zzz": 1}, "unknown key 'zzz'; allowed are"),
        ({"optics": {"enrgy": 1}}, "unknown key 'optics.enrgy'; did you mean 'energy'"),
        ({"support": {"kind": "disc", "radious": 1}}, "did you mean 'radius'"),
        ({"layers": [{"tlt": 1}]}, "unknown key 'layers.0.tlt'; did you mean 'tilt'"),
        ({"support": {"kind": "cube"}}, r"'support\.kind': must be one of disc, ring \(got cube\)"),
        ({"support": {"kind": "rng"}}, "did you mean ring?"),
        ({"support": {"radius": 1}}, r"'support\.kind': is needed, one of disc, ring"),
        ({"seed": -1}, "'seed': must be at least 0 .got -1"),
        ({"seed": "one"}, "'seed': must be a whole number .got \"one\""),
        ({"seed": 1.5}, "'seed': must be a whole number .got 1.5"),
        ({"dose": -1}, r"'dose': must be at least 0 \(got -1\)"),
        ({"dose": {"uniform": [-1, 1]}}, "'dose': must be at least 0"),
        ({"dose": {"normal": [1, 1]}}, "'dose': must be at least 0"),
        ({"focus": {"choice": [0, 1.1]}}, "'focus': must be at least 0 and at most 1"),
        ({"focus": 2}, "at most 1"),
        ({"support": {"kind": "disc", "radius": 0}}, "radius': must be greater than 0"),
        ({"focus": {"unifrom": [0, 1]}}, "'focus': must be a number or one of {uniform"),
        ({"focus": {"uniform": [0, 1], "choice": [1]}}, "'focus'"),
        ({"focus": {"uniform": [1, 0]}}, "'focus': bounds must be ordered"),
        ({"focus": {"uniform": [1]}}, r"'focus\.uniform\.1': is needed, the list is too short: got \[1\]"),
        ({"layers": [{"tilt": {"uniform": ["a", 2]}}]}, r"'layers\.0\.tilt\.uniform\.0'"),
        ({"weights": [1, {"choice": ["a"]}]}, r"'weights\.1\.choice\.0'"),
        ({"focus": {"loguniform": [0, 1]}}, "positive and ordered"),
        ({"focus": {"choice": []}}, "'focus"),
        ({"focus": {"normal": [0.5, -0.1]}}, "standard deviation"),
        ({"optics": {"energy": float("nan")}}, "'optics.energy'"),
        ({"optics": {"tilt": float("inf")}}, "'optics.tilt'"),
        ({"optics": 3}, r"'optics': must be a mapping of energy, tilt \(got 3\)"),
        (
            {"optics": {"energy": {"uniform": [0, 1]}}},
            r"'optics\.energy': must be a number \(got a mapping of uniform\)",
        ),
        ({"name": {"a": {"b": 1}}}, r"'name': must be text \(got a mapping of a\)"),
        ({"seed": [{"a": 1}]}, r"'seed': must be a whole number \(got a list of 1 entry\)"),
        ({"side": "half"}, r"'side': must be 'full' \(got \"half\"\) or must be a number"),
        ({"names": {"one": {"b": 1}}}, r"'names\.one': must be a number \(got a mapping of b\)"),
    ],
)
def test_refused(values, says):
    with pytest.raises(RecipeError, match=f"^settings: .*{says}"):
        Demo.from_mapping(values)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("seed: [1", "is not YAML"),
        ("- 1\n- 2\n", "mapping"),
        ("", "mapping"),
        ("just text", "mapping"),
        ("name: !!python/object/apply:os.system ['touch HACKED']", "is not YAML"),
        ("!!python/object:stemforge.settings.Settings {}", "is not YAML"),
        ("\x00", "is not YAML"),
        ("name: 2001-99-99", "is not YAML"),
        ("2001-01-01: x", "is not YAML"),
        ("seed: " + "9" * 5000, "is not YAML"),
        ("name: !!timestamp x", "is not YAML"),
        ("[" * 3000, "is not YAML.*nested too deeply"),
        ("name: &a [*a]", "is not YAML.*endless"),
        (BOMB, "is not YAML.*endless"),
        ("seed: 1\nsed: 2\n", "unknown key 'sed'"),
        ("1: 2\n", "unknown key '1'"),
        ("seed: 2024-01-01\n", "'seed'"),
    ],
)
def test_bad_files(tmp_path, monkeypatch, content, says):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "r.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=says) as caught:
        Demo.from_file(path)
    assert str(path) in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["r.yaml"]


def test_missing_folder_or_binary_file(tmp_path):
    with pytest.raises(RecipeError, match=r"no\.yaml: cannot be read"):
        Demo.from_file(tmp_path / "no.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        Demo.from_file(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\x80")
    with pytest.raises(RecipeError, match="is not YAML"):
        Demo.from_file(tmp_path / "b.yaml")


def test_aliases_are_read(tmp_path):
    (tmp_path / "r.yaml").write_text("layers:\n- &a {tilt: 3}\n- *a\n- {<<: *a}\n")
    assert [layer.tilt for layer in Demo.from_file(tmp_path / "r.yaml").layers] == [3, 3, 3]


def test_a_date_as_a_name_is_text(tmp_path):
    (tmp_path / "r.yaml").write_text("name: 2024-01-01\n")
    assert Demo.from_file(tmp_path / "r.yaml").name == "2024-01-01"


@pytest.mark.parametrize(
    ("distribution", "bounds", "mean"),
    [
        (Uniform(uniform=(2, 6)), (2, 6), 4),
        (LogUniform(loguniform=(1, 100)), (1, 100), 99 / np.log(100)),
        (Normal(normal=(5, 0.5)), (3.5, 6.5), 5),
        (Choice(choice=(1, 1, 4)), (1, 4), 2),
        (Quantiles(quantiles=(0, 4, 5, 6, 10)), (0, 10), 5),
        (Quantiles(quantiles=(1, 2, 2, 2)), (1, 2), 11 / 6),
        (Uniform(uniform=(3, 3)), (3, 3), 3),
        (LogUniform(loguniform=(7, 7)), (7, 7), 7),
        (Normal(normal=(1, 0)), (1, 1), 1),
    ],
)
def test_distributions(distribution, bounds, mean):
    rng = np.random.default_rng(0)
    values = np.array([distribution.sample(rng) for _ in range(20000)])
    assert distribution.bounds == pytest.approx(bounds)
    assert bounds[0] <= values.min() <= values.max() <= bounds[1]
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - mean) <= 4 * error + 1e-12


@pytest.mark.parametrize(
    "distribution",
    [
        Uniform(uniform=(2, 6)),
        LogUniform(loguniform=(1, 100)),
        Normal(normal=(5, 0.5)),
        Choice(choice=(1, 4, 9, 1)),
        Quantiles(quantiles=(0, 4, 5, 6, 10)),
        Quantiles(quantiles=(1, 2, 2, 2)),
    ],
)
def test_shares_and_quantiles_belong_to_the_draws(distribution):
    rng = np.random.default_rng(1)
    values = np.array([distribution.sample(rng) for _ in range(4000)])
    steps = (np.arange(4000) + 0.5) / 4000
    np.testing.assert_allclose(np.mean(distribution.quantile(steps)), values.mean(), rtol=0.05)
    for value in np.unique(values)[:: max(len(np.unique(values)) // 7, 1)]:
        expected = (np.mean(values < value) + np.mean(values <= value)) / 2
        assert float(distribution.shares(np.array([value]))[0]) == pytest.approx(expected, abs=0.03)


def test_quantiles_are_read_and_checked():
    assert Demo.from_mapping({"focus": {"quantiles": [0, 0.4, 1]}}).focus == Quantiles(quantiles=(0, 0.4, 1))
    for values in ([0.5], [0, 0.6, 0.5], [0, 1.2]):
        with pytest.raises(RecipeError, match="'focus"):
            Demo.from_mapping({"focus": {"quantiles": values}})


RANDOM = Demo.from_mapping(
    {
        "focus": {"uniform": [0, 1]},
        "optics": {"tilt": {"normal": [0, 1]}},
        "support": {"kind": "disc", "radius": {"loguniform": [1, 10]}},
        "layers": [{"tilt": {"choice": [1, 2, 3]}}, {"tilt": 7}],
        "dose": {"uniform": [1, 2]},
    }
)


def test_distributions_are_listed_and_replaced_by_field():
    assert list(RANDOM.distributions) == ["optics.tilt", "support.radius", "focus", "dose", "layers.0.tilt"]
    changed = RANDOM.with_distributions({"layers.0.tilt": 5.0, "focus": Uniform(uniform=(0.2, 0.3))})
    assert changed.layers[0].tilt == 5
    assert changed.focus == Uniform(uniform=(0.2, 0.3))
    assert changed.dose == RANDOM.dose
    with pytest.raises(RecipeError, match=r"'layers\.1\.tilt' holds no distribution"):
        RANDOM.with_distributions({"layers.1.tilt": 5.0})
    with pytest.raises(RecipeError, match="at most 1"):
        RANDOM.with_distributions({"focus": Uniform(uniform=(0, 3))})


def test_draw_replaces_every_distribution():
    drawn = RANDOM.draw(np.random.default_rng(0))
    for value in (drawn.focus, drawn.optics.tilt, drawn.support.radius, drawn.layers[0].tilt, drawn.dose):
        assert isinstance(value, float)
    assert drawn.layers[1].tilt == 7
    assert drawn.optics.energy == 60e3
    # What is drawn already stays.
    assert drawn.draw(np.random.default_rng(1)) == drawn


def test_draw_depends_on_the_generator_alone():
    first, second, other = (RANDOM.draw(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == second
    assert first != other
    assert RANDOM.focus == Uniform(uniform=(0, 1))


def test_yaml_round_trip(tmp_path):
    recipe = Demo.from_mapping(
        {**RANDOM.model_dump(mode="json"), "name": "µ: {#'\"", "optics": {"tilt": 1e-7}}
    )
    path = tmp_path / "r.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    assert Demo.from_file(path) == recipe
    assert Demo.from_file(path).hash == recipe.hash


def test_hash_is_of_the_content(tmp_path):
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text("seed: 3\noptics: {energy: 60000, tilt: {uniform: [0, 1]}}\n")
    b.write_text("# remark\noptics:\n  tilt:\n    uniform: [0.0, 1]\n  energy: 6.0e+4\nseed: 3\nname: demo\n")
    assert Demo.from_file(a).hash == Demo.from_file(b).hash
    assert Demo.from_file(a, {"seed": 4}).hash != Demo.from_file(a).hash
    assert len(Demo().hash) == 64


class AtomBefore(Settings):
    element: str = "Pt"


class AtomNow(AtomBefore):
    replaces: Annotated[str | None, ADDED_LATER] = None


class SpecimenBefore(Settings):
    atoms: tuple[AtomBefore, ...] = ()
    first: AtomBefore = AtomBefore()


class SpecimenNow(Settings):
    atoms: tuple[AtomNow, ...] = ()
    first: AtomNow = AtomNow()
    defects: Annotated[tuple[AtomNow, ...], ADDED_LATER] = ()


def test_a_field_added_later_counts_only_where_it_is_used():
    values = {"atoms": [{"element": "Fe"}, {"element": "Co"}]}
    now = SpecimenNow.from_mapping(values)
    assert now.hash == SpecimenBefore.from_mapping(values).hash
    used = [
        {"atoms": [{"element": "Fe", "replaces": "Mg"}, {"element": "Co"}]},
        {"atoms": [{"element": "Fe"}, {"element": "Co", "replaces": "Mg"}]},
        {**values, "first": {"replaces": "Mg"}},
        {**values, "defects": [{}]},
        {**values, "defects": [{"replaces": "Mg"}]},
    ]
    assert len({now.hash, *(SpecimenNow.from_mapping(one).hash for one in used)}) == 6
    # What is written down is complete: it has the field at its default, too.
    assert now.model_dump()["defects"] == ()


@pytest.mark.parametrize(
    ("overrides", "field", "value"),
    [
        ({"seed": 4}, lambda r: r.seed, 4),
        ({"optics.energy": 80e3}, lambda r: r.optics.energy, 80e3),
        ({"optics.tilt": {"uniform": [0, 1]}}, lambda r: r.optics.tilt, Uniform(uniform=(0, 1))),
        ({"support.kind": "disc", "support.radius": 2}, lambda r: r.support.radius, 2),
        ({"layers.1.tilt": 5}, lambda r: [layer.tilt for layer in r.layers], [1, 5]),
        ({"layers.0": {"energy": 1e5}}, lambda r: r.layers[0], Optics(energy=1e5)),
        ({"layers.0.tilt.uniform.1": 3}, lambda r: r.layers[0].tilt, Uniform(uniform=(0, 3))),
        ({"names.one": 2, "names.two": 3}, lambda r: r.names, {"one": 2, "two": 3}),
        # The rest of what the recipe leaves to a default is known.
        ({"spread.1": 4}, lambda r: r.spread, (1, 4)),
        ({"table.b.0": 4}, lambda r: r.table, {"a": (1, 1), "b": (4, 2)}),
        ({"special.tilt": 2}, lambda r: r.special, Optics(energy=3e5, tilt=2)),
    ],
)
def test_overrides(overrides, field, value):
    stated = {"optics": {"tilt": 3}, "layers": [{"tilt": 1}, {"tilt": 2}]}
    if "layers.0.tilt.uniform.1" in overrides:
        stated["layers"][0]["tilt"] = {"uniform": [0, 1]}
    assert field(Defaults.from_mapping(stated, overrides)) == value


def test_overrides_keep_their_neighbours_and_the_given_mapping():
    values = {"optics": {"tilt": 3}}
    assert Demo.from_mapping(values, {"optics.energy": 80e3}).optics.tilt == 3
    assert values == {"optics": {"tilt": 3}}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"optics.enery": 1}, "did you mean 'energy'"),
        ({"seed.more": 1}, "'seed' holds a plain value"),
        (
            {"layers.1.tilt": 1},
            "'layers.1.tilt' cannot be set, 'layers' has 1 entry, 'layers.0'; to add one, set the whole",
        ),
        ({"layers.-1.tilt": 1}, "'layers' has 1 entry"),
        ({"layers.first.tilt": 1}, "'layers' has 1 entry"),
        ({"layers.1": {"tilt": 1}}, "'layers' has 1 entry"),
        ({"layers.0.tlt": 1}, "unknown key 'layers.0.tlt'; did you mean 'tilt'"),
        ({"layers.0.tilt": "much"}, r"with layers\.0\.tilt set: 'layers\.0\.tilt': must be a number"),
        ({"weights.0": 1}, "'weights' has no entry"),
        ({"support.kind.name": 1}, r"'support\.kind' holds a plain value \(\"ring\"\)"),
        ({"nothing.here": 1}, "unknown key 'nothing'"),
    ],
)
def test_bad_overrides(overrides, says):
    with pytest.raises(RecipeError, match=says):
        Demo.from_mapping({"seed": 1, "layers": [{"tilt": 2}]}, overrides)


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Demo().seed = 1


@pytest.mark.parametrize(
    "value", [Settings(), Uniform(uniform=(0, 1)), Choice(choice=(1, 2)), NamedFile(path="a.cif")], ids=str
)
def test_settings_reach_the_processes_that_simulate(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert type(value).__module__.startswith("stemforge.settings.")


class Source(Settings):
    file: NamedFile
    spare: Literal["none"] | NamedFile = "none"


class Named(Settings):
    source: Source | None = None
    more: tuple[NamedFile, ...] = ()
    number: int = 1


def test_files_that_settings_name_are_pinned_by_their_content(tmp_path):
    one, two = tmp_path / "one.cif", tmp_path / "two.cif"
    one.write_text("1")
    two.write_text("2")
    named = Named.from_mapping({"source": {"file": str(one)}, "more": [str(two)]})
    assert list(named.files) == ["source.file", "more.0"]
    assert [file.sha256 for file in named.files.values()] == [None, None]
    pinned = named.pinned()
    assert pinned.files["source.file"].sha256 == hashlib.sha256(b"1").hexdigest()
    assert pinned.hash != named.hash
    # What was written is read back, pinned or not.
    for settings in (named, pinned):
        assert Named.model_validate_json(settings.model_dump_json()) == settings
    assert named.model_dump(mode="json")["more"] == [str(two)]
    one.write_text("another")
    assert named.pinned().hash != pinned.hash
    assert pinned.pinned() == pinned, "a hash that is stated stays"
    assert Named().pinned().hash == Named().hash


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("nowhere.cif", r"'source\.file': nowhere\.cif cannot be read"),
        (".", r"'source\.file': \. is not a file"),
        (5, r"'source\.file': must be the path of a file.*got 5"),
        ("", r"'source\.file': must be the path of a file"),
        ({"path": "a.cif", "sha256": "12"}, r"'source\.file\.sha256'"),
        ({"path": "a.cif", "size": 1}, r"unknown key 'source\.file\.size'"),
    ],
)
def test_files_that_cannot_be_named(value, says):
    with pytest.raises(RecipeError, match=says):
        Named.from_mapping({"source": {"file": value}}).pinned()
