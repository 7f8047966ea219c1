from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stemforge import InputError, Micrograph, read_micrograph
from stemforge.__main__ import main
from stemforge.evaluate import compare_framework, draw_framework, score_framework
from stemforge.infer import Framework, Lattice, Restoration, find_domains, find_lattice
from stemforge.train import DIVAESR, Card, DIVAESRSettings, save_weights

CELL = Framework("oblong", (12.0, 8.0), np.array([[0.1, 0.2], [0.6, 0.3], [0.3, 0.8]]), np.full(3, 14))
LATTICE = Lattice((0.0, 0.0), (48.0, 0.0), (0.0, 32.0), 0.25, 0.0, 0.0, 1.0, "oblong", CELL.cell)


def _picture(noise=0.0, zoom=1):
    tile = CELL.image((32 * zoom, 48 * zoom))
    # Pixel i of a finer image lies at (i + ½) / zoom − ½.
    shift = (zoom - 1) / 2 / zoom * np.array([1, 1])
    if zoom > 1:
        spectrum = np.fft.fft2(tile)
        fy, fx = np.fft.fftfreq(32 * zoom, 1 / zoom), np.fft.fftfreq(48 * zoom, 1 / zoom)
        phase = np.exp(-2j * np.pi * (fy[:, None] * shift[0] + fx[None] * shift[1]))
        tile = np.fft.ifft2(spectrum * phase).real
    image = np.tile(tile, (5, 4))
    rng = np.random.default_rng(0)
    return Micrograph(image / image.std() + noise * rng.normal(size=image.shape), name="x")


def test_a_perfect_image():
    found = score_framework(_picture(), LATTICE, framework=CELL)
    assert found.score.f1 == 1
    assert found.score.rms < 0.05
    assert len(found.columns) == len(found.points) == found.score.matched


def test_noise_lowers_f1_and_raises_rms():
    scores = [score_framework(_picture(noise), LATTICE, framework=CELL).score for noise in (0.3, 1.5, 6)]
    assert scores[0].f1 > scores[1].f1 > scores[2].f1
    assert scores[0].rms < scores[1].rms < scores[2].rms


def test_the_wrong_origin_scores_low():
    moved = replace(LATTICE, origin_px=(8.0, 8.0))
    assert score_framework(_picture(), moved, framework=CELL).score.f1 < 0.5


def test_raw_and_restored_share_their_columns(tmp_path):
    raw = _picture(1.5)
    restoration = Restoration(raw, _picture(zoom=2).image, 0.125)
    found = compare_framework(raw, {"restored": restoration}, LATTICE, framework=CELL, bend=False)
    assert found["restored"].score.f1 == 1
    assert found["restored"].score.rms < 0.1
    assert found["restored"].score.columns == found["raw"].score.columns
    images = {"raw": raw, "restored": restoration.as_micrograph()}
    assert len(draw_framework(images, found, tmp_path / "f.png").axes) == 2
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.size[0] > 600


def test_a_bent_lattice_is_followed():
    from scipy import ndimage

    image = _picture().image
    y, x = np.indices(image.shape, dtype=float)
    bend = 3 * (x / image.shape[1] - 0.5) ** 2 * 4  # up to three pixels
    bent = Micrograph(ndimage.map_coordinates(image, [y - bend, x], order=3, mode="grid-wrap"))
    domains = find_domains(bent, LATTICE, framework=CELL)
    assert len(domains.displacements) == 1
    points = np.column_stack([np.linspace(30, 160, 9), np.full(9, 80.0)])
    moved = domains.distortion_at(points, 0) + np.array(domains.lattice.origin_px) - LATTICE.origin_px
    expected = 12 * (points[:, 0] / image.shape[1] - 0.5) ** 2
    np.testing.assert_allclose(moved[:, 1], expected, atol=0.6)
    np.testing.assert_allclose(moved[:, 0], 0, atol=0.3)
    columns = domains.sites(CELL.columns().fractional, bent.shape)
    straight = score_framework(bent, LATTICE, framework=CELL).score
    followed = score_framework(bent, LATTICE, framework=CELL, columns=columns).score
    assert followed.rms < straight.rms or followed.f1 > straight.f1


@pytest.mark.parametrize("options", [{"tolerance": 0}, {"merge": 0}])
def test_options_out_of_range(options):
    with pytest.raises(InputError, match=next(iter(options))):
        score_framework(_picture(), LATTICE, framework=CELL, **options)


def test_the_command(tmp_path, capsys):
    settings = DIVAESRSettings(mode="sr", blocks=1, features=4)
    torch.manual_seed(0)
    card = Card("divaesr", 0.3, settings=settings.model_dump(mode="json"))
    save_weights(tmp_path / "d.safetensors", DIVAESR(settings), card)
    tile = Framework.named("mfi").image((45, 67))
    grey = np.tile((tile - tile.min()) / np.ptp(tile) * 255, (4, 3)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "crystal.png")
    words = [
        "evaluate",
        "framework",
        str(tmp_path / "crystal.png"),
        "--weights",
        str(tmp_path / "d.safetensors"),
    ]
    words += ["--out", str(tmp_path / "out"), "--quiet"]
    assert main(words) == 0
    assert "crystal, raw: F1 0." in capsys.readouterr().err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"crystal_framework.json", "crystal_framework.png", "run.json"}
    assert main([*words, "--tolerance", "-1"]) == 2


def test_more_dose_more_columns(data_dir):
    scores = []
    for dose in (500, 1000000):
        micrograph = read_micrograph(Path(data_dir, "zsm5-idpc", "pyridine", f"1_dose_{dose}.tiff"))
        scores.append(compare_framework(micrograph, {}, find_lattice(micrograph))["raw"].score.f1)
    assert scores[1] > scores[0] + 0.05
    assert scores[1] > 0.7
