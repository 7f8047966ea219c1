"""Small pictures on the contact sheet are those of the files as they are now; captions are lines."""

import numpy as np

from stemforge.evaluate.triage.result import OPEN, ImageTriage
from stemforge.evaluate.triage.sheet import ContactSheet
from stemforge.micrograph.writers import write_tiff


def shown(figure):
    """Mean of the one picture on a sheet; None without."""
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    return float(np.mean(pictures[0])) if pictures else None


def texts(figure):
    return [text.get_text() for text in figure.texts]


def ramp(level):
    return level + np.arange(64 * 64, dtype=np.float32).reshape(64, 64) / 4096


def test_a_file_that_changes_is_drawn_anew(tmp_path):
    path = tmp_path / "a.tif"
    one = ImageTriage("a.tif", str(path), verdict=OPEN)
    sheet = ContactSheet()
    assert shown(sheet.draw([one])) is None  # not there yet
    write_tiff(path, ramp(10), 0.3)
    first = sheet._picture(one)[0].image.mean()
    assert shown(sheet.draw([one])) is not None
    write_tiff(path, np.vstack([ramp(90)] * 2), 0.3)
    assert first < 20 < 80 < sheet._picture(one)[0].image.mean()
    assert sheet._picture(one) is sheet._picture(one)


def test_names_are_one_line(tmp_path):
    one = ImageTriage("two\nlines\t\x1b.tif", str(tmp_path / "gone.tif"), verdict=OPEN)
    assert r"two\nlines\t\x1b.tif" in texts(ContactSheet().draw([one]))
