import json

import numpy as np
import pytest
from scipy import ndimage

from stemforge import Micrograph
from stemforge.__main__ import main
from stemforge.infer import Framework, Lattice, draw_lattice, find_domains
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
