"""The command ``stemforge infer atoms``."""

from pathlib import Path
from typing import TYPE_CHECKING

from stemforge.errors import InputError
from stemforge.infer.options import Images, check_device, check_threshold, warn_uncalibrated

if TYPE_CHECKING:
    from stemforge.micrograph.image import Micrograph


def atoms(
    images: Images,
    /,
    *,
    out: Path = Path("atoms"),
    weights: Path = Path("atom-net"),
    threshold: float | None = None,
    sampling: float | None = None,
    frame: int | None = None,
    stack: bool = False,
    likelihood: bool = False,
    augment: bool = False,
    tile: int = 512,
    device: str = "cpu",
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Find single atoms in micrographs.

    For each image: a CSV with columns x_px,y_px,x_nm,y_nm,score (nm empty where the image carries no
    calibration; of AtomNet also sigma_px, the standard deviation of a coordinate), an overlay PNG, and on request the
    likelihood as TIFF. For each image run.json has the threshold, the F1 to be expected by the likelihoods alone, and
    the areal density of visible atoms with an interval of 95 %. An image that cannot be read is named and left out,
    and the exit code is then 1.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG).
    out
        Folder for the results.
    weights
        A stemforge weights file, the published checkpoint, or the name of weights that come with stemforge: atom-net
        or sac-cnn, both trained on simulated Pt on carbon.
    threshold
        Likelihood from which a candidate is an atom, the same for all images. By default each image has its own, with
        the highest F1 to be expected; where that is low, as on images without atoms, the one stored with the weights.
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    frame
        Which frame of a stack to look at, counted from 0.
    stack
        Look at every frame of a stack.
    likelihood
        Write the likelihood maps too.
    augment
        Average over the eight orientations of each image: eight times the work. The result turns with the image,
        and on eleven real images F1 was 0.670 instead of 0.653.
    tile
        Side of the tiles in which large images are worked through [pixel].
    device
        Where the network runs: cpu, cuda, cuda:1, …
    overwrite
        Replace results that are already in the folder.
    quiet
        Show no progress.
    """
    from stemforge.infer.batch import Batch, say
    from stemforge.micrograph.writers import write_tiff
    from stemforge.train.weights import load_weights

    endings = (".csv", ".png", *(("_likelihood.tif",) if likelihood else ()))
    batch = Batch(images, out, endings, sampling, frame, stack, overwrite, quiet)
    batch.check_options()
    check_threshold(threshold)
    if tile < 1:
        raise InputError(f"--tile must be at least 1 pixel, not {tile}")
    check_device(device)
    model, card = load_weights(weights)
    batch.check_out()
    densities: dict[str, dict[str, float]] = {}
    thresholds: dict[str, float] = {}
    promised: dict[str, float] = {}

    def work(micrograph: "Micrograph") -> int:
        from stemforge.infer.atoms.detection import detect_atoms
        from stemforge.infer.drawing import draw_detection

        detection = detect_atoms(
            micrograph, model, card, threshold=threshold, tile=tile, device=device, augment=augment
        )
        warn_uncalibrated(micrograph, card.sampling, "--sampling sets it")
        detection.atoms.to_csv(batch.path(micrograph, ".csv"), micrograph.sampling)
        draw_detection(detection, batch.path(micrograph, ".png"))
        thresholds[micrograph.name] = round(detection.threshold, 4)
        if detection.expected_f1 is not None:
            promised[micrograph.name] = round(detection.expected_f1, 4)
            if threshold is None and detection.expected_f1 < (card.min_expected_f1 or 0):
                say(
                    f"{micrograph.name}: hardly anything looks like an atom (expected F1 {detection.expected_f1:.2f}); "
                    "only what is sure is marked, --threshold shows more"
                )
        if detection.density is not None:
            densities[micrograph.name] = dict(
                zip(("expected", "low", "high"), detection.density, strict=True)
            )
        if likelihood:
            write_tiff(batch.path(micrograph, "_likelihood.tif"), detection.likelihood, detection.sampling)
        return len(detection.atoms)

    record = {
        "weights": str(weights),
        "thresholds": thresholds,
        "expected_f1": promised,
        "visible_atoms_per_nm2": densities,
    }
    return batch.run("infer atoms", work, "atoms", record)
