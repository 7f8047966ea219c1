"""The place of a watched folder: images show their atoms as they are written; each opens in Atoms."""

import shutil
from urllib.parse import urlsplit

import pytest

from stemforge.train.weights import find_weights

pytestmark = pytest.mark.browser
STRIP = "[...document.querySelectorAll('#live-strip li')].map((one) => one.textContent)"
JUDGED = "document.querySelector('#live-verdict .badge') && !document.querySelector('#live-verdict').hidden"


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return tmp_path_factory.mktemp("microscope")


@pytest.fixture(scope="module")
def entrance(start_server, watched, tmp_path_factory):
    with start_server(tmp_path_factory.mktemp("live") / "kept", "--watch-folder", watched) as server:
        yield server.address


@pytest.fixture(scope="module")
def address(entrance):
    return f"http://{urlsplit(entrance).netloc}/"


@pytest.fixture
def written(watched, spots):
    """Function that writes an image into the watched folder, and returns its name."""

    def write(name, seed=0):
        shutil.copy(spots(f"seed{seed}-{name}", seed=seed), watched / name)
        return name

    yield write
    for path in watched.iterdir():
        path.unlink()


@pytest.fixture
def live(open_page):
    """Function that opens the place and begins to watch."""

    def open_one(**settings):
        hands = open_page(**settings)
        hands.page.click("#tab-live")
        hands.wait("document.querySelectorAll('#live-folder option').length")
        hands.page.click("#live-start")
        hands.wait("!document.querySelector('#live-stop').hidden")
        return hands

    return open_one


def shows(hands, name):
    """Wait until the newest image is this one, with its atoms."""
    hands.wait(f"document.querySelector('#live-name').textContent === '{name}'")
    image = "document.querySelector('#live-strip [data-image]').dataset.image"
    hands.wait(f"document.querySelector('#live-canvas').dataset.atoms === {image}")


def test_new_images_show_their_atoms_and_open_in_atoms(live, written, watched):
    hands = live()
    shows(hands, written("a.tif"))
    hands.wait(JUDGED)
    shows(hands, written("b.tif", seed=1))
    (watched / "bad.tif").write_bytes(b"II*\0 none")
    hands.wait("document.querySelector('#live-waiting').textContent.includes('bad.tif cannot be read yet')")
    hands.wait("document.querySelectorAll('#live-series circle').length >= 6")
    assert "Expected F1" in hands.page.locator("#live-answers").inner_text()
    count = int(hands.page.locator("#live-answers [data-answer=Atoms] .value").inner_text())
    assert count > 5
    hands.page.click("#live-strip li:first-child button")
    hands.wait("!document.querySelector('#threshold').disabled")
    assert hands.page.locator("#name").inner_text() == "b.tif"
    assert hands.count() == count
    assert hands.chosen() == hands.stored("")["id"]


def test_an_image_that_was_moved_is_named_and_opens_in_its_place(live, written):
    hands = live()
    page = hands.page
    shows(hands, written("e.tif"))
    shows(hands, written("f.tif", seed=1))
    page.click("#live-open")
    hands.wait("!document.querySelector('#threshold').disabled")
    image = hands.chosen()
    page.click("#move-image")
    hands.wait("!document.querySelector('#notice').hidden")
    assert page.inner_text("#notice span") == "f.tif is in Molecules now."
    page.click("#tab-live")
    hands.wait("document.querySelector('#live-name').textContent === 'e.tif'")
    hands.wait("!document.querySelector('#live-verdict').hidden")
    card = page.locator(f"#live-strip [data-image='{image}']")
    assert "in Molecules" in card.inner_text()
    assert "atoms" not in card.inner_text()
    assert "being judged" not in card.inner_text()
    card.click()
    hands.wait("document.body.dataset.place === 'molecules'")
    hands.wait("document.querySelector('#m-name').textContent === 'f.tif'")
    page.click("#tab-atoms")
    page.evaluate("id => { location.hash = id; }", image)  # as from a bookmark
    hands.wait("document.body.dataset.place === 'molecules'")
    page.click("#m-move")
    hands.wait("document.querySelector('#notice span').textContent === 'f.tif is in Atoms now.'")
    page.click("#notice-act")
    hands.wait("document.body.dataset.place === 'atoms'")
    assert page.inner_text("#name") == "f.tif"
    assert not page.is_visible("#notice")


def test_what_is_pressed_before_its_script_is_here_reloads_nothing(open_page, written):
    hands = open_page()
    page = hands.page
    held, begun = [], []
    page.route("**/static/live.js", lambda route: held.append(route))
    page.on("request", lambda one: begun.append(one.url) if one.method == "POST" else None)
    page.evaluate("window.opened = 'once'")
    for tab in ("live", "atoms", "live"):  # which starts it once, too
        page.click(f"#tab-{tab}")
    page.locator("#live-start").click(force=True, no_wait_after=True)
    page.wait_for_timeout(300)
    for route in held:
        route.continue_()
    page.click("#live-start")
    hands.wait("!document.querySelector('#live-stop').hidden")
    assert page.evaluate("window.opened") == "once"
    assert [one.rpartition("/api/")[2] for one in begun] == ["live"]
    page.click("#live-stop")


def test_the_watch_goes_on_without_the_page_and_others_see_nothing(live, open_page, written):
    hands = live()
    shows(hands, written("c.tif"))
    again = open_page(context=hands.page.context)
    hands.page.close()
    written("d.tif", seed=2)
    again.page.click("#tab-live")
    shows(again, "d.tif")
    assert again.page.evaluate("document.querySelector('#live-stop').hidden") is False
    other = open_page()
    other.page.click("#tab-live")
    other.wait("document.querySelector('#live-state').textContent === 'Not watching.'")
    assert other.page.evaluate(STRIP) == []
    again.page.click("#live-stop")
    again.wait("!document.querySelector('#live-start').hidden")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_violation(live, written, watched, serious, theme):
    hands = live(color_scheme=theme)
    assert serious(hands.page) == []
    shows(hands, written(f"{theme}.tif"))
    shows(hands, written(f"{theme}2.tif", seed=1))
    (watched / "bad.tif").write_bytes(b"II*\0 none")
    hands.wait("!document.querySelector('#live-waiting').hidden")
    hands.wait(JUDGED)
    assert serious(hands.page) == []
    hands.page.click("#live-open")
    hands.wait("document.querySelectorAll('#quality-answers .answer').length")
    assert serious(hands.page) == []


def test_files_that_are_waited_for_are_named_as_far_as_there_is_room(live, watched, written):
    hands = live()
    for number in range(7):
        (watched / f"bad{number}.tif").write_bytes(b"II*\0 none")
    hands.wait("document.querySelector('#live-waiting').textContent.includes('and 4 more')")
    box = hands.page.evaluate(
        "(({ scrollHeight, clientHeight }) => [scrollHeight, clientHeight])(document.querySelector('#live-waiting'))"
    )
    assert box[0] <= box[1]
    assert hands.page.locator("#live-canvas").bounding_box()["height"] > 0.3 * 720


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (820, 1180)])
def test_it_fits_into_the_window(live, written, width, height):
    hands = live(width=width, height=height)
    shows(hands, written(f"{width}.tif"))
    assert hands.page.evaluate("document.documentElement.scrollWidth") <= width
    box = hands.page.locator("#live-canvas").bounding_box()
    assert box["width"] > 0.45 * width
    assert box["height"] > 0.4 * height


def test_the_recording_is_told_beside_the_answers(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    hands.wait("document.querySelectorAll('#quality-answers .answer').length > 5")
    assert hands.page.locator("#quality-verdict .badge").inner_text().strip()
    card = hands.page.locator("#quality-answers [data-answer='Lines jitter by']")
    assert "drift" in card.get_attribute("data-explains")
    assert hands.page.locator("#quality-answers [data-answer=Electrons] small").inner_text() == "/ Å²"


def test_weights_of_the_users_are_chosen_or_refused(open_page, spots, tmp_path):
    hands = open_page()
    hands.drop(spots())
    bad, good = tmp_path / "bad.safetensors", tmp_path / "mine.safetensors"
    bad.write_bytes(b"PK\3\4 no weights")
    shutil.copy(find_weights("atom-net"), good)
    hands.page.set_input_files("#weights-file", str(bad))
    hands.wait("document.querySelector('#weights-error').textContent.includes('no safetensors file')")
    hands.page.set_input_files("#weights-file", str(good))
    hands.wait("document.querySelector('#weights-state').textContent.includes('can be chosen now')")
    hands.wait("document.querySelector('#detector').selectedOptions[0]?.label === 'mine.safetensors'")
    hands.wait("document.querySelector('#list .done') && !document.querySelector('#threshold').disabled")
    assert hands.stored("")["detector"].startswith("weights:")
    # An image uses them: they stay, and it says why. With another detector they go.
    hands.page.click("#weights-list button")
    hands.wait("document.querySelector('#weights-error').textContent.includes('Images use this detector')")
    with hands.page.expect_response(lambda answer: answer.request.method == "PATCH"):
        hands.page.select_option("#detector", "any-atom")
    hands.page.click("#weights-list button")
    hands.wait("document.querySelector('#weights-state').textContent === 'mine.safetensors is removed.'")
    hands.wait("document.querySelectorAll('#weights-list li').length === 0")
    assert "mine.safetensors" not in hands.page.locator("#detector option").all_inner_texts()
