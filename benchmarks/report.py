"""How large a report is and how fast a browser opens it, and the picture of one in the documents. Needs Chromium.

python benchmarks/report.py opens report/report.html               # five times: size, ms until all is loaded, requests
python benchmarks/report.py picture --out docs/images/report.png   # of five simulated images
python benchmarks/report.py density                                # what its interval of the density holds
"""

import json
import re
import shutil
import subprocess
import tempfile
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from cyclopts import App
from PIL import Image

from stemforge.console import say
from stemforge.evaluate import Count, pooled_density, report_files
from stemforge.evaluate.reports.files import PAGE
from stemforge.evaluate.statistics.files import Analysis
from stemforge.files import write_png
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder
from stemforge.simulate import SimulationRecipe, record, simulate_sample

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ITS_MAKERS = ("google.com", "googleapis.com", "gvt1.com")  # whom it asks, whatever it opens
TIMES = """<script>addEventListener("load", () => {
  document.documentElement.dataset.found = JSON.stringify({
    load: performance.now(), pictures: document.images.length + document.querySelectorAll("svg image").length });
});</script>"""
app = App()


def browse(page: Path, folder: Path, *words: str) -> tuple[str, list[str]]:
    """Open a page without a window; return what was printed, and the addresses it asked for."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"needs one of {', '.join(BROWSERS)}")
    log = folder / "net.json"
    command = [
        browser,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--hide-scrollbars",
    ]
    command += [
        f"--user-data-dir={folder / 'user'}",
        f"--log-net-log={log}",
        *words,
        page.absolute().as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    asked = set(re.findall(r'"url":"(https?://[^"]*)"', log.read_text(encoding="utf-8")))
    return done.stdout, sorted(one for one in asked if not one.split("/")[2].endswith(ITS_MAKERS))


@app.command
def opens(page: Path, *, times: int = 5) -> None:
    """Open a report several times; print its size, time until it is loaded [ms], and whom it asked for something."""
    found: list[dict[str, float]] = []
    asked: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / PAGE
        copy.write_text(
            page.read_text(encoding="utf-8").replace("</body>", f"{TIMES}</body>"), encoding="utf-8"
        )
        for _ in range(times):
            printed, requests = browse(copy, folder, "--dump-dom")
            match = re.search(r'data-found="([^"]*)"', printed)
            assert match is not None
            found.append(json.loads(unescape(match[1])))
            asked |= set(requests)
    result: dict[str, Any] = {"MB": round(page.stat().st_size / 1e6, 2), "requests": sorted(asked)}
    result |= {name: [round(one[name]) for one in found] for name in ("load", "pictures")}
    say(json.dumps(result))


@app.command
def picture(
    *, out: Path = Path("docs/images/report.png"), number: int = 5, seed: int = 1, height: int = 1215
) -> None:
    """Simulate images, make their report, and take a picture of its top in the light."""
    recipe = SimulationRecipe.load("pt-nc", {"seed": seed})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = folder / "Pt on carbon, simulated"
        images.mkdir()
        for index in range(number):
            sample = simulate_sample(recipe, index)
            image = record(sample, recipe.degradation, np.random.default_rng([seed, index])).image[0]
            write_tiff(images / f"simulated-{index + 1}.tif", image, sample.sampling)
        result = ResultFolder(folder / "report")
        report_files([images], result, analysis=Analysis(element="Pt", simulations=199), quiet=True)
        shot = folder / "shot.png"
        browse(result.path / PAGE, folder, f"--window-size=1280,{height}", f"--screenshot={shot}")
        with Image.open(shot) as whole:
            write_png(
                whole.convert("RGB").quantize(
                    256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
                ),
                out,
            )
    say(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


@app.command
def density(*, sets: int = 2000, true: float = 0.22) -> None:
    """Print how often the interval holds the true density, of images that differ by counting alone and by 30 %."""
    rng, held = np.random.default_rng(0), {}
    for spread in (0.0, 0.3):
        for images in (1, 2, 5, 11, 20):
            hits = 0
            for _ in range(sets):
                area = rng.uniform(100, 220, images)
                factor = rng.gamma(spread**-2, spread**2, images) if spread else np.ones(images)
                atoms = rng.poisson(true * factor * area)
                _, low, high = pooled_density(
                    [Count("", int(n), a) for n, a in zip(atoms, area, strict=True)]
                )
                hits += low <= true <= high
            held[f"{images} images, {100 * spread:.0f} %"] = round(hits / sets, 3)
    say(json.dumps(held))


if __name__ == "__main__":
    app()
