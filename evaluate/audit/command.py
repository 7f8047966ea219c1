"""The command of this shelf: ``stemforge audit``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate
from stemforge.console import show
from stemforge.errors import InputError
from stemforge.options import Calibration, Device, Folders, Images, Labels, Overwrite, Progress
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.places import check_folder


def audit(
    images: Images,
    /,
    *,
    labels: Folders,
    out: Path | None = None,
    replacing: Overwrite = Overwrite(),
    calibration: Calibration = Calibration(),
    labelling: Labels = Labels(),
    weights: Path = Path("atom-net"),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Find labels that do not lie on the atoms of their image, and say where they belong.

    Labels may be those of another image, as a whole or from some row on; transposed, mirrored, turned, shifted, scaled
    or in another unit; off the image; or given twice. Each file is compared with its image and all others. Atoms must
    be bright. Exits with 0 if no fault was found, with 1 if faults were found.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them.
    labels
        Tables with columns X,Y or x_px,y_px (CSV, TSV or text of ImageJ), or folders of them. A table belongs to the
        image of the same name, or with the same number before the first underscore.
    out
        Write audit.json, repaired tables of all files with a certain mend, and a picture of each image with faults into
        this folder. By default nothing is written.
    weights
        Weights of a network that finds atoms, whose likelihoods count beside bright spots: a stemforge weights file, or
        the name of weights that come with stemforge.
    """
    if out is not None:
        check_folder(out, "--out")
        if out.exists() and any(out.iterdir()) and not replacing.overwrite:
            raise InputError(f"--out {out}: is not empty; choose another folder or say --overwrite")
    options: dict[str, Any] = {
        "sampling": calibration.sampling,
        "label_unit": labelling.label_unit,
        "weights": weights,
    }
    found = evaluate.audit_files(images, labels, **options, device=device.check(), quiet=progress.quiet)
    for line in found.lines():
        show(line)
    if out is not None:
        with ResultFolder(out, replacing.overwrite, "--out").staged(images) as staging:
            names = [path.name for path in found.write(staging)]
        show(f"wrote {out}/{', '.join(names)}")
    return 0 if found.sound else 1
