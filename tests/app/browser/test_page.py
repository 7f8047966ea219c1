"""The page in a real browser: first screen, atoms, hand edits, and that they stay."""

import csv
import zipfile

import pytest

pytestmark = pytest.mark.browser


def test_the_first_page_asks_for_images(open_page):
    hands = open_page()
    assert hands.page.locator("#drop").is_visible()
    assert not hands.page.locator("#work").is_visible()
    assert hands.page.locator("h2").first.inner_text() == "Find single atoms in your STEM images"


def test_the_sample_shows_atoms(open_page):
    hands = open_page()
    hands.page.click("#sample")
    hands.wait("document.querySelector('#list .done')")
    hands.wait("!document.querySelector('#threshold').disabled")
    assert hands.count() > 5
    assert not hands.page.locator("#start").is_visible()


def test_a_first_time_user_corrects_an_image(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    found = hands.count()
    assert found > 10
    assert hands.page.locator("#list .state").inner_text() == f"{found} atoms"

    # the pixel size, mended
    hands.page.fill("#pixel-size", "0,031")
    hands.page.press("#pixel-size", "Enter")
    hands.wait("document.querySelector('#about').textContent.match(/7\\.94\\s×\\s7\\.94\\snm/)")
    hands.wait("!document.querySelector('#threshold').disabled")
    assert hands.stored("")["sampling"] == pytest.approx(0.31)
    assert hands.page.locator("#pixel-source").inner_text() == "as you set it"

    # two atoms deleted, one added where none is, and the last step back and forth
    before = hands.count()
    hands.wait("document.querySelector('#answers [data-answer=Density]')")
    density = hands.answer("Density")
    atoms = hands.stored()
    shown = [
        k for k, likelihood in enumerate(atoms["likelihood"]) if likelihood >= atoms["edits"]["threshold"]
    ]
    hands.tool("delete")
    for k in shown[:2]:
        hands.click(atoms["x"][k], atoms["y"][k])
    assert hands.count() == before - 2
    hands.saved()
    hands.wait("!document.querySelector('#answers').classList.contains('old')")
    hands.wait(f"document.querySelector('#answers [data-answer=Density] .value').innerText !== '{density}'")
    hands.tool("add")
    hands.click(*(corner := (3, 3)))
    assert hands.count() == before - 1
    hands.page.keyboard.press("Control+z")
    assert hands.count() == before - 2
    hands.page.keyboard.press("Control+Shift+z")
    assert hands.count() == before - 1

    # an area masked: the atoms in it no longer count
    hands.tool("mask")
    for x, y in ((128, 128), (255, 128), (255, 255), (128, 255)):
        hands.click(x, y)
    hands.page.keyboard.press("Enter")
    masked = hands.count()
    assert 3 < masked < before - 3

    # the slider: another number of atoms, the added one among them; and back
    def free(k):
        return k not in shown[:2] and not (atoms["x"][k] > 127.5 and atoms["y"][k] > 127.5)

    def expected(value):
        return 1 + sum(one >= value and free(k) for k, one in enumerate(atoms["likelihood"]))

    decision = atoms["threshold"]
    value = next(
        one for one in (0.99, 0.9, 0.7, 0.5, 0.3) if abs(one - decision) > 0.02 and expected(one) != masked
    )
    hands.threshold(value)
    assert hands.count() == expected(value)
    hands.page.click("#suggested")
    assert hands.count() == masked
    hands.saved()

    edits = hands.stored()["edits"]
    assert sorted(edits["removed"]) == sorted(shown[:2])
    assert edits["added"] == [[pytest.approx(one, abs=1.5) for one in corner]]
    assert len(edits["masks"]) == 1
    assert hands.stored("")["count"] == masked

    with hands.page.expect_download() as download:
        hands.page.click("#csv")
    with download.value.path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == masked
    places = [(float(row["x_px"]), float(row["y_px"])) for row in rows]
    assert any(abs(x - 3) < 1.5 and abs(y - 3) < 1.5 for x, y in places)
    assert not any(x > 129 and y > 129 for x, y in places)
    for k in shown[:2]:
        assert not any(abs(x - atoms["x"][k]) < 2 and abs(y - atoms["y"][k]) < 2 for x, y in places)

    # the tab closed and opened again
    context = hands.page.context
    hands.page.close()
    again = open_page(context=context)
    again.wait("!document.querySelector('#threshold').disabled")
    assert again.count() == masked
    assert again.page.locator("#edited").inner_text() == "By hand: 2 deleted, 1 added, 1 masked."


def test_a_closing_tab_keeps_the_last_change(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    count, identity = hands.count(), hands.chosen()
    hands.tool("add")
    hands.page.mouse.click(*hands.place(3, 3))
    context = hands.page.context
    hands.page.close(run_before_unload=False)
    again = open_page(context=context)
    again.wait("!document.querySelector('#threshold').disabled")
    assert again.chosen() == identity
    assert again.count() == count + 1


def test_a_moved_atom_and_a_mask_drawn_round_an_area(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    count, atoms = hands.count(), hands.stored()
    best = max(range(len(atoms["x"])), key=lambda k: atoms["likelihood"][k])
    x, y = atoms["x"][best], atoms["y"][best]
    hands.tool("move")
    for act, shift in ((hands.page.mouse.move, 0), (hands.page.mouse.move, 12)):
        act(*hands.place(x + shift, y))
        if not shift:
            hands.page.mouse.down()
    hands.page.mouse.up()
    hands.saved()
    edits = hands.stored()["edits"]
    assert hands.count() == count
    assert edits["removed"] == [best]
    assert edits["added"] == [[pytest.approx(x + 12, abs=1), pytest.approx(y, abs=1)]]
    hands.page.click("#undo")
    hands.tool("mask")
    hands.page.mouse.move(*hands.place(20, 20))
    hands.page.mouse.down()
    for corner in ((200, 20), (200, 200), (20, 200), (20, 60)):
        hands.page.mouse.move(*hands.place(*corner), steps=6)
    hands.page.mouse.up()
    assert hands.count() < count / 2
    hands.tool("delete")
    hands.click(22, 100)
    assert hands.count() == count


def test_undo_goes_on_after_another_image_was_shown(open_page, spots):
    hands = open_page()
    hands.drop(spots("a.tif"), spots("b.tif", seed=1))
    hands.page.click("#list button[title='a.tif']")
    hands.wait("!document.querySelector('#threshold').disabled")
    count = hands.count()
    hands.tool("add")
    hands.click(3, 3)
    hands.saved()
    hands.page.keyboard.press("]")
    hands.wait(
        "document.querySelector('#name').textContent === 'b.tif' && document.querySelector('#undo').disabled"
    )
    hands.page.keyboard.press("[")
    hands.wait(
        "document.querySelector('#name').textContent === 'a.tif' && !document.querySelector('#undo').disabled"
    )
    assert hands.count() == count + 1
    hands.page.click("#undo")
    assert hands.count() == count


def test_two_windows_do_not_overwrite_each_other(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    other = open_page(context=hands.page.context)
    other.wait("!document.querySelector('#threshold').disabled")
    count = hands.count()
    hands.tool("add")
    hands.click(3, 3)
    hands.saved()
    other.wait(f"document.querySelector('#answers [data-answer=Atoms] .value').innerText === '{count + 1}'")
    # An edit of a state that nobody shows any more is refused, and the page says so.
    other.page.route(
        "**/edits", lambda route: route.continue_(headers={**route.request.headers, "if-match": "1"})
    )
    other.tool("add")
    other.click(250, 3)
    other.wait("document.querySelector('#notice').textContent.includes('another window')")
    other.wait(f"document.querySelector('#answers [data-answer=Atoms] .value').innerText === '{count + 1}'")
    assert len(hands.stored()["edits"]["added"]) == 1


def test_names_are_text(open_page, spots):
    hands = open_page()
    name = "<img src=x onerror=document.title='bad'>.tif"
    hands.drop(spots(name))
    assert hands.page.locator("#name").inner_text() == name
    assert hands.page.locator("#list .label").inner_text() == name
    assert hands.page.title() == "stemforge"
    assert not hands.page.locator("img[src=x]").count()


def test_what_is_no_image_is_refused_in_a_sentence(open_page, tmp_path, spots):
    hands = open_page()
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.tif").write_bytes(b"")
    hands.drop(tmp_path / "notes.txt", tmp_path / "empty.tif", spots())
    text = hands.page.locator("#notice span").inner_text()
    assert "notes.txt: is no image file" in text
    assert "empty.tif: is empty" in text
    assert hands.page.locator("#list li").count() == 1
    hands.page.fill("#pixel-size", "wide")
    hands.page.click("#set-scale")
    assert "number of nanometres" in hands.page.locator("#pixel-error").inner_text()
    hands.page.fill("#pixel-size", "5")
    hands.page.click("#set-scale")
    hands.wait("document.querySelector('#list .failed')")
    assert "pixel" in hands.page.locator("#error").inner_text()
    hands.page.fill("#pixel-size", "0.03")
    hands.page.click("#set-scale")
    hands.wait("!document.querySelector('#threshold').disabled")
    assert not hands.page.locator("#error").is_visible()
    assert hands.count() > 10


def test_an_edit_made_without_the_server_is_sent_when_it_is_back(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    hands.tool("add")
    x, y = hands.place(3, 3)
    hands.page.context.set_offline(True)
    hands.page.mouse.click(x, y)
    hands.wait("document.querySelector('#notice').textContent.includes('does not answer')")
    hands.page.context.set_offline(False)
    hands.saved()
    assert len(hands.stored()["edits"]["added"]) == 1
    hands.wait("document.querySelector('#notice').hidden")


def test_results_of_all_images_are_made_and_taken_away(open_page, spots):
    hands = open_page()
    hands.drop(spots("a.tif"), spots("b.tif", seed=1))
    hands.page.click("#results-button")
    for kind, ending in (("zip", ".zip"), ("report", ".html")):
        hands.page.click(f"#kinds [data-kind={kind}]")
        hands.wait(
            f"[...document.querySelectorAll('#jobs .files a')].some((one) => one.textContent.endsWith('{ending}'))"
        )
    with hands.page.expect_download() as download:
        hands.page.locator("#jobs a", has_text=".zip").first.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = [name.split("/")[-1] for name in archive.namelist()]
    assert {"a_places", "b_places"} <= {name.split(".")[0] for name in names}
    with hands.page.context.expect_page() as opened:
        hands.page.locator("#jobs a", has_text=".html").first.click()
    report = opened.value
    report.wait_for_load_state()
    assert report.locator("h1").count() == 1
    assert report.locator("figure.overlay").count() == 2


def test_a_detector_trained_further_can_be_chosen(open_page, spots):
    """The server's answers are changed on their way, for training takes minutes; its tests are of the server."""
    hands = open_page()
    hands.drop(spots())
    job = {"id": "a", "kind": "fine-tune", "status": "done", "message": "F1 0.8", "files": [], "created": "1"}

    def more(route):
        answer = route.fetch()
        session = answer.json()
        session["detectors"].append({"name": "job:a", "label": "Fine-tuned 1", "description": "by you"})
        route.fulfill(response=answer, json=session)

    options = hands.page.locator("#detector option")
    assert "Fine-tuned 1" not in options.all_inner_texts()
    hands.page.route("**/api/session", more)
    hands.page.route(
        "**/api/jobs",
        lambda route: route.fulfill(json=[job]) if route.request.method == "GET" else route.continue_(),
    )
    hands.page.click("#results-button")
    hands.page.click("#kinds [data-kind=labels]")
    hands.wait("document.querySelector('#jobs .hint')?.textContent === 'F1 0.8'")
    hands.wait("document.querySelector('#detector option:last-child').textContent === 'Fine-tuned 1'")


def test_a_request_elsewhere_would_be_seen_and_is_stopped(open_page):
    """The control of what each test holds: a picture from elsewhere that got into the page."""
    hands, failed = open_page(), []
    hands.page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    address = "http://127.0.0.1:59999/x.png"
    hands.page.evaluate(
        "path => { const one = new Image(); one.src = path; document.body.append(one); }", address
    )
    hands.page.wait_for_timeout(500)
    assert address in hands.asked
    assert failed == [(address, "csp")]
    hands.asked.remove(address)


@pytest.mark.parametrize("size", [(1280, 720), (1024, 768)])
@pytest.mark.parametrize("by", ["pointer", "key"])
def test_an_explanation_hides_no_number(open_page, spots, size, by):
    hands = open_page(*size)
    hands.drop(spots())
    hands.wait("document.querySelectorAll('#answers .answer').length > 5")
    cards = hands.page.locator("#answers .answer")
    side = hands.page.locator("#side").bounding_box()
    for number in range(cards.count()):
        card = cards.nth(number)
        card.hover() if by == "pointer" else card.focus()
        shown = hands.page.locator("#tooltip").bounding_box()
        assert 0 <= shown["x"] < shown["x"] + shown["width"] <= side["x"]
        assert 0 <= shown["y"] < shown["y"] + shown["height"] <= size[1]
        assert hands.page.locator("#tooltip").inner_text() == card.get_attribute("data-explains")


def test_an_atom_that_is_dragged_over_the_edge_stays_on_the_image(open_page, spots):
    hands = open_page()
    hands.drop(spots())
    before = hands.stored()
    x, y = before["x"][0], before["y"][0]
    hands.tool("move")
    hands.page.mouse.move(*hands.place(x, y))
    hands.page.mouse.down()
    hands.page.mouse.move(*hands.place(-30, y), steps=6)
    hands.page.mouse.up()
    hands.wait("document.querySelector('#edited').textContent")
    hands.saved()
    (place,) = hands.stored()["edits"]["added"]
    assert place[0] == -0.5


def test_numbers_are_written_as_people_read_them(open_page):
    page = open_page().page
    written = page.evaluate("""async () => {
      const { figures } = await import("/static/format.js");
      return [1370.4, 99999.6, 1370, 12.3, 0.5, 0.00012, 137000.4, 1e7, NaN, null].map((one) => figures(one));
    }""")
    assert written == ["1370", "100000", "1370", "12.3", "0.500", "1.20e-4", "1.37e+5", "1.00e+7", "–", "–"]
