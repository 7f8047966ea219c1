"""Who cannot use a mouse, or has a tablet or a small screen, can use the page, too; axe finds nothing serious."""

import pytest

pytestmark = pytest.mark.browser
SIZES = [(1280, 720), (1024, 768), (1920, 1080)]


def serious(page):
    """Return what axe finds that is serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        (one["id"], node["html"])
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_violation(open_page, spots, theme):
    hands = open_page(color_scheme=theme)
    assert serious(hands.page) == []
    hands.drop(spots())
    hands.tool("mask")
    assert serious(hands.page) == []
    hands.page.fill("#pixel-size", "wide")
    hands.page.click("#set-scale")
    if hands.page.locator("#results-button").is_visible():
        hands.page.click("#results-button")
    assert serious(hands.page) == []
    hands.page.keyboard.press("Escape")
    hands.page.click("#help-button")
    assert serious(hands.page) == []


def test_axe_does_find_something(open_page):
    """The control: a button without a name."""
    hands = open_page()
    hands.page.evaluate("document.querySelector('.buttons').append(document.createElement('button'))")
    assert [name for name, _ in serious(hands.page)] == ["button-name"]


def test_the_switch_goes_over_the_system(open_page):
    hands = open_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = hands.page.evaluate(ground)
    hands.page.click("#theme-button")
    light = hands.page.evaluate(ground)
    assert dark != light
    hands.page.reload()
    assert hands.page.evaluate(ground) == light


def test_an_atom_is_added_and_deleted_with_keys_alone(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    count = hands.count()
    keys = hands.page.keyboard
    for _ in range(40):
        keys.press("Tab")
        if hands.page.evaluate("document.activeElement.id") == "canvas":
            break
    assert hands.page.evaluate("document.activeElement.id") == "canvas"
    keys.press("a")
    for key in ("+",) * 9 + ("ArrowLeft",) * 30 + ("ArrowUp",) * 30 + ("Enter",):
        keys.press(key)
    assert hands.count() == count + 1
    keys.press("d")
    keys.press("Enter")
    assert hands.count() == count
    keys.press("Control+z")
    assert hands.count() == count + 1


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_all_controls_stand_in_the_window(open_page, spots, width, height):
    hands = open_page(width, height)
    hands.drop(spots())
    assert hands.page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() =>
      [...document.querySelectorAll('header button, .toolbar button, .below input, #canvas, #side button')]
      .filter((one) => one.getClientRects().length).filter((one) => {
        const box = one.getBoundingClientRect();
        return box.left < 0 || box.right > innerWidth || (!one.closest('#side') && box.bottom > innerHeight);
      }).map((one) => one.id || one.textContent)"""
    assert hands.page.evaluate(outside) == []
    box = hands.page.locator("#canvas").bounding_box()
    assert box["width"] > 0.45 * width
    assert box["height"] > 0.55 * height


def test_two_fingers_zoom_and_one_adds(open_page, spots):
    hands = open_page(1024, 768, has_touch=True)
    hands.drop(spots())
    count = hands.count()
    hands.tool("add")
    hands.page.touchscreen.tap(*hands.place(3, 3))
    assert hands.count() == count + 1
    bar = "document.querySelector('#scale-bar span').textContent"
    before = hands.page.evaluate(bar)
    x, y = hands.place(128, 128)
    client = hands.page.context.new_cdp_session(hands.page)
    for kind, gap in (("touchStart", 30), ("touchMove", 90), ("touchMove", 240), ("touchEnd", None)):
        points = [] if gap is None else [{"x": x - gap, "y": y, "id": 0}, {"x": x + gap, "y": y, "id": 1}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    hands.wait(f"{bar} !== '{before}'")
    assert hands.count() == count + 1
