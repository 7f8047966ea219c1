"""The panel in napari, for the documents: a simulated image, its atoms, two corrections, and a picture of the window.

Needs napari with Qt, and a screen or a virtual one (Xvfb).

python benchmarks/napari_panel.py                        # what the panel says after each action
python benchmarks/napari_panel.py --pictures docs/images # and napari-panel.png
"""

import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from cyclopts import App
from PIL import Image
from qtpy.QtWidgets import QApplication

from stemforge.app.analysis.samples import write_atoms
from stemforge.app.napari.panel import AtomPanel
from stemforge.console import say
from stemforge.micrograph.readers import read_micrograph

app = App()


def wait(ready: Callable[[], bool], longest: float = 120) -> None:
    """Let the window work until something is ready, for so many seconds at most."""
    end = time.monotonic() + longest
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came within {longest} s")
        QApplication.processEvents()
        time.sleep(0.01)


def rest(seconds: float = 0.5) -> None:
    """Let the window draw."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def words(panel: AtomPanel) -> str:
    """Return what the panel says, without its format."""
    return re.sub(r"(<[^>]*>)+", " | ", panel.words.text()).strip(" |")


@app.default
def walk(pictures: Path | None = None) -> None:
    """Find atoms, correct them, score them again.

    Parameters
    ----------
    pictures
        Folder for the picture; without it none is made.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_atoms(0, f"{folder}/sample.tif")
        sample = read_micrograph(f"{folder}/sample.tif")
    viewer = napari.Viewer(show=False, title="napari")
    length = sample.sampling / 10
    viewer.add_image(sample.image, name="sample", scale=(length, length), units=("nm", "nm"))
    viewer.scale_bar.visible = True
    panel = AtomPanel(viewer)
    viewer.window.add_dock_widget(panel, name="Find atoms (stemforge)")
    viewer.window.show()
    viewer.window.resize(1200, 720)
    rest()
    start = time.monotonic()
    panel.search.click()
    wait(lambda: panel.search.isEnabled())
    say(f"{time.monotonic() - start:.1f} s: {words(panel)}")
    points = viewer.layers[-1]
    points.selected_data = {len(points.data) - 1}  # the least likely one
    points.remove_selected()
    # One that the threshold leaves out, and one where nothing is.
    below = panel.found.candidates.detection.atoms
    missed = below.points[np.flatnonzero(below["score"] < panel.found.threshold)[0]]
    points.add([missed[::-1] + 0.5, [40.0, 60.0]])
    rest()
    say(words(panel))
    panel.score.click()
    viewer.reset_view()
    rest()
    say(words(panel))
    if pictures is not None:
        # Noise of the image makes a large file; fewer greys do, with the colours of the rings.
        shot = Image.fromarray(viewer.screenshot(canvas_only=False)[..., :3])
        few = shot.quantize(96, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(pictures / "napari-panel.png", optimize=True)
    viewer.close()


if __name__ == "__main__":
    app()
