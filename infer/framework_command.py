"""The commands for zeolites and their guests: ``stemforge infer restore``, ``molecules`` and ``lattice``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemforge.errors import InputError
from stemforge.infer.options import Images, check_device, check_threshold, load_model, warn_uncalibrated

if TYPE_CHECKING:
    from stemforge.infer.crystals.lattice import Lattice
    from stemforge.micrograph.image import Micrograph


def restore(
    images: Images,
    /,
    *,
    out: Path,
    weights: Path = Path("divaesr"),
    sampling: float | None = None,
    lattice: bool = False,
    frame: int | None = None,
    stack: bool = False,
    overlap: int = 16,
    device: str = "cpu",
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Restore noisy micrographs with DIVAESR, at twice as many pixels along each side.

    For each image: NAME_restored.tif (32 bit, 0 to 1, with its pixel size), NAME_restored.png (8 bit), and
    NAME_compared.png, raw beside restored.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), at least 64 × 64 pixels at the network's
        pixel size.
    out
        Folder for the results.
    weights
        A stemforge weights file of a divaesr; by default the weights that come with stemforge under this name.
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    lattice
        Find the pixel size of images without calibration from their MFI lattice; an image without one is left
        out.
    frame
        Which frame of a stack to look at, counted from 0.
    stack
        Look at every frame of a stack.
    overlap
        By how much neighbouring patches overlap at least [pixel].
    device
        Where the network runs: cpu, cuda, cuda:1, …
    overwrite
        Replace results that are already in the folder.
    quiet
        Show no progress.
    """
    from stemforge.infer.batch import Batch
    from stemforge.micrograph.writers import write_tiff
    from stemforge.train.divaesr.model import PATCH

    endings = ("_restored.tif", "_restored.png", "_compared.png")
    batch = Batch(images, out, endings, sampling, frame, stack, overwrite, quiet)
    batch.check_options()
    if not 0 <= overlap < PATCH:
        raise InputError(f"--overlap must lie between 0 and {PATCH - 1} pixels, not {overlap}")
    check_device(device)
    model, card = load_model(weights, "divaesr", "--weights")
    batch.check_out()

    def work(micrograph: "Micrograph") -> int:
        from PIL import Image

        from stemforge.infer.crystals.figures import draw_restoration
        from stemforge.infer.crystals.restoration import restore_micrograph

        found = _lattice(micrograph, lattice)
        restoration = restore_micrograph(
            micrograph, model, card, lattice=found, overlap=overlap, device=device
        )
        if found is None:
            warn_uncalibrated(micrograph, card.sampling, "--sampling or --lattice sets it")
        write_tiff(batch.path(micrograph, "_restored.tif"), restoration.image, restoration.sampling)
        grey = (restoration.image.clip(0, 1) * 255).round().astype("uint8")
        Image.fromarray(grey).save(batch.path(micrograph, "_restored.png"))
        draw_restoration(restoration, batch.path(micrograph, "_compared.png"))
        return 1

    return batch.run("infer restore", work, "restored", {"weights": str(weights), "overlap": overlap})


def molecules(
    images: Images,
    /,
    *,
    out: Path,
    weights: Path = Path("faster-rcnn"),
    restorer: Path | None = None,
    threshold: float | None = None,
    sampling: float | None = None,
    lattice: bool = False,
    frame: int | None = None,
    stack: bool = False,
    tile: int = 512,
    tile_overlap: int = 64,
    iou: float = 0.5,
    device: str = "cpu",
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Find molecules in micrographs with Faster R-CNN, restored first where the detector wants that.

    For each image: a CSV with columns x0_px,y0_px,x1_px,y1_px,label,score and the corners in nm (empty where
    the pixel size is not known), and an overlay PNG.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG).
    out
        Folder for the results.
    weights
        A stemforge weights file of a faster-rcnn; by default the weights that come with stemforge under this name.
    restorer
        Weights of the divaesr that restores the images first; by default the one that the detector was trained
        with, where it lies beside the detector's weights or comes with stemforge.
    threshold
        Score from which a detection counts; by default the one stored with the weights.
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    lattice
        Find the pixel size of images without calibration from their MFI lattice; an image without one is left
        out.
    frame
        Which frame of a stack to look at, counted from 0.
    stack
        Look at every frame of a stack.
    tile, tile_overlap
        Side of the tiles that the detector sees at once, and by how much they overlap [pixel].
    iou
        Overlap (intersection over union) from which two boxes are the same molecule.
    device
        Where the networks run: cpu, cuda, cuda:1, …
    overwrite
        Replace results that are already in the folder.
    quiet
        Show no progress.
    """
    from stemforge.infer.batch import Batch
    from stemforge.infer.crystals.molecules import check_options

    batch = Batch(images, out, (".csv", ".png"), sampling, frame, stack, overwrite, quiet)
    batch.check_options()
    check_threshold(threshold)
    check_options(0.5 if threshold is None else threshold, tile, tile_overlap, iou)
    check_device(device)
    detector, card = load_model(weights, "faster-rcnn", "--weights")
    restorer = restorer or _restorer_of(card, weights)
    pair = None if restorer is None else load_model(restorer, "divaesr", "--restorer")
    if restorer is not None and card.inputs.get("restorer"):
        _warn_other_restorer(restorer, card.inputs["restorer"])
    batch.check_out()

    def work(micrograph: "Micrograph") -> int:
        from stemforge.infer.crystals.figures import draw_molecules
        from stemforge.infer.crystals.molecules import detect_molecules

        found = _lattice(micrograph, lattice)
        options: dict[str, Any] = {"tile": tile, "tile_overlap": tile_overlap, "iou": iou, "device": device}
        detection = detect_molecules(
            micrograph, detector, card, restorer=pair, lattice=found, threshold=threshold, **options
        )
        if found is None:
            warn_uncalibrated(micrograph, card.sampling, "--sampling or --lattice sets it")
        detection.to_csv(batch.path(micrograph, ".csv"))
        draw_molecules(detection, batch.path(micrograph, ".png"))
        return len(detection.molecules)

    record = {"weights": str(weights), "restorer": None if restorer is None else str(restorer)}
    used = card.threshold if threshold is None else threshold
    return batch.run("infer molecules", work, "molecules", {**record, "threshold": used})


def lattice(
    images: Images,
    /,
    *,
    out: Path,
    framework: str = "mfi",
    threshold: float | None = None,
    frame: int | None = None,
    stack: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Find a framework's lattice in images of a crystal: pixel size, rotation and origin.

    For each image NAME_lattice.json and NAME_lattice.png, the lattice drawn on the image. The images' own
    calibration is not used. An image without a lattice is named and left out, and the exit code is then 1.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG); bright atoms on dark.
    out
        Folder for the results.
    framework
        Which framework: mfi (ZSM-5, silicalite-1), seen along b.
    threshold
        Least correlation of the image's average cell with the framework, 0 to 1.
    frame
        Which frame of a stack to look at, counted from 0.
    stack
        Look at every frame of a stack.
    overwrite
        Replace results that are already in the folder.
    quiet
        Show no progress.
    """
    import json

    from stemforge.infer.batch import Batch, say
    from stemforge.infer.crystals.framework import Framework
    from stemforge.infer.crystals.lattice import THRESHOLD, find_lattice

    endings = ("_lattice.json", "_lattice.png")
    batch = Batch(images, out, endings, None, frame, stack, overwrite, quiet)
    batch.check_options()
    check_threshold(threshold)
    seen = Framework.named(framework)
    batch.check_out()

    def work(micrograph: "Micrograph") -> int:
        from stemforge.infer.crystals.figures import draw_lattice

        found = find_lattice(
            micrograph, framework=seen, threshold=THRESHOLD if threshold is None else threshold
        )
        content = {"image": micrograph.name, **found.to_dict(), "sampling_in_file": micrograph.sampling}
        text = json.dumps(content, indent=2, ensure_ascii=False)
        batch.path(micrograph, "_lattice.json").write_text(text, encoding="utf-8")
        draw_lattice(micrograph, found, batch.path(micrograph, "_lattice.png"), framework=seen)
        say(
            f"{micrograph.name}: {found.sampling:.4f} Å per pixel, turned by {found.rotation:.2f}°, correlation "
            f"{found.score:.2f}"
        )
        return 1

    return batch.run("infer lattice", work, "lattices", {"framework": framework})


def _lattice(micrograph: "Micrograph", wanted: bool) -> "Lattice | None":
    """Find the lattice of an image without calibration, where that is asked for."""
    if not wanted or micrograph.sampling is not None:
        return None
    from stemforge.infer.batch import say
    from stemforge.infer.crystals.lattice import find_lattice

    found = find_lattice(micrograph)
    say(f"{micrograph.name}: {found.sampling:.4f} Å per pixel, from its {found.framework} lattice")
    return found


def _restorer_of(card: Any, weights: Path) -> Path | None:
    """Find the restorer that a detector was trained with; None where it saw images as they are."""
    wanted = card.inputs.get("restorer")
    if not wanted:
        return None
    beside = weights.parent / str(wanted["file"])
    return beside if beside.is_file() else Path("divaesr")


def _warn_other_restorer(path: Path, wanted: Any) -> None:
    import hashlib

    from stemforge.infer.batch import say
    from stemforge.train.weights import find_weights

    if hashlib.sha256(find_weights(path).read_bytes()).hexdigest() != wanted.get("sha256"):
        say(f"{path}: is another restorer than the detector was trained with ({wanted['file']})")
