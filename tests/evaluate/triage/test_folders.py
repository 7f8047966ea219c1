"""Which files are looked at, and when a file that is being written is ready."""

from pathlib import Path

import pytest

from stemforge.errors import InputError
from stemforge.evaluate.triage import folders
from stemforge.evaluate.triage.folders import ImageFile, SettledFiles, check_folders, image_files


def touch(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_images_below_but_no_results(tmp_path):
    for name in (
        "b.tif",
        "a/c.DM4",
        "a/notes.txt",
        ".hidden.tif",
        ".cache/d.tif",
        "found/e.png",
        "found/run.json",
    ):
        touch(tmp_path / name)
    touch(tmp_path / "x.emi"), touch(tmp_path / "x_1.ser"), touch(tmp_path / "y_1.ser")
    assert [file.name for file in image_files([tmp_path])] == ["b.tif", "x.emi", "y_1.ser", "a/c.DM4"]
    file = next(image_files([tmp_path / "b.tif"]))
    assert (file.name, file.path) == ("b.tif", tmp_path / "b.tif")


def test_names_of_several_folders_differ(tmp_path):
    touch(tmp_path / "one" / "a.tif"), touch(tmp_path / "two" / "a.tif")
    names = [file.name for file in image_files([tmp_path / "one", tmp_path / "two"])]
    assert names == ["one/a.tif", "two/a.tif"]


def test_folders_are_checked(tmp_path):
    touch(tmp_path / "one" / "a.tif")
    check_folders([tmp_path / "one"])
    with pytest.raises(InputError, match="no such folder"):
        check_folders([tmp_path / "none"])
    for pair in ([tmp_path, tmp_path / "one"], [tmp_path / "one", tmp_path], [tmp_path, tmp_path]):
        with pytest.raises(InputError, match="twice"):
            check_folders(pair)


def test_a_file_is_ready_when_it_no_longer_changes(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(folders.time, "monotonic", lambda: now[0])
    settled = SettledFiles(settle=2.0, patience=20.0)
    growing, whole = (ImageFile(Path("/a.tif"), "a.tif", stamp) for stamp in ("1-1", "2-2"))
    assert settled.ready([growing]) == []
    now[0] += 3
    assert settled.ready([whole]) == []  # it grew
    now[0] += 1.5
    assert settled.ready([whole]) == []
    now[0] += 1
    assert settled.ready([whole]) == [whole]
    # It cannot be read: later again, after twice as long, until patience ends.
    assert settled.try_again(whole)
    assert settled.ready([whole]) == []
    now[0] += 2.1
    assert settled.ready([whole]) == [whole]
    assert settled.try_again(whole)
    now[0] += 3
    assert settled.ready([whole]) == []
    now[0] += 15
    assert settled.ready([whole]) == [whole]
    assert not settled.try_again(whole)
    # What is written on begins anew.
    more = ImageFile(Path("/a.tif"), "a.tif", "3-3")
    assert settled.ready([more]) == []
    now[0] += 2.1
    assert settled.ready([more]) == [more]
