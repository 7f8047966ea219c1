import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from stemforge import Micrograph
from stemforge.__main__ import main
from stemforge.infer import Framework, Lattice, draw_lattice, find_domains, find_lattice
from stemforge.infer.crystals.domains import NOTHING, Domains, _by_size
from stemforge.micrograph.writers import write_tiff

MFI = Framework.named("mfi")
SAMPLING = 0.3
SHAPE = (360, 400)


def _picture(displacement=None, *, beside=None, bend=0.0, noise=0.5, turn=0.3, seed=0):
    """MFI whose right part is displaced (shares of the axes), or shows nothing; its lattice; the right part."""
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    axes = rotation * (np.array(MFI.cell) / SAMPLING)
    origin = np.array([190.3, 171.6])
    y, x = np.indices(SHAPE, dtype=float)
    right = x + 0.3 * y > 290
    bent = bend / SAMPLING * np.sin(np.pi * y / SHAPE[0])  # up to `bend` [Å] along x
    fractional = np.linalg.solve(axes, np.stack([(x - bent).ravel(), y.ravel()]) - origin[:, None]).T
    if displacement is not None:
        fractional = fractional - np.where(right.ravel()[:, None], displacement, 0.0)
    tile = MFI.image((134, 201))
    where = (fractional % 1) * (201, 134)
    image = (
        ndimage.map_coordinates(tile, where.T[::-1], order=1, mode="grid-wrap").reshape(SHAPE) / tile.std()
    )
    if beside is not None:
        image[right] = beside
    image += noise * np.random.default_rng(seed).normal(size=SHAPE)
    a, b = axes.T
    lattice = Lattice(tuple(origin), tuple(a), tuple(b), SAMPLING, 0.0, 0.0, 1.0, "mfi", MFI.cell)
    return Micrograph(image.astype("float32"), name="crystal"), lattice, right


@pytest.mark.parametrize("displacement", [(0.5, 0.5), (0.5, 0.0), (0.0, 0.25)])
@pytest.mark.parametrize("noise", [0.5, 4.0])
def test_displaced_domains_are_found(displacement, noise):
    micrograph, lattice, right = _picture(displacement, noise=noise)
    domains = find_domains(micrograph, lattice)
    assert len(domains.displacements) == 2
    expected = np.array(displacement)
    deviation = domains.displacements[1] - expected
    assert np.abs(deviation - np.round(deviation)).max() < 0.02
    assert np.mean(domains.map(SHAPE) == right) > 0.95
    assert "2 domains" in domains.remarks()[0]


def test_columns_lie_in_their_domain():
    micrograph, lattice, right = _picture((0.5, 0.5))
    domains = find_domains(micrograph, lattice)
    site = np.array([[0.1, 0.2]])
    for part, shift in ((~right, 0.0), (right, 0.5)):
        expected = lattice.sites(site + shift, SHAPE)
        inside = ndimage.binary_erosion(part, iterations=20)
        x, y = np.rint(expected).astype(int).T
        expected = expected[inside[y, x]]
        found = domains.sites(site, SHAPE)
        nearest = np.hypot(*(expected[:, None] - found).T).min(0)
        assert len(expected) > 4
        assert nearest.max() * SAMPLING < 0.3
    everywhere = domains.sites(site, SHAPE)
    assert len(domains.sites(site, SHAPE, within=30)) < len(everywhere)


@pytest.mark.parametrize("within", [0.0, 15.0])
def test_a_hole_in_a_domain_has_no_channel(within):
    labels = np.zeros((9, 9), dtype=int)
    labels[4, 4] = NOTHING  # 20 pixels wide; the points around its middle lie beside it
    lattice = Lattice((80, 80), (40, 0), (0, 40), 0.25, 0.0, 0.0, 1.0, "mfi", (10.0, 10.0))
    domains = Domains(lattice, labels, np.zeros((9, 9, 2)), np.ones((9, 9)), np.zeros((1, 2)), 20, (0.0, 0.0))
    assert (domains.at(np.array([[95.0, 80.0], [80.0, 65.0]])) == 0).all()
    found = domains.sites(np.zeros((1, 2)), (161, 161), within=within)
    whole = replace(domains, labels=np.zeros_like(labels)).sites(np.zeros((1, 2)), (161, 161), within=within)
    assert (domains.at(found) == 0).all()
    assert len(found) == len(whole) - 1 > 8
    assert [80.0, 80.0] in whole.round(6).tolist()
    assert [80.0, 80.0] not in found.round(6).tolist()


def test_one_crystal_is_one_domain_however_it_is_bent():
    micrograph, lattice, _ = _picture(bend=3.0)
    domains = find_domains(micrograph, lattice)
    assert domains.shares.tolist() == [1.0]
    assert domains.remarks() == []
    shift = domains.distortion_at(np.array([[200.0, 60.0], [200.0, 180.0]]), 0)[:, 0] * SAMPLING
    assert shift[1] - shift[0] == pytest.approx(1.5, abs=0.3)


def test_what_shows_no_crystal_is_left_out():
    micrograph, lattice, right = _picture(beside=0.0)
    domains = find_domains(micrograph, lattice)
    assert len(domains.displacements) == 1
    assert np.mean((domains.map(SHAPE) == -1) == right) > 0.95
    assert "does not show the framework" in domains.remarks()[0]


def test_noise_is_no_domain():
    _, lattice, _ = _picture()
    noise = np.random.default_rng(0).normal(size=SHAPE).astype("float32")
    domains = find_domains(Micrograph(noise), lattice)
    assert len(domains.displacements) == 0
    assert (domains.labels == -1).all()
    assert len(domains.sites(np.zeros((1, 2)), SHAPE)) == 0


def test_reflections_finer_than_two_pixels_are_not_asked():
    # At 1.3 Å a pixel nothing finer than 2.6 Å is on the image; its alias there would deny the crystal.
    sampling, shape = 1.3, (120, 140)
    tile = MFI.image((200, 300), resolution=2 * sampling)
    cell = np.array(MFI.cell) / sampling
    y, x = np.indices(shape, dtype=float)
    where = np.stack([(y / cell[1] % 1) * 200, (x / cell[0] % 1) * 300])
    image = ndimage.map_coordinates(tile, where, order=1, mode="grid-wrap")
    noise = 0.3 * tile.std() * np.random.default_rng(0).normal(size=shape)
    lattice = Lattice((0, 0), (cell[0], 0), (0, cell[1]), sampling, 0.0, 0.0, 1.0, "mfi", MFI.cell)
    domains = find_domains(Micrograph((image + noise).astype("float32")), lattice)
    assert np.mean(domains.labels == 0) > 0.95
    assert np.median(domains.correlation) > 0.95


def test_columns_follow_distortion_over_the_frame():
    micrograph, lattice, _ = _picture(bend=3.0)
    domains = find_domains(micrograph, lattice)
    moved = 4.0 * np.ones_like(domains.shift) * [1, 0]
    domains = replace(domains, shift=moved)  # everything 4 pixels further right
    sites = MFI.columns().fractional
    found = domains.sites(sites, SHAPE)
    expected = replace(
        domains.lattice, origin_px=(domains.lattice.origin_px[0] + 4.0, domains.lattice.origin_px[1])
    ).sites(sites, SHAPE)
    assert len(found) == len(expected)
    assert np.abs(np.sort(found[:, 0]) - np.sort(expected[:, 0])).max() < 0.1


def test_domains_that_have_lost_all_places_are_dropped():
    micrograph, lattice, _ = _picture((0.5, 0.25))
    domains = find_domains(micrograph, lattice)
    origin = domains.moved(1).origin_px
    # A domain without a place in front, and the larger one last.
    lost = replace(
        domains,
        labels=np.where(domains.labels == 1, 1, np.where(domains.labels == 0, 2, NOTHING)),
        displacements=np.array([[0.25, -0.25], domains.displacements[1], domains.displacements[0]]),
    )
    lost = _by_size(lost)
    assert len(lost.displacements) == 2
    assert lost.shares.tolist() == sorted(domains.shares, reverse=True)
    assert np.array_equal(lost.labels, domains.labels)
    assert lost.displacements == pytest.approx(domains.displacements)
    assert lost.shift == pytest.approx(domains.shift, abs=1e-9)
    assert lost.moved(1).origin_px == pytest.approx(origin)
    nothing = _by_size(replace(domains, labels=np.full_like(domains.labels, NOTHING)))
    assert len(nothing.displacements) == 0
    assert "no place by itself" in nothing.remarks()[0]


def test_drawn_with_its_boundary(tmp_path):
    micrograph, lattice, _ = _picture((0.5, 0.5))
    figure = draw_lattice(micrograph, find_domains(micrograph, lattice), tmp_path / "domains.png")
    assert (tmp_path / "domains.png").is_file()
    plain = draw_lattice(micrograph, find_domains(_picture()[0], lattice))
    assert len(figure.axes[0].collections) > len(plain.axes[0].collections)


def test_the_command_says_where_one_lattice_does_not_hold(tmp_path, capsys):
    micrograph, _, _ = _picture((0.5, 0.5))
    write_tiff(tmp_path / "two.tif", micrograph.image, None)
    assert (
        main(["infer", "lattice", str(tmp_path / "two.tif"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    )
    assert "one lattice does not hold: 2 domains" in capsys.readouterr().err
    content = json.loads((tmp_path / "out" / "two_lattice.json").read_text())
    assert len(content["domains"]) == 2
    assert content["share_without_crystal"] < 0.05


@pytest.mark.parametrize(("shape", "few"), [((120, 150), True), ((160, 230), False)])
def test_it_is_said_where_an_image_is_smaller_than_three_cells(shape, few):
    whole, lattice, _ = _picture()
    image = Micrograph(np.ascontiguousarray(whole.image[: shape[0], : shape[1]]), name="crystal")
    remarks = find_domains(image, lattice).remarks()
    lines = [line for line in remarks if "9 are needed to rely on its lattice" in line]
    assert bool(lines) == few
    if few:
        area = np.prod(shape) * SAMPLING**2 / np.prod(MFI.cell)
        assert f"about {area:.1f} cells" in lines[0]


def test_it_is_said_where_distortion_is_more_than_can_be_followed():
    """A crystal bent by 12 Å over 108 Å is strained by up to 35 %, and 6 Å is followed."""
    for bend, followed in ((6.0, True), (12.0, False)):
        micrograph, *_ = _picture(bend=bend)
        remarks = find_domains(micrograph, find_lattice(micrograph)).remarks()
        assert (remarks == []) == followed
    assert any("lattice does not hold" in line for line in remarks)
    assert any("of the image does not show the framework" in line for line in remarks)
