"""A page in a real browser: it opens fast, asks nobody for anything, and what can be pressed works."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from stemforge.evaluate import Report, Window
from stemforge.evaluate.reports.methods import describe_methods
from stemforge.evaluate.reports.overlay import draw_overlay
from stemforge.evaluate.reports.page import PageTable
from stemforge.evaluate.statistics.reading import FoundAtoms
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium here: it opens the page"),
]

# What the browser itself looks for, whatever it opens.
ITS_MAKERS = ("google.com", "googleapis.com", "gvt1.com")
# What a reader does, in the page; its results stand in the page's title.
PRESS = """
<script>
addEventListener("load", () => {
  const found = { loaded: performance.now() };
  const frame = document.querySelector(".view"), svg = frame.querySelector("svg");
  const box = () => svg.getAttribute("viewBox").split(" ").map(Number);
  const at = { clientX: frame.getBoundingClientRect().left + frame.clientWidth / 4,
               clientY: frame.getBoundingClientRect().top + frame.clientHeight / 4, bubbles: true, cancelable: true };
  frame.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY: -500 }));
  found.unchosen = box();
  frame.focus();
  frame.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY: -500 }));
  found.zoomed = box();
  const pointer = (name, x, id = 1) => frame.dispatchEvent(
    new PointerEvent(name, { ...at, clientX: at.clientX + x, pointerId: id }));
  frame.setPointerCapture = () => {};
  pointer("pointerdown", 0); pointer("pointermove", -20); pointer("pointerup", -20);
  found.dragged = box();
  frame.dispatchEvent(new MouseEvent("dblclick", at));
  found.back = box();
  pointer("pointerdown", -20, 1); pointer("pointerdown", 20, 2); pointer("pointermove", 60, 2);
  pointer("pointerup", -20, 1); pointer("pointerup", 60, 2);
  found.pinched = box();
  const circle = svg.querySelector("circle");
  circle.dispatchEvent(new PointerEvent("pointermove", { ...at, pointerId: 3 }));
  found.tooltip = document.getElementById("tooltip").textContent;
  const slider = document.getElementById("likelihood");
  slider.value = 0.8; slider.dispatchEvent(new Event("input"));
  found.shown = document.getElementById("shown").textContent;
  const names = () => [...document.querySelectorAll("#table tbody tr")].map((row) => row.cells[0].textContent);
  const header = document.querySelectorAll("#table th button");
  header[1].click(); found.up = names(); header[1].click(); found.down = names();
  found.copies = !document.querySelector(".copy").hidden;
  frame.querySelector(".enlarge").click(); found.large = frame.parentElement.classList.contains("large");
  found.requests = performance.getEntriesByType("resource").length;
  document.documentElement.dataset.found = JSON.stringify(found);
});
</script>
"""


def _report(images):
    rng = np.random.default_rng(0)
    report = Report("simulated", f"{images} images")
    report.answer("Atoms", "1", "")
    for index in range(images):
        micrograph = Micrograph(rng.normal(size=(512, 512)), 0.3, "HAADF", str(index))
        atoms = Annotations(rng.uniform(0, 511, (60, 2)), columns={"score": np.linspace(0.3, 1, 60)})
        found = FoundAtoms(Path(f"{index}.csv"), atoms, Window.frame((512, 512), 0.3), micrograph)
        report.overlays.append(draw_overlay(found, 450_000))
    report.table = PageTable(["image", "atoms"], [["a", 10], ["b", 9], ["c", 100]])
    report.methods = describe_methods([{}], [0.3], None, masks=False, element=None, unit="nm²")
    return report


def _browse(folder, html, *words):
    """Open a page; return what the browser printed and the addresses it asked for."""
    (folder / "page.html").write_text(html, encoding="utf-8")
    log = folder / "net.json"
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={folder / 'user'}",
    ]
    command += [f"--log-net-log={log}", *words, (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    asked = set(re.findall(r'"url":"(https?://[^"]*)"', log.read_text(encoding="utf-8")))
    return done, {one for one in asked if not one.split("/")[2].endswith(ITS_MAKERS)}


def test_twenty_images_open_fast_and_ask_nobody(tmp_path):
    report = _report(20)
    report.note("see https://example.org/picture.png")
    html = report.html()
    assert len(html) < 15e6
    done, asked = _browse(tmp_path, html.replace("</body>", PRESS + "</body>"), "--dump-dom")
    assert not asked
    found = json.loads(unescape(re.search(r'data-found="([^"]*)"', done.stdout)[1]))
    assert found["requests"] <= 20  # its pictures, all in the page
    assert found["loaded"] < 2000
    assert found["unchosen"] == [0, 0, 512, 512]
    x, y, width, _ = found["zoomed"]
    assert width < 256
    assert x + width / 4 == pytest.approx(128, abs=1)
    assert found["dragged"][0] > x
    assert found["dragged"][1] == pytest.approx(y, abs=0.5)
    assert found["back"] == [0, 0, 512, 512]
    assert found["pinched"][2] == pytest.approx(256, rel=0.02)
    assert found["tooltip"].startswith("likelihood 0.30 · x ")
    assert found["shown"] == "360 of 1200 atoms"
    assert found["up"] == ["b", "a", "c"]
    assert found["down"] == ["c", "a", "b"]
    assert found["copies"]
    assert found["large"]


def test_the_policy_would_stop_a_request(tmp_path):
    """The control: a picture from elsewhere that got into a page is not asked for, and is where there is no policy."""
    html = _report(1).html()
    bad = html.replace("</main>", '<img src="http://127.0.0.1:59999/x.png"></main>')
    assert not [one for one in _browse(tmp_path, bad, "--dump-dom")[1] if "127.0.0.1:59999" in one]
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", bad)
    assert [one for one in _browse(tmp_path, free, "--dump-dom")[1] if "127.0.0.1:59999" in one]
