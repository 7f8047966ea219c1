"""What every field of settings means: walked, found by name, and written as comments."""

import shlex
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field as Declared

from stemforge import RecipeError
from stemforge.options import parse_overrides
from stemforge.settings import (
    NamedFile,
    Positive,
    Random,
    Settings,
    fields_of,
    find_fields,
    nearest_fields,
    value_at,
)


def grow(height: float, seed: int) -> None:
    """Grow something.

    Parameters
    ----------
    height : float
        Of the crystal [Å]; the lowest counts.
    seed : int
        Root of randomness.
    """


class Cube(Settings):
    """A cube; see elsewhere.

    Parameters
    ----------
    kind
        Which solid.
    """

    DESCRIBED_BY = (grow,)

    kind: Literal["cube"]
    height: Positive = 2.0


class Ball(Settings):
    """A round thing.

    Parameters
    ----------
    kind
        Which solid.
    radius
        Half its size [nm].
    """

    kind: Literal["ball"]
    radius: Annotated[float, Declared(gt=0, lt=5)]


class Layer(Settings):
    """A layer.

    Parameters
    ----------
    element
        Its atoms, such as ``Pt``.
    doses
        Two of them [e/Å²].
    """

    element: str
    doses: tuple[Annotated[float, Declared(ge=0)], float] | None = None


class Piece(Settings):
    """A piece.

    Parameters
    ----------
    solid
        Its shape.
    layers
        From below.
    tilt
        About x [rad].
    file
        Where it is from: ``a`` or :func:`stemforge.settings.base`.
    rings
        Angles by name [mrad].
    """

    solid: Annotated[Cube | Ball, Declared(discriminator="kind")] = Cube(kind="cube")
    layers: tuple[Layer, ...] = ()
    tilt: Random = 0.0
    file: NamedFile | None = None
    rings: dict[str, tuple[float, float]] = Declared(default={})


def test_every_field_of_every_member_is_walked():
    assert [(one.name, one.of) for one in fields_of(Piece)] == [
        ("solid", ""),
        ("solid.kind", "cube"),
        ("solid.height", "cube"),
        ("solid.kind", "ball"),
        ("solid.radius", "ball"),
        ("layers", ""),
        ("layers.0.element", ""),
        ("layers.0.doses", ""),
        ("tilt", ""),
        ("file", ""),
        ("rings", ""),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "allowed", "unit", "default"),
    [
        ("solid", "one of the following", "", "", {"kind": "cube", "height": 2.0}),
        (
            "solid.height",
            "number, or a distribution from which each sample draws its own",
            "greater than 0",
            "Å",
            2.0,
        ),
        ("solid.radius", "number", "greater than 0 and less than 5", "nm", None),
        ("layers", "list, each mapping of the fields below", "", "", []),
        ("layers.0.doses", "list of 2: each number, or null", "at least 0", "e/Å²", None),
        ("file", "path of a file, or null", "", "", None),
        ("rings", "mapping of names to: list of 2: each number", "", "mrad", {}),
    ],
)
def test_a_field_is_explained(name, kind, allowed, unit, default):
    (field,) = find_fields(Piece, name)
    found = field.description
    assert (field.kind, found.allowed, found.unit, field.default) == (kind, allowed, unit, default)


def test_members_and_distributions_are_named():
    (solid,), (tilt,), (layers,) = (find_fields(Piece, name) for name in ("solid", "tilt", "layers"))
    assert [(one.name, one.summary, one.fields) for one in solid.members] == [
        ("cube", "A cube", ("kind", "height")),
        ("ball", "A round thing", ("kind", "radius")),
    ]
    assert [one.name for one in tilt.distributions] == [
        "uniform",
        "loguniform",
        "normal",
        "choice",
        "quantiles",
    ]
    assert [one.fields for one in layers.members] == [("element", "doses")]
    (radius,) = find_fields(Piece, "radius")
    assert radius.needed
    assert not tilt.needed


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("layers.3.element", ["layers.0.element"]),
        ("layers.0.doses.1", ["layers.0.doses"]),
        ("element", ["layers.0.element"]),
        ("--layers.0.element", ["layers.0.element"]),
        ("solid.kind", ["solid.kind", "solid.kind"]),
        ("layers.0", ["layers"]),
        ("elment", []),
    ],
)
def test_fields_are_found_by_name(name, found):
    assert [one.name for one in find_fields(Piece, name)] == found


def test_names_that_are_not_enough_or_wrong():
    class Two(Settings):
        first: Layer
        second: Layer

    with pytest.raises(
        RecipeError, match=r"'element': several fields end so: first\.element, second\.element"
    ):
        find_fields(Two, "element")
    assert nearest_fields(Piece, "layers.0.elment")[0] == "layers.0.element"
    assert nearest_fields(Piece, "hight") == ["solid.height"]
    assert nearest_fields(Piece, "zzz") == []


def test_values_are_found_in_settings():
    piece = Piece(solid=Ball(kind="ball", radius=1), layers=(Layer(element="Pt"), Layer(element="Ir")))
    assert value_at(piece, "layers.1.element") == (Layer, "Ir")
    assert value_at(piece, "solid.radius") == (Ball, 1)
    for name in ("solid.height", "layers.2.element", "nothing"):
        with pytest.raises(KeyError):
            value_at(piece, name)


def test_options_are_read_back():
    (rings,) = find_fields(Piece, "rings")
    words = shlex.split(rings.option({"It's": [1e-7, 2]}))
    assert parse_overrides(words) == {"rings": {"It's": [1e-7, 2]}}


PIECE = Piece(
    layers=(Layer(element="No", doses=(1e-7, 2e4)),), tilt={"uniform": [0, 1]}, rings={"a b": (1, 2)}
)


def test_written_settings_explain_themselves():
    text = PIECE.to_yaml()
    assert Piece.from_mapping(yaml.safe_load(text)) == PIECE
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "height: 2 # Of the crystal; the lowest counts [Å]" in lines
    assert "- element: 'No' # Its atoms, such as Pt" in lines
    assert "file: null # Where it is from: a or base" in lines
    assert all("#" in line for line in lines)


LIKE = """\
# A piece of ours.
layers:
  - element: Pt    # the first
    doses: [1, 2]  # few
tilt: 0.5  # by hand
"""


def test_comments_of_a_file_are_kept():
    stated = Piece.from_mapping(yaml.safe_load(LIKE))
    assert stated.to_yaml(like=LIKE) == LIKE
    changed = Piece.from_mapping(yaml.safe_load(LIKE), {"layers.0.element": "No", "layers.0.doses.1": 2e4})
    expected = LIKE.replace("Pt ", "'No'").replace("[1, 2] ", "[1, 20000]")
    assert [line.split("#") for line in changed.to_yaml(like=LIKE).replace(" ", "").splitlines()] == [
        line.split("#") for line in expected.replace(" ", "").splitlines()
    ]
    other = Piece.from_mapping(yaml.safe_load(LIKE), {"solid": {"kind": "ball", "radius": 1}, "tilt": 1e-7})
    text = other.to_yaml(like=LIKE)
    assert "# the first" in text
    assert "# by hand" in text
    assert Piece.from_mapping(yaml.safe_load(text)) == other


@pytest.mark.parametrize(
    "like",
    [
        "layers: &a [{element: Pt}]\nrings: {}\ntilt: 1\n",
        "layers:\n- &a {element: Pt}\n- *a\n",  # one value stands in two places
        "- no mapping",
        "tilt: [",
        "nothing: 1",
    ],
)
def test_a_file_that_cannot_be_kept_is_written_anew(like):
    piece = Piece(layers=(Layer(element="Ir"), Layer(element="Pt")))
    assert Piece.from_mapping(yaml.safe_load(piece.to_yaml(like=like))) == piece
