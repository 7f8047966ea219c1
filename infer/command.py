"""The commands of this folder: ``stemforge infer …``."""

import json
from glob import escape
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stemforge.errors import InputError


def atoms(
    images: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    weights: Path,
    out: Path,
    threshold: float | None = None,
    sampling: float | None = None,
    frame: int | None = None,
    stack: bool = False,
    likelihood: bool = False,
    tile: int = 512,
    device: str = "cpu",
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Find single atoms in micrographs.

    For each image: a CSV with columns x_px,y_px,x_nm,y_nm,score (nm empty where the image carries no
    calibration), an overlay PNG, and on request the likelihood as TIFF. An image that cannot be read is named
    and left out, and the exit code is then 1.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG).
    weights
        A stemforge weights file, or the published checkpoint.
    out
        Folder for the results.
    threshold
        Likelihood from which a pixel belongs to an atom; by default the one stored with the weights.
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    frame
        Which frame of a stack to look at, counted from 0.
    stack
        Look at every frame of a stack.
    likelihood
        Write the likelihood maps too.
    tile
        Side of the tiles in which large images are worked through [pixel].
    device
        Where the network runs: cpu, cuda, cuda:1, …
    overwrite
        Replace results that are already in the folder.
    quiet
        Show no progress.
    """
    from stemforge.progress import console, progress
    from stemforge.train.weights import load_weights

    if stack and frame is not None:
        raise InputError("give either --frame or --stack")
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"--threshold must lie between 0 and 1, not {threshold}")
    if tile < 1:
        raise InputError(f"--tile must be at least 1 pixel, not {tile}")
    _check_device(device)
    model, card = load_weights(weights)
    _check_out(out, images, overwrite, likelihood, frames=stack or frame is not None)
    failed: list[str] = []
    found = 0
    with progress("infer atoms", len(images), "images", quiet) as advance:
        for path in images:
            try:
                for micrograph in _read(path, sampling, frame, stack):
                    found += _detect(micrograph, model, card, out, threshold, tile, device, likelihood)
            except InputError as error:
                failed.append(str(error))
                console.print(
                    f"[bold red]left out:[/] {str(error).replace('[', chr(92) + '[')}", soft_wrap=True
                )
            advance(1)
    run = {
        "weights": str(weights),
        "threshold": threshold or card.threshold,
        "images": [str(p) for p in images],
    }
    run["failed"] = failed
    if out.is_dir():  # it is made with the first result
        (out / "run.json").write_text(json.dumps(run, indent=2), encoding="utf-8")
    console.print(
        f"{out}: {found} atoms on {len(images) - len(failed)} of {len(images)} images",
        highlight=False,
        soft_wrap=True,
    )
    if len(images) == len(failed) == 1:
        return 2  # nothing but bad input
    return 1 if failed else 0


def _read(path: Path, sampling: float | None, frame: int | None, stack: bool) -> list:
    from stemforge.readers import read_micrograph, read_stack

    if stack:
        return read_stack(path, sampling=sampling)
    return [read_micrograph(path, sampling=sampling, frame=frame)]


def _detect(micrograph, model, card, out, threshold, tile, device, likelihood) -> int:  # type: ignore[no-untyped-def]
    from stemforge.infer.atoms import detect_atoms
    from stemforge.infer.overlay import draw_detection
    from stemforge.progress import console

    detection = detect_atoms(micrograph, model, card, threshold=threshold, tile=tile, device=device)
    if micrograph.sampling is None:
        console.print(
            f"{micrograph.name}: no calibration in the file; taken at the network's pixel size "
            f"{f'({card.sampling:.3f} Å) ' if card.sampling else ''}as it is; --sampling sets it",
            highlight=False,
            soft_wrap=True,
        )
    out.mkdir(parents=True, exist_ok=True)
    detection.atoms.to_csv(out / f"{micrograph.name}.csv", micrograph.sampling)
    draw_detection(detection, out / f"{micrograph.name}.png")
    if likelihood:
        import tifffile

        # ImageJ keeps pixels per unit; without a unit the file says nothing about size.
        path = out / f"{micrograph.name}_likelihood.tif"
        if detection.sampling is None:
            tifffile.imwrite(path, detection.likelihood, imagej=True)
        else:
            per_nm = 10 / detection.sampling
            tifffile.imwrite(
                path, detection.likelihood, imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"}
            )
    return len(detection.atoms)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {device}: cannot be used here ({reason}); cpu always works") from error


def _check_out(out: Path, images: list[Path], overwrite: bool, likelihood: bool, frames: bool) -> None:
    """Refuse to replace results silently, or to mix two images of the same name."""
    stems = [path.stem for path in images]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(f"two images are named {', '.join(twice)}; their results would overwrite each other")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file, expected a folder")
    # The frames of a stack are named after their number: image_000.csv.
    endings = (".csv", ".png", *(("_likelihood.tif",) if likelihood else ()))
    names = [
        f"{escape(stem)}{'_[0-9][0-9][0-9]' * n}{e}"
        for stem in stems
        for n in range(1 + frames)
        for e in endings
    ]
    there = sorted({path.name for name in names for path in out.glob(name)})
    if there and not overwrite:
        raise InputError(
            f"--out {out}: already holds {', '.join(there[:5])}; choose another folder or say --overwrite"
        )
    if any(path.resolve().parent == out.resolve() for path in images if path.suffix.lower() == ".png"):
        raise InputError(
            f"--out {out}: holds the PNG images themselves, which overlays would replace; choose another"
        )
