"""The place of molecules in a real browser: before and after, channels, boxes, refusals, and the way to the atoms."""

import csv
import io

import numpy as np
import pytest

from stemforge.micrograph.writers import write_tiff

pytestmark = pytest.mark.browser
SIZES = [(1280, 720), (1024, 768), (1920, 1080), (820, 1180)]
SETTLED = "document.querySelector('#m-list button') && !document.querySelector('#m-list .waiting, #m-list .working')"
ANSWERED = "document.querySelectorAll('#m-groups .answer').length > 8"


def enter(hands):
    hands.page.click("#tab-molecules")
    hands.page.wait_for_selector("#m-start:not([hidden])")


def drop(hands, *files):
    hands.page.set_input_files("#m-files", [str(one) for one in files])
    hands.wait(SETTLED)


def answer(hands, name):
    return hands.page.locator(f"#m-groups [data-answer='{name}'] .value").inner_text()


def pixels(hands, share):
    """Return grey values of the canvas in a column at a share of its width."""
    return hands.page.evaluate(
        """(share) => {
          const canvas = document.querySelector('#m-canvas');
          const x = Math.floor(share * canvas.width);
          return [...canvas.getContext('2d').getImageData(x, 0, 1, canvas.height).data];
        }""",
        share,
    )


@pytest.mark.slow
def test_a_film_is_restored_and_its_channels_told(open_page, film, serious):
    hands = open_page()
    page = hands.page
    enter(hands)
    assert page.locator("#m-start h2").inner_text() == "Find molecules in iDPC images of zeolites"
    assert serious(page) == []
    drop(hands, film())
    hands.wait(ANSWERED)
    hands.wait("document.querySelector('#m-canvas').dataset.restored")
    assert not page.locator("#m-error").is_visible()
    filled, empty, left = (int(answer(hands, name)) for name in ("Filled", "Empty", "Open"))
    assert filled > 3
    assert page.locator("#m-list .state").inner_text() == f"{filled} channels filled"
    link = page.locator("#m-links a", has_text="Channels (CSV)").get_attribute("href")
    text = page.evaluate("path => fetch(path).then((one) => one.text())", link)
    states = [row["state"] for row in csv.DictReader(io.StringIO(text))]
    assert [states.count(one) for one in ("filled", "empty", "open")] == [filled, empty, left]

    # the divider: by keys, with the mouse, and from anywhere on the page
    page.keyboard.press("c")
    page.wait_for_timeout(200)
    before = pixels(hands, 0.4)
    page.focus("#m-divider")
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    assert page.get_attribute("#m-divider", "aria-valuetext") == "0 % as recorded, 100 % restored"
    assert pixels(hands, 0.4) != before
    for _ in range(5):
        page.keyboard.press(".")
    page.wait_for_timeout(200)
    assert page.get_attribute("#m-divider", "aria-valuenow") == "50"
    assert pixels(hands, 0.4) == before
    box, stage = page.locator("#m-divider span").bounding_box(), page.locator("#m-stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.2 * stage["width"], stage["y"] + 90, steps=4)
    page.mouse.up()
    assert page.get_attribute("#m-divider", "aria-valuenow") == "20"
    page.keyboard.press("c")

    # boxes: the slider shows fewer, and the table has what is shown
    page.click("#m-boxes")
    counts = []
    for value in ("1", "0"):
        page.locator("#m-threshold").fill(value)
        counts.append(int(answer(hands, "Boxes")))
        link = page.locator("#m-links a", has_text="Boxes (CSV)").get_attribute("href")
        text = page.evaluate("path => fetch(path).then((one) => one.text())", link)
        assert len(text.splitlines()) - 1 == counts[-1]
    assert counts[0] < counts[1]
    page.click("#m-suggested")

    # a channel says in words what it is
    shown = page.evaluate(
        "id => fetch(`/api/images/${id}/molecules`).then((one) => one.json())",
        page.evaluate("document.querySelector('#m-links a').href.split('/')[5]"),
    )["channels"]
    first = shown["state"].index("filled")
    rows, columns = 216, 240
    scale = min(stage["width"] / columns, stage["height"] / rows)
    left = stage["x"] + (stage["width"] - columns * scale) / 2
    top = stage["y"] + (stage["height"] - rows * scale) / 2
    page.mouse.move(left + (shown["x"][first] + 0.5) * scale, top + (shown["y"][first] + 0.5) * scale)
    assert page.locator("#tooltip").inner_text().startswith("filled · probability of a molecule ")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert serious(page) == []
    page.emulate_media(color_scheme="light")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for key, away in (
        ("Home", "before"),
        ("End", "after"),
    ):  # the handle stays, a side that is not shown has no label
        page.focus("#m-divider")
        page.keyboard.press(key)
        handle, stage = (page.locator(one).bounding_box() for one in ("#m-divider span", "#m-stage"))
        assert stage["x"] - 0.5 <= handle["x"]
        assert handle["x"] + handle["width"] <= stage["x"] + stage["width"] + 0.5
        assert [page.locator(f"#m-{one}").is_visible() for one in ("before", "after")] == [
            one != away for one in ("before", "after")
        ]

    # reloaded, all is as it was looked at; the sentence of a file that is no framework leaves it
    for _ in range(8):
        page.keyboard.press(",")
    page.locator("#m-threshold").fill("0.93")
    page.reload()
    hands.wait(ANSWERED)
    assert page.locator("#place-molecules").is_visible()
    assert page.get_attribute("#m-divider", "aria-valuenow") == "20"
    assert page.input_value("#m-threshold") == "0.93"
    assert page.get_attribute("#m-boxes", "aria-pressed") == "true"
    page.set_input_files("#m-cif", {"name": "a.cif", "mimeType": "text/plain", "buffer": b"data_x\n"})
    hands.wait("!document.querySelector('#m-framework-error').hidden")
    assert "got 'a.cif'" in page.locator("#m-framework-error").inner_text()
    assert page.locator("#m-framework").input_value() == "mfi"
    assert int(answer(hands, "Filled")) == filled


@pytest.mark.slow
def test_noise_has_no_channels_and_can_be_moved_to_the_atoms(open_page, tmp_path, serious):
    hands = open_page()
    page = hands.page
    enter(hands)
    path = tmp_path / "noise <b>.tif"
    write_tiff(path, np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32), None)
    drop(hands, path)
    assert page.locator("#m-name").inner_text() == "noise <b>.tif"
    assert (
        page.locator("#m-error")
        .inner_text()
        .startswith("noise <b>.tif: no lattice of the framework 'mfi' found")
    )
    assert page.locator("#m-list .state").inner_text() == "not usable"
    assert serious(page) == []
    page.fill("#m-pixel-size", "wide")
    page.click("#m-set-scale")
    assert "for example 0.025" in page.locator("#m-pixel-error").inner_text()
    page.click("#m-move")
    hands.wait("document.querySelector('#m-list').children.length === 0")
    assert page.locator("#m-start").is_visible()
    page.click("#tab-atoms")
    hands.wait("document.querySelector('#list .done, #list .failed')")
    assert page.locator("#name").inner_text() == "noise <b>.tif"
    page.click("#move-image")
    hands.wait("document.querySelector('#list').children.length === 0")
    page.click("#tab-molecules")
    hands.wait(SETTLED)
