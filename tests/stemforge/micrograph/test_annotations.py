"""Tables of objects: read, written, selected, refused."""

import numpy as np
import pytest

from stemforge import Annotations, AnnotationsError

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
        ("X;Y\n1;2\n", "expected columns"),
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
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(AnnotationsError, match=r"b\.csv: cannot be read"):
        Annotations.from_csv(tmp_path / "b.csv")


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
