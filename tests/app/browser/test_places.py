"""The places of the page: tabs in its head, the address that keeps the place, and what a place leaves alone."""

import json

import pytest

pytestmark = pytest.mark.browser
SHOWN = "[...document.querySelectorAll('.place')].filter((one) => !one.hidden).map((one) => one.id)"
TABS = "[...document.querySelectorAll('#places [role=tab]')].filter((one) => one.getClientRects().length)"
NAMES = f"{TABS}.map((one) => one.textContent)"


def offering(page, *names):
    """Have the server say that it offers these places alone, whatever it has."""

    def answer(route):
        response = route.fetch()
        session = response.json()
        others = [one for one in session["features"] if one not in {"molecules", "simulate", "live"}]
        route.fulfill(response=response, body=json.dumps({**session, "features": [*others, *names]}))

    page.route("**/api/session", answer)
    page.reload()
    page.wait_for_selector("main:not([hidden])")


def test_a_place_alone_has_no_tabs(open_page):
    hands = open_page()
    offering(hands.page)
    assert hands.page.evaluate(NAMES) == []
    assert hands.page.evaluate(SHOWN) == ["place-atoms"]


def test_keys_go_from_place_to_place_and_a_reload_keeps_it(open_page, spots):
    hands = open_page()
    offering(hands.page, "simulate")
    hands.drop(spots("a.tif"), spots("b.tif", seed=1))
    hands.page.click("#list li:last-child button")
    image = hands.chosen()
    assert hands.page.evaluate(NAMES) == ["Atoms", "Simulate"]
    assert hands.page.evaluate(f"{TABS}.map((one) => one.tabIndex)") == [0, -1]
    hands.page.focus("#tab-atoms")
    hands.page.keyboard.press("ArrowRight")
    assert hands.page.evaluate(SHOWN) == ["place-simulate"]
    assert hands.page.evaluate("document.activeElement.id") == "tab-simulate"
    assert hands.page.evaluate("location.hash") == "#simulate"
    assert not hands.page.is_visible("#add-images")
    hands.page.reload()
    hands.wait("document.body.dataset.place === 'simulate'")
    assert hands.page.evaluate(SHOWN) == ["place-simulate"]
    hands.page.click("#tab-atoms")
    assert hands.chosen() == image
    assert hands.page.inner_text("#name") == "b.tif"
    assert hands.page.is_visible("#canvas")
    hands.wait("!document.querySelector('#threshold').disabled")


def test_a_place_that_the_server_has_not_is_not_opened(open_page):
    hands = open_page()
    hands.page.evaluate("location.hash = '#live'")
    offering(hands.page, "simulate")
    assert hands.page.evaluate(SHOWN) == ["place-atoms"]
    assert hands.page.evaluate(NAMES) == ["Atoms", "Simulate"]


def test_keys_of_one_place_do_nothing_in_another(open_page, spots):
    hands = open_page()
    offering(hands.page, "simulate")
    hands.drop(spots())
    hands.threshold(0.9)
    hands.saved()
    hands.page.click("#tab-simulate")
    hands.page.keyboard.press("h")
    hands.page.keyboard.press("Control+z")
    hands.page.click("#tab-atoms")
    assert hands.page.get_attribute("#rings", "aria-pressed") == "true"
    assert hands.page.input_value("#threshold") == "0.9"
    hands.page.keyboard.press("h")
    assert hands.page.get_attribute("#rings", "aria-pressed") == "false"


DROP = """(bytes) => {
  const given = new DataTransfer();
  given.items.add(new File([new Uint8Array(bytes)], "dropped.tif"));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
}"""
PLACES_OF_IMAGES = """async () => {
  const session = await (await fetch("/api/session")).json();
  return session.images.map((image) => image.place);
}"""


@pytest.mark.parametrize("place", ["molecules", "atoms"])
def test_files_dropped_before_a_place_s_script_runs_go_to_that_place(open_page, spots, place):
    hands = open_page()
    page, kept = hands.page, []
    page.route("**/static/molecules.js", lambda route: kept.append(route))
    if place == "molecules":
        page.click("#tab-molecules")
        page.wait_for_timeout(300)
        assert len(kept) == 1
    page.evaluate(DROP, list(spots("dropped.tif", size=64).read_bytes()))
    page.wait_for_timeout(500)
    # Control: at the place of atoms, whose script runs, they are sent at once.
    assert page.evaluate(PLACES_OF_IMAGES) == ([] if place == "molecules" else ["atoms"])
    for route in kept:
        route.continue_()
    hands.wait(f"document.querySelector('{'#m-list' if place == 'molecules' else '#list'} li')")
    assert page.evaluate(PLACES_OF_IMAGES) == [place]
    assert page.evaluate(SHOWN) == [f"place-{place}"]


def test_files_dropped_on_a_place_without_images_go_to_the_atoms(open_page, spots):
    hands = open_page()
    hands.page.click("#tab-simulate")
    hands.page.evaluate(DROP, list(spots("dropped.tif", size=64).read_bytes()))
    hands.wait("document.querySelector('#list li')")
    assert hands.page.evaluate(PLACES_OF_IMAGES) == ["atoms"]
    assert hands.page.evaluate(SHOWN) == ["place-atoms"]
