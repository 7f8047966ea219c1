"""Which files are looked at, and when a file that is being written is ready."""

from pathlib import Path

import pytest

from stemforge.errors import InputError
from stemforge.evaluate.triage import folders
from stemforge.evaluate.triage.examiners import Examination
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


def test_names_of_folders_of_one_name_differ(tmp_path):
    for day in ("mon", "tue"):
        touch(tmp_path / day / "data" / "a.tif")
    pair = [tmp_path / day / "data" for day in ("mon", "tue")]
    assert [file.name for file in image_files(pair)] == ["mon/data/a.tif", "tue/data/a.tif"]
    single = [folder / "a.tif" for folder in pair]
    assert [file.name for file in image_files(single)] == ["mon/data/a.tif", "tue/data/a.tif"]


def test_what_cannot_be_opened_is_not_passed_over(tmp_path, monkeypatch):
    touch(tmp_path / "a.tif"), touch(tmp_path / "closed" / "b.tif")
    (tmp_path / "good.tif").symlink_to(tmp_path / "a.tif")
    (tmp_path / "lost.tif").symlink_to(tmp_path / "nothing.tif")
    original = folders.os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(folders.os, "scandir", scandir)
    why = {file.name: file.unreachable for file in image_files([tmp_path])}
    assert why == {
        "a.tif": "",
        "good.tif": "",
        "lost.tif": "link to nothing",
        "closed": "the folder cannot be opened",
    }
    lost = next(file for file in image_files([tmp_path]) if file.name == "lost.tif")
    (row,) = Examination().examine(lost, (None, None))
    assert row.words == "cannot be read: link to nothing"


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
