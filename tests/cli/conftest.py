import numpy as np
import pytest
import tifffile
from PIL import Image

from stemforge.__main__ import main

SPOTS = [[20.0, 30.0], [44.5, 12.25], [50.0, 52.0]]


@pytest.fixture
def cli(capsys):
    """Run the command line in this process; return the exit code and everything it printed."""

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture
def refuse(cli):
    """Run a command that must be refused with exit code 2; every pattern must be in what it says."""

    def run(words, *patterns):
        code, printed = cli(*words)
        assert code == 2, printed
        assert "Traceback" not in printed
        for pattern in patterns:
            assert str(pattern) in printed, printed
        return printed

    return run


@pytest.fixture
def spots_image(blobs):
    """Three bright spots, 64 × 64 pixels."""
    return blobs(SPOTS, (64, 64))


@pytest.fixture
def write_image(tmp_path, spots_image):
    """Function that writes an image; the three spots by default."""

    def write(name="spots.tif", image=None, sampling=0.293):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = spots_image if image is None else np.asarray(image)
        if path.suffix == ".tif" and image.dtype != np.uint8:
            scale = (
                {} if sampling is None else {"resolution": (10 / sampling,) * 2, "metadata": {"unit": "nm"}}
            )
            tifffile.imwrite(path, image.astype("float32"), imagej=True, **scale)
        elif path.suffix == ".tif":
            tifffile.imwrite(path, image)
        else:
            Image.fromarray(image).save(path)
        return path

    return write


@pytest.fixture
def tree(tmp_path):
    """Function that lists every file and folder in the test's folder."""
    return lambda: sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
