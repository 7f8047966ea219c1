"""The place where images are simulated: sliders, the image, the structure in space."""

import pytest
import tifffile

pytestmark = pytest.mark.browser
IMAGES = "Number(document.querySelector('#sim-image').dataset.images ?? 0)"
DRAWN = "Number(document.querySelector('#sim-structure').dataset.drawn ?? 0)"
# Pixels stay in the page, as copies by name: there are too many to send them here.
COPY = """([id, name]) => {
  const canvas = document.querySelector(id);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  (window.copies ??= {})[name] = data;
}"""
DIFFERENT = """([one, other]) => {
  const a = window.copies[one], b = window.copies[other];
  let differ = 0;
  for (let at = 0; at < a.length; at += 4) {
    differ += a[at] !== b[at] || a[at + 1] !== b[at + 1] || a[at + 2] !== b[at + 2];
  }
  return a.length === b.length ? differ / (a.length / 4) : 1;
}"""
ABOVE = """([one, level]) => window.copies[one].filter((value, at) => at % 4 === 0 && value > level).length"""


def copy(hands, which, name):
    """Keep the pixels of a canvas."""
    hands.page.evaluate(COPY, [which, name])


def different(hands, one, other):
    """Share of pixels in which two copies differ."""
    return hands.page.evaluate(DIFFERENT, [one, other])


def above(hands, name, level):
    """How many pixels of a copy are redder than that."""
    return hands.page.evaluate(ABOVE, [name, level])


def slider(hands, name):
    return hands.page.locator(f".control:not([hidden]) [data-name='{name}']")


@pytest.fixture
def place(open_page):
    """Function that opens the place with a sheet of graphene on it, which is simulated in a blink."""

    def opened(*size, **settings):
        hands = open_page(*size, **settings)
        hands.page.click("#tab-simulate")
        hands.wait(f"{IMAGES} > 0 && {DRAWN} > 0")
        drawn = hands.page.evaluate(DRAWN)
        hands.page.select_option("#sim-support", "graphene")
        hands.wait(f"{DRAWN} > {drawn} && document.querySelector('#sim-legend').textContent.includes('C 1')")
        return hands

    return opened


def moved(hands, act):
    """Do something, and wait for the image that follows from it."""
    before = hands.page.evaluate(IMAGES)
    act()
    hands.wait(f"{IMAGES} > {before} && document.querySelector('#sim-status').hidden")


def test_a_slider_makes_another_image(place):
    hands = place()
    for name in ("dose", "microscope.defocus", "seed"):
        copy(hands, "#sim-image", "before")
        moved(hands, lambda name=name: slider(hands, name).press("PageUp"))
        copy(hands, "#sim-image", "after")
        assert different(hands, "before", "after") > 0.2, name
    hands.page.click("#sim-labels")
    hands.page.click("#sim-side")
    copy(hands, "#sim-image", "same")
    assert different(hands, "after", "same") == 0  # the control: what changes no setting


def test_true_atoms_are_shown_and_hidden(place):
    hands = place()
    copy(hands, "#sim-rings", "shown")
    assert above(hands, "shown", 60) > 300
    hands.page.click("#sim-labels")
    assert hands.page.get_attribute("#sim-labels", "aria-pressed") == "false"
    copy(hands, "#sim-rings", "hidden")
    assert above(hands, "hidden", 0) == 0


def test_the_structure_turns_with_keys_and_the_mouse(place):
    hands = place()
    page = hands.page
    copy(hands, "#sim-structure", "0")
    bright = above(hands, "0", 60)
    assert bright > 1000  # atoms, not the ground alone
    box = page.locator("#sim-structure").bounding_box()

    def drag():
        page.mouse.move(box["x"] + 100, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 180, box["y"] + 130, steps=4)
        page.mouse.up()

    page.focus("#sim-structure")
    acts = [lambda key=key: page.keyboard.press(key) for key in ("ArrowLeft", "ArrowUp", "+", "b")]
    for number, act in enumerate([*acts, drag, lambda: page.click("#sim-hide")], start=1):
        drawn = page.evaluate(DRAWN)
        act()
        hands.wait(f"{DRAWN} > {drawn}")
        page.wait_for_timeout(100)
        copy(hands, "#sim-structure", f"{number}")
        assert different(hands, f"{number - 1}", f"{number}") > 0.005, number
    assert above(hands, "6", 60) < above(hands, "5", 60)  # single atoms alone


def test_of_many_movements_the_last_is_shown_and_few_are_asked_for(place):
    hands = place()
    count = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/api/simulation')).length"
    before = hands.page.evaluate(count)
    hands.page.evaluate("""() => {
      const slider = document.querySelector(".control:not([hidden]) [data-name='microscope.defocus']");
      for (let at = 1; at <= 30; at += 1) { slider.value = String(at / 2); slider.dispatchEvent(new Event("input")); }
    }""")
    hands.wait("document.querySelector('#sim-status').hidden")
    hands.page.wait_for_timeout(600)
    hands.wait("document.querySelector('#sim-status').hidden")
    assert hands.page.evaluate(count) - before == 2  # the first, and the newest of those that came meanwhile
    copy(hands, "#sim-image", "last")
    moved(hands, lambda: slider(hands, "microscope.defocus").fill("14.5"))
    moved(hands, lambda: slider(hands, "microscope.defocus").fill("15"))
    copy(hands, "#sim-image", "again")
    assert different(hands, "last", "again") == 0


def test_the_image_is_taken_to_atoms_and_files_are_downloaded(place, tmp_path):
    hands = place()
    with hands.page.expect_download() as downloading:
        hands.page.click("#sim-tif")
    path = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(path)
    assert path.name == "pt-graphene-0.tif"
    assert tifffile.imread(path).shape == (256, 256)
    hands.page.click("#sim-use")
    hands.wait("document.body.dataset.place === 'atoms' && !document.querySelector('#threshold').disabled")
    assert hands.page.inner_text("#name") == "simulated-pt-graphene-0.tif"
    assert hands.page.input_value("#pixel-size") == "0.02"
    assert hands.count() >= 5  # of about 16 bright atoms
    hands.page.click("#tab-simulate")
    assert hands.page.is_visible("#sim-image")


def test_a_refusal_is_a_sentence_and_the_next_movement_is_served(place):
    hands = place()
    hands.page.select_option("#sim-support", "carbon")
    for name, end in (("size", "1"), ("sampling", "0.05"), ("thickness", "60")):
        slider(hands, name).fill(end)
    hands.wait("!document.querySelector('#sim-error').hidden")
    assert "million atoms" in hands.page.inner_text("#sim-error")
    moved(hands, lambda: hands.page.click("#sim-reset"))
    hands.wait("document.querySelector('#sim-error').hidden")


def test_a_reload_keeps_what_was_set(place):
    hands = place()
    page = hands.page
    moved(hands, lambda: slider(hands, "dose").press("PageUp"))
    moved(hands, lambda: slider(hands, "layers").fill("2"))
    moved(hands, lambda: page.select_option("#sim-element", "Ir"))
    moved(hands, lambda: page.select_option("#sim-element", ""))
    page.click("#sim-labels")
    copy(hands, "#sim-image", "before")
    page.evaluate("sessionStorage.setItem('copy', [...window.copies.before].join())")
    dose = slider(hands, "dose").input_value()
    page.reload()
    hands.wait(f"{IMAGES} > 0")
    page.evaluate("window.copies = { before: sessionStorage.getItem('copy').split(',').map(Number) }")
    copy(hands, "#sim-image", "after")
    assert different(hands, "before", "after") == 0
    assert slider(hands, "dose").input_value() == dose
    assert page.input_value("#sim-element") == ""
    assert page.get_attribute("#sim-labels", "aria-pressed") == "false"
    moved(hands, lambda: page.click("#sim-reset"))
    page.reload()
    hands.wait(f"{IMAGES} > 0")
    assert slider(hands, "dose").input_value() != dose
    assert page.input_value("#sim-support") == "graphene"


def test_a_crystal_waits_for_its_button(place):
    hands = place()
    before = hands.page.evaluate(IMAGES)
    hands.page.select_option("#sim-support", "mgo:001")
    slider(hands, "thickness").press("ArrowRight")
    assert hands.page.is_visible("#sim-run")
    assert "Press Simulate" in hands.page.inner_text("#sim-status")
    hands.page.wait_for_timeout(500)
    assert hands.page.evaluate(IMAGES) == before


def test_an_earlier_image_leaves_a_crystal_its_sentence_and_its_structure(place):
    hands = place()
    page = hands.page
    held, structures = [], []
    page.on(
        "request",
        lambda one: structures.append(one.post_data_json["support"]) if "structure" in one.url else None,
    )
    page.route("**/api/simulation", lambda route: held.append(route))
    before = page.evaluate(IMAGES)
    page.select_option("#sim-support", "hbn")
    hands.wait("document.querySelector('#sim-status').textContent.startsWith('Simulating')")
    page.select_option("#sim-support", "mgo:001")
    early = held.pop()
    answer = early.fetch()
    early.fulfill(response=answer)
    hands.wait(f"{IMAGES} > {before} && !document.querySelector('#sim-run').disabled")
    page.wait_for_timeout(300)
    assert "Press Simulate" in page.inner_text("#sim-status")
    assert page.is_visible("#simulation.stale")
    page.click("#sim-run")
    while not held:
        page.wait_for_timeout(50)
    held.pop().fulfill(response=answer)  # half a minute is saved
    hands.wait(f"{IMAGES} > {before + 1} && document.querySelector('#sim-status').hidden")
    assert structures == ["hbn", "mgo:001"]
    assert not page.is_visible("#simulation.stale")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_violation(place, theme, serious):
    hands = place(color_scheme=theme)
    assert serious(hands.page) == []
    hands.page.click("#help-button")
    assert serious(hands.page) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1600, 1000), (820, 1180)])
def test_image_structure_and_controls_stand_in_the_window(place, width, height):
    hands = place(width, height)
    assert hands.page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [hands.page.locator(one).bounding_box() for one in ("#sim-image", "#sim-structure")]
    for box in boxes:
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
        assert box["width"] == pytest.approx(box["height"], abs=1)
        assert box["width"] > 0.28 * width
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
