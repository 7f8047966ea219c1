"""Crystals in image files: lattices, restored images, molecules."""

from pathlib import Path

from PIL import Image

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.files import write_json, write_png
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.crystals.domains import find_domains
from stemforge.infer.crystals.figures import draw_lattice, draw_restoration
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.crystals.lattice import THRESHOLD, Lattice, find_lattice
from stemforge.infer.crystals.residual import draw_residual, restoration_residual
from stemforge.infer.crystals.restoration import OVERLAP, restore_micrograph
from stemforge.infer.left_out import tell_unusable
from stemforge.infer.resampling import file_sampling
from stemforge.infer.results import Results
from stemforge.infer.weights import contradiction, load_finder, warn_uncalibrated
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.train.networks import Restorer


def restore_files(
    batch: Batch,
    weights: str | Path = "divaesr",
    *,
    lattice: bool = False,
    framework: str = "mfi",
    overlap: int = OVERLAP,
    residual: bool = False,
    device: str = "cpu",
) -> Outcome:
    """Restore many images.

    Parameters
    ----------
    batch
        Images and where results go: ``_restored.tif``, ``_restored.png``, ``_compared.png``, and where the network says
        how sure it is ``_low.tif`` and ``_high.tif``; on request ``_residual.png``.
    weights
        A file, or the name of weights that come with stemforge.
    lattice
        Find the pixel size of images without calibration from the lattice of the framework.
    framework
        One that is built in, or a CIF file.
    overlap, device
        As for :func:`restore_micrograph`.
    residual
        Draw what was taken away, see :func:`restoration_residual`, and note how much structure is in it.

    Examples
    --------
    >>> import numpy as np
    >>> write_tiff("field.tif", np.random.default_rng(0).random((64, 64)), sampling=0.25)
    >>> batch = Batch([Path("field.tif")], Path("out"), ("_restored.tif", "_restored.png", "_compared.png"), quiet=True)
    >>> restore_files(batch, "divaesr").found
    1
    >>> sorted(path.name for path in Path("out").iterdir())
    ['field_compared.png', 'field_restored.png', 'field_restored.tif', 'run.json']
    """
    wanted = Framework.named(framework) if lattice else None
    model, card = load_finder(weights, "images")
    patch = Restorer.named(card.architecture).patch
    if not 0 <= overlap < patch:
        raise InputError(f"overlap must lie between 0 and {patch - 1} pixels, not {overlap}")
    batch.reading.refuse_auto()
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        tell_unusable(micrograph)
        found = lattice_of(micrograph, wanted)
        restoration = restore_micrograph(
            micrograph, model, card, lattice=found, overlap=overlap, device=device
        )
        if found is None:
            warn_uncalibrated(micrograph, card)
        results.facts.update(contradiction(micrograph))
        write_tiff(results.path("_restored.tif"), restoration.image, restoration.sampling)
        doubtful = restoration.doubtful
        if doubtful is not None and restoration.low is not None and restoration.high is not None:
            write_tiff(results.path("_low.tif"), restoration.low, restoration.sampling)
            write_tiff(results.path("_high.tif"), restoration.high, restoration.sampling)
            results.facts["doubtful_share"] = float(doubtful.mean())
        grey = (restoration.image.clip(0, 1) * 255).round().astype("uint8")
        write_png(Image.fromarray(grey), results.path("_restored.png"))
        draw_restoration(restoration, results.path("_compared.png"))
        results.facts["sampling_angstrom"] = restoration.sampling
        if residual and restoration.recorded is not None:
            left = restoration_residual(restoration.recorded, restoration.image)
            coarse, fine = len(restoration.recorded), len(restoration.image)
            sampling = None if restoration.sampling is None else restoration.sampling * fine / coarse
            draw_residual(left, results.path("_residual.png"), sampling=sampling, name=micrograph.name)
            results.facts["structure_left"] = left.structure
        return 1

    options = {"weights": str(weights), "overlap": overlap, "lattice": lattice, "device": device}
    options |= {"residual": True} if residual else {}
    options |= {"framework": framework} if lattice else {}
    return batch.run("infer restore", work, "restored", options)


def find_lattices_in_files(
    batch: Batch, framework: str = "mfi", *, min_correlation: float = THRESHOLD
) -> Outcome:
    """Find a framework's lattice on many images; write what was found and a picture of each.

    Parameters
    ----------
    batch
        Images and where results go: ``_lattice.json`` and ``_lattice.png``.
    framework, min_correlation
        As for :func:`find_lattice`.

    Examples
    --------
    >>> import numpy as np
    >>> write_tiff("noise.tif", np.random.default_rng(0).random((96, 96)))
    >>> batch = Batch([Path("noise.tif")], Path("lattices"), ("_lattice.json", "_lattice.png"), quiet=True)
    >>> outcome = find_lattices_in_files(batch, "mfi")
    >>> outcome.found, outcome.failed[0].split(";")[0]
    (0, "noise: no lattice of the framework 'mfi' found")
    """
    if not 0 < min_correlation < 1:
        raise InputError(f"min_correlation must lie between 0 and 1, not {min_correlation}")
    wanted = Framework.named(framework)
    batch.reading.refuse_auto()
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        found = find_lattice(micrograph, framework=wanted, threshold=min_correlation)
        domains = find_domains(micrograph, found, framework=wanted)
        content = {
            "image": micrograph.name,
            **domains.lattice.to_dict(),
            **domains.to_dict(),
            "sampling_in_file": file_sampling(micrograph),
        }
        write_json(results.path("_lattice.json"), content)
        draw_lattice(micrograph, domains, results.path("_lattice.png"), framework=wanted)
        results.facts.update(sampling_angstrom=found.sampling, correlation=found.score, **domains.to_dict())
        say(
            f"{micrograph.name}: {found.sampling:.4f} Å per pixel, turned by {found.rotation:.2f}°, correlation "
            f"{found.score:.2f}"
        )
        for line in domains.remarks():
            say(f"{micrograph.name}: {line}")
        return 1

    return batch.run(
        "infer lattice", work, "lattices", {"framework": framework, "min_correlation": min_correlation}
    )


def lattice_of(micrograph: Micrograph, framework: Framework | None) -> Lattice | None:
    """Find the lattice of an image without calibration, where a framework is given."""
    if framework is None or micrograph.sampling is not None:
        return None
    found = find_lattice(micrograph, framework=framework)
    say(f"{micrograph.name}: {found.sampling:.4f} Å per pixel, from its {found.framework} lattice")
    return found
