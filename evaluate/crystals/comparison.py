"""The work behind ``stemforge evaluate framework``."""

import json
from collections.abc import Sequence
from pathlib import Path

from stemforge.errors import InputError
from stemforge.evaluate.crystals.framework import compare_framework, draw_framework
from stemforge.infer import find_lattice, restore_micrograph
from stemforge.infer.batch import Batch, say
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.options import check_device, load_model
from stemforge.micrograph.image import Micrograph


def score_images(
    images: Sequence[Path],
    out: Path,
    weights: Path,
    tolerance: float,
    merge: float,
    bend: bool,
    device: str,
    overwrite: bool,
    quiet: bool,
) -> int:
    """Score raw and restored images by their framework's columns; return the exit code."""
    endings = ("_framework.json", "_framework.png")
    batch = Batch(images, out, endings, overwrite=overwrite, quiet=quiet)
    for name, value in (("tolerance", tolerance), ("merge", merge)):
        if not value > 0:
            raise InputError(f"--{name} must be a positive length [Å], not {value}")
    check_device(device)
    model, card = load_model(weights, "divaesr", "--weights")
    framework = Framework.named("mfi")
    batch.check_out()

    def work(micrograph: Micrograph) -> int:
        lattice = find_lattice(micrograph, framework=framework)
        restoration = restore_micrograph(micrograph, model, card, lattice=lattice, device=device)
        options = {"tolerance": tolerance, "merge": merge}
        found = compare_framework(
            micrograph, {"restored": restoration}, lattice, framework=framework, bend=bend, **options
        )
        content = {
            "image": micrograph.name,
            "lattice": lattice.to_dict(),
            **options,
            "bend": bend,
            "scores": {name: result.score.to_dict() for name, result in found.items()},
        }
        text = json.dumps(content, indent=2, ensure_ascii=False)
        batch.path(micrograph, "_framework.json").write_text(text, encoding="utf-8")
        raw = Micrograph(micrograph.image, lattice.sampling, name=micrograph.name)
        shown = {"raw": raw, "restored": restoration.as_micrograph()}
        draw_framework(shown, found, batch.path(micrograph, "_framework.png"))
        for name, result in found.items():
            score = result.score
            rms = "–" if score.rms is None else f"{score.rms:.2f} Å"
            say(f"{micrograph.name}, {name}: F1 {score.f1:.3f}, rms {rms}")
        return 1

    return batch.run("evaluate framework", work, "scored", {"weights": str(weights)})
