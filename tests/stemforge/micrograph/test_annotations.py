"""Tables of objects: read, written, selected, refused."""

import numpy as np
import pytest

from stemforge import Annotations, AnnotationsError, InputError
from stemforge.micrograph.coordinates import suggested_unit
from stemforge.micrograph.tables import table_files

POINTS = [[1.0, 2.0], [3.5, 4.25]]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("x_px,y_px\n1,2\n3.5,4.25\n", set()),
        ("X,Y\n1,2\n3.5,4.25\n", set()),
        ("x,y\n1,2\n3.5,4.25\n", set()),
        (" ,X,Y\n1,1,2\n2,3.5,4.25\n", set()),
        ("\ufeff ,Area,X,Y\r\n1,0,1,2\r\n2,0,3.5,4.25\r\n", {"Area"}),
        (" Y , X \n2,1\n4.25,3.5\n", set()),
        ("X,Y\n1,2\n\n3.5,4.25\n\n", set()),
        ("X,Y,score,note\n1,2,0.5,good\n3.5,4.25,,bad\n", {"score"}),
        ("x_px,y_px,x_nm,y_nm,score\n1,2,,,0.1\n3.5,4.25,,,0.2\n", {"x_nm", "y_nm", "score"}),
        ('"X","Y"\n"1","2"\n"3.5","4.25"\n', set()),
        ("x0_px,y0_px,x1_px,y1_px\n0,1,2,3\n3,4,4,4.5\n", set()),
        # ImageJ's tables in other clothes: tabs, spreadsheets with a decimal comma, centroids, pixels by name.
        (" \tX\tY\n1\t1.0\t2.0\n2\t3.5\t4.25\n", set()),
        ("X;Y\n1;2\n3,5;4,25\n", set()),
        (" ;Area;X;Y\n1;0,5;1;2\n2;0,7;3,5;4,25\n", {"Area"}),
        (" \tArea\tXM\tYM\n1\t9\t1\t2\n2\t9\t3,5\t4,25\n", {"Area"}),
        ("XM,YM,X,Y\n9,9,1,2\n9,9,3.5,4.25\n", {"XM", "YM"}),
        ("X (px),Y [pixels]\n1,2\n3.5,4.25\n", set()),
        ("X\tY\n1\t1\t2\n2\t3.5\t4.25\n", set()),
    ],
)
def test_csv_forms(tmp_path, text, columns):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    table = Annotations.from_csv(path, shape=(8, 8))
    np.testing.assert_array_equal(table.points, POINTS)
    assert set(table.columns) == columns


@pytest.mark.parametrize("text", ["X,Y\n", "X,Y", " ,X,Y\n", "x_px,y_px,score\n\n"])
def test_no_objects(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    table = Annotations.from_csv(path, shape=(8, 8))
    assert len(table) == 0
    assert table.points.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected columns x_px,y_px or X,Y"),
        ("a,b\n1,2\n", "found a,b"),
        ("X\n1\n", "expected columns"),
        ("X;Y\n1.234,5;2\n", "line 2, column X: '1.234.5' is no number"),
        ("X (counts),Y (counts)\n1,2\n", "expected columns"),
        ("XM,Y\n1,2\n", "expected columns"),
        ("X\tY\n7\t1\t2\n", "line 2 has 3 cells"),
        ("X (nm),Y (nm)\n1,2\n", r"points in nm need the image's pixel size.*\(sampling\)"),
        ("1,2\n3,4\n", "expected columns"),
        ("X,Y\n1\n", "line 2 has 1 cells"),
        ("X,Y\n1,2\n1,2,3\n", "line 3 has 3 cells"),
        ("X,Y\n1,two\n", "line 2, column Y: 'two' is no number"),
        ("X,Y\n1,\n", "row 1 is"),
        ("X,Y\n1,2\nnan,2\n", "row 2 is"),
        ("X,Y\ninf,2\n", "finite"),
        ("X,Y,X\n1,2,3\n", "same name"),
        ("x0_px,y0_px,x1_px,y1_px\n3,1,2,3\n", "x0 <= x1"),
        ("X,Y\n1,2\n9,2\n", "row 2 lies at x=9, y=2, outside the image of 8 × 6"),
        ("X,Y\n7,5\n5,7\n", "are the columns swapped"),
        ("X,Y\n-0.6,0\n", "outside"),
        ("X,Y\n0,5.6\n", "outside"),
    ],
)
def test_bad_csv(tmp_path, text, says):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(AnnotationsError, match=says) as caught:
        Annotations.from_csv(path, shape=(6, 8))
    assert str(path) in str(caught.value)


def test_missing_or_binary_csv(tmp_path):
    with pytest.raises(AnnotationsError, match="cannot be read"):
        Annotations.from_csv(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\x89PNG\x00\x00\x80")
    with pytest.raises(AnnotationsError, match=r"b\.csv: cannot be read"):
        Annotations.from_csv(tmp_path / "b.csv")


@pytest.mark.parametrize(
    "content",
    [
        "X (µm);Y (µm)\n0,0001;0,0002\n0,00035;0,000425\n".encode("cp1252"),
        "X (µm)\tY (µm)\n0,0001\t0,0002\n0,00035\t0,000425\n".encode("utf-16"),
        b"X (\\u00B5m),Y (\\u00B5m)\n0.0001,0.0002\n0.00035,0.000425\n",
        b"x_nm,y_nm,score\n0.1,0.2,1\n0.35,0.425,1\n",
        b"x_px,y_px,x_nm,y_nm\n1,2,0.1,0.2\n3.5,4.25,0.35,0.425\n",
        "X [Å],Y [Å]\n1,2\n3.5,4.25\n".encode(),
        b"X (pm),Y (pm)\n100,200\n350,425\n",
    ],
)
def test_units_in_the_header(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    np.testing.assert_allclose(Annotations.from_csv(path, (8, 8), sampling=1.0).points, POINTS)


@pytest.mark.parametrize(
    ("unit", "scale"), [("nm", 10), ("Å", 1), ("A", 1), ("pm", 0.01), ("um", 1e4), ("px", 0)]
)
def test_a_unit_that_the_user_gives(tmp_path, unit, scale):
    path = tmp_path / "t.csv"
    points = np.array(POINTS) * (0.5 / scale if scale else 1)
    path.write_text("X,Y\n" + "".join(f"{x},{y}\n" for x, y in points))
    found = Annotations.from_csv(path, (8, 8), sampling=0.5, label_unit=unit).points
    np.testing.assert_allclose(found, POINTS)


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("X,Y\n1,2\n", {"label_unit": "nm"}, r"t\.csv: points in nm need the image's pixel size"),
        ("X,Y\n1,2\n", {"label_unit": "furlong"}, "label_unit must be px or a unit of length: 'furlong'"),
        ("x_px,y_px\n1,2\n", {"label_unit": "nm", "sampling": 1}, "are in px, not in nm"),
        ("X (nm),Y (nm)\n1,2\n", {"label_unit": "px", "sampling": 1}, "are in nm, not in px"),
    ],
)
def test_units_that_do_not_fit(tmp_path, text, options, says):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        Annotations.from_csv(path, **options)


SPREAD = np.random.default_rng(0).uniform(20, 500, (20, 2))
# Ten atoms of a particle, 5 Å apart, in the middle and in the corner.
PARTICLE = np.stack(np.meshgrid(17.0 * np.arange(5), 17.0 * np.arange(2)), -1).reshape(-1, 2)


@pytest.mark.parametrize(
    ("points", "unit"),
    [
        (SPREAD * 0.0293, "nm"),
        (SPREAD[:3] * 0.0293, "nm"),
        ((PARTICLE + 200) * 0.0293, "nm"),
        (SPREAD * 29.3, "pm"),
        (SPREAD * 0.293, "hint"),
        (SPREAD, None),
        (SPREAD[:2] * 0.0293, None),
        (PARTICLE + 200, None),
        # Few labels near each other, and near the corner, but pixels for all that is known.
        (PARTICLE[:4] + 2, None),
        (PARTICLE + 2, None),
        (np.array([[5.0, 9], [30, 4], [12, 28], [44, 41]]), None),
    ],
)
def test_labels_in_another_unit_are_noticed(tmp_path, points, unit):
    path = tmp_path / "t.csv"
    path.write_text("X,Y\n" + "".join(f"{x:.3f},{y:.3f}\n" for x, y in points))

    def read(**options):
        return Annotations.from_csv(path, (512, 512), sampling=0.293, **options)

    found = suggested_unit(np.round(points, 3), (512, 512), 0.293)
    if unit is None:
        assert found is None
    elif unit == "hint":
        assert found == ("Å", False)
    else:
        assert found == (unit, True)
        with pytest.raises(AnnotationsError, match=rf"as {unit}\b.*\(label_unit\)"):
            read()
        assert read(label_unit=unit).inside((512, 512)).all()
    if unit not in ("nm", "pm"):
        np.testing.assert_allclose(read().points, points, atol=1e-3)
    if unit == "nm":
        # The user insists.
        np.testing.assert_allclose(read(label_unit="px").points, points, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"points": [[1, 2, 3]]}, r"shape \(n, 2\)"),
        ({"points": [1, 2]}, r"shape \(n, 2\)"),
        ({"points": [[1, np.nan]]}, "finite"),
        ({"points": POINTS, "columns": {"score": [1]}}, "column 'score' must have 2 rows"),
        ({"points": POINTS, "boxes": [[0, 0, 1, 1]]}, "boxes must have 2 rows"),
        ({"points": [[1, 1]], "boxes": [[0, 2, 1, 1]]}, "y0 <= y1"),
    ],
)
def test_bad_arrays(arguments, says):
    with pytest.raises(AnnotationsError, match=says):
        Annotations(**arguments)


def test_csv_round_trip_in_nanometres(tmp_path):
    path = tmp_path / "t.csv"
    boxes = [[0, 1, 2, 3], [3, 4, 4, 4.5]]
    Annotations(POINTS, boxes, {"score": [0.25, 0.75], "element": np.array([78, 26])}).to_csv(
        path, sampling=0.4
    )
    lines = path.read_text().splitlines()
    assert lines[0] == "x0_px,y0_px,x1_px,y1_px,x_px,y_px,x_nm,y_nm,score,element"
    assert lines[2] == "3.00,4.00,4.00,4.50,3.500,4.250,0.14000,0.17000,0.75,26"
    back = Annotations.from_csv(path)
    np.testing.assert_array_equal(back.points, POINTS)
    np.testing.assert_array_equal(back.boxes, boxes)
    np.testing.assert_allclose(np.column_stack([back["x_nm"], back["y_nm"]]), np.array(POINTS) * 0.04)
    np.testing.assert_array_equal(back["element"], [78, 26])


def test_nanometres_are_empty_without_calibration(tmp_path):
    Annotations(POINTS).to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[:2] == ["x_px,y_px,x_nm,y_nm", "1.000,2.000,,"]


def test_where_and_columns():
    table = Annotations(POINTS, [[0, 0, 1, 1], [2, 2, 3, 3]], {"score": [0.1, 0.9]})
    kept = table.where(table["score"] > 0.5)
    np.testing.assert_array_equal(kept.points, POINTS[1:])
    np.testing.assert_array_equal(kept.boxes, [[2, 2, 3, 3]])
    np.testing.assert_array_equal(table.where([1, 0])["score"], [0.9, 0.1])
    assert len(table.where(np.zeros(2, bool))) == 0
    with pytest.raises(AnnotationsError, match="no column 'height'; there are score"):
        table["height"]


def test_pixel_edges_are_inside():
    table = Annotations([[-0.5, -0.5], [7.5, 5.5], [7.6, 0], [0, 5.6], [-0.6, 0]])
    np.testing.assert_array_equal(table.inside((6, 8)), [True, True, False, False, False])


def test_how_complete_a_table_is_is_no_table_of_places(tmp_path):
    """Beside what was found, infer atoms writes how complete it is: a folder of both was refused as predictions."""
    for name in ("a.csv", "a_completeness.csv", "._a.csv"):
        (tmp_path / name).write_text("x_px,y_px\n")
    assert [path.name for path in table_files(tmp_path)] == ["a.csv"]
