"""Which image files are meant by files, folders and patterns."""

import json

import pytest

from stemforge.errors import InputError
from stemforge.micrograph.paths import find_images


@pytest.fixture
def names(tmp_path):
    """Function that makes files and returns the names of the images that paths mean."""

    def found(files, *paths):
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        return [
            path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path / one for one in paths])
        ]

    return found


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (["a"], ["a/1.tif", "a/2.DM4"]),
        (["b/3.tif", "a"], ["b/3.tif", "a/1.tif", "a/2.DM4"]),
        (["a/*.tif"], ["a/1.tif"]),
        (["?"], ["a/1.tif", "a/2.DM4", "b/3.tif"]),
        (["a/none.tif"], ["a/none.tif"]),
        (["a/none*.tif"], ["a/none*.tif"]),
        (["a/notes.txt"], ["a/notes.txt"]),  # who reads it says what is wrong with it
    ],
)
def test_files_folders_and_patterns(names, paths, wanted):
    files = ["a/2.DM4", "a/1.tif", "a/.hidden.tif", "a/notes.txt", "b/3.tif"]
    assert names(files, *paths) == wanted


def test_results_are_no_images(names, tmp_path):
    assert names(["a/1.tif", "a/1.png", "a/below.tif/x.tif"], "a") == ["a/1.png", "a/1.tif"]
    record = {"infer atoms": {"1": {"results": ["1.csv", "1.png"]}}}
    (tmp_path / "a" / "run.json").write_text(json.dumps(record))
    assert names([], "a") == ["a/1.tif"]
    (tmp_path / "a" / "1.tif").unlink()
    with pytest.raises(InputError, match="but results of stemforge"):
        names([], "a")
