"""The commands of this room: ``stemforge infer atoms``, ``restore``, ``molecules`` and what is asked of crystals."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

from stemforge.options import (
    AtomDetector,
    Augmentation,
    CrystalCalibration,
    Device,
    Folders,
    Framework,
    Images,
    Output,
    Progress,
    Reading,
    Restorer,
    Tiles,
    Words,
)

FEW = 3
"""Images up to which completeness is measured without being asked for."""


def atoms(
    images: Images,
    /,
    *,
    detector: AtomDetector = AtomDetector(),
    likelihood: bool = False,
    augmentation: Augmentation = Augmentation(),
    completeness: bool | None = None,
    tiles: Tiles = Tiles(),
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Find single atoms in micrographs.

    For each image: a CSV with columns x_px,y_px,x_nm,y_nm,score (nm empty where the image carries no calibration), an
    overlay PNG, and on request the likelihood as TIFF, in the folder `atoms`. Each atom's image is fitted to the
    micrograph, which gives its place below the pixel and further columns: x_error_px,y_error_px (standard deviations),
    intensity,intensity_error (sum over the atom's image, without background), contrast (peak over background), width_px
    (standard deviation of the image), and fitted: 0 where the fit failed and the detector's place stays. In run.json
    each image has the threshold, the F1 to be expected by the likelihoods alone, and the areal density of visible atoms
    with an interval of 95 %. Padding, saturated areas, burnt-in scale bars and text, and seams are left out, which is
    said, tinted on the overlay, and noted in run.json.
    An image that cannot be read, or whose pixels are too coarse or too fine to show atoms, is named and left out, and
    the exit code is then 1; 2 where it was the only one.

    Where files carry no pixel size, or a doubtful one, `--sampling auto` estimates it from the atoms on each image, and
    `--sampling common` one for all images, if they were taken at one magnification; it stands in run.json and on the
    overlay with its error, which is about 15 to 25 %. With `--augment` the result turns with the image, and on eleven
    real images F1 of atom-net was 0.670 instead of 0.653.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them.
    likelihood
        Write the likelihood maps, too (TIFF).
    completeness
        Put simulated atoms into each image and look for them, as `stemforge evaluate completeness` does: how many atoms
        of each visibility are found, how many of those found are none, and the density corrected for both. About
        fifteen times the work; by default done for up to three images of at most 1024 × 1024 pixels.
    """
    reading.prepare(images)
    from stemforge.infer.pictures import drawing_beside

    with drawing_beside("stemforge.infer.atoms.overlay") as artist:
        from stemforge.infer.atoms.files import LIKELIHOOD, detect_atoms_in_files
        from stemforge.infer.batch import Batch
        from stemforge.micrograph.tables import COMPLETENESS_ENDINGS

        options: dict[str, Any] = {
            "augment": augmentation.augment,
            "tile": tiles.tile,
            "device": device.check(),
        }
        endings: tuple[str, ...] = (".csv", ".png", *((LIKELIHOOD,) if likelihood else ()))
        further = None
        if len(images) <= FEW if completeness is None else completeness:
            endings += COMPLETENESS_ENDINGS
            further = partial(_add_completeness, large=completeness, quiet=progress.quiet, **options)
        out = output.folder("atoms")
        batch = Batch(images, out, endings, reading, output.overwrite, progress.quiet, artist)
        return detect_atoms_in_files(
            batch, detector.weights, threshold=detector.threshold, further=further, **options
        ).exit_code


def _add_completeness(*found: Any, large: bool | None, **options: Any) -> None:
    """Add completeness, which simulates: what that imports takes longer than finding atoms, which are there by then."""
    from stemforge.infer.completeness.files import SMALL, add_completeness

    add_completeness(*found, largest=None if large else SMALL, **options)


def restore(
    images: Images,
    /,
    *,
    restorer: Restorer = Restorer(),
    calibration: CrystalCalibration = CrystalCalibration(),
    crystal: Framework = Framework(),
    overlap: int = 16,
    residual: bool = False,
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Restore noisy micrographs with DIVAESR or a U-Net, at twice as many pixels along each side.

    For each image: NAME_restored.tif (32 bit, about 0 to 1, with its pixel size), NAME_restored.png (8 bit), and
    NAME_compared.png, raw beside restored, in the folder `restored`. The U-Net also says between which values each
    pixel lies with 90 % (NAME_low.tif, NAME_high.tif); hatched in the picture is what could as well be nothing.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them. Images must have at least
        64 × 64 pixels at the network's pixel size.
    overlap
        By how much neighbouring tiles overlap at least [pixel].
    residual
        Draw what was taken away (NAME_residual.png): the image as recorded, what the restored one would have been
        recorded as, their difference and grey values. In run.json, structure_left: how much stronger the difference is
        at the crystal's frequencies than beside them; 1 where noise alone was taken away.
    """
    reading.prepare(images)
    from stemforge.infer.batch import Batch
    from stemforge.infer.crystals.files import restore_files

    endings = (
        "_restored.tif",
        "_restored.png",
        "_compared.png",
        "_low.tif",
        "_high.tif",
        "_residual.png",
    )
    batch = Batch(images, output.folder("restored"), endings, reading, output.overwrite, progress.quiet)
    options: dict[str, Any] = {"lattice": calibration.lattice, "framework": crystal.framework}
    options |= {"overlap": overlap, "residual": residual}
    return restore_files(batch, restorer.weights, **options, device=device.check()).exit_code


def molecules(
    images: Images,
    /,
    *,
    weights: Path = Path("faster-rcnn"),
    restorer: Path | None = None,
    threshold: float | None = None,
    calibration: CrystalCalibration = CrystalCalibration(),
    framework: str | None = None,
    tiles: Tiles = Tiles(),
    overlap: int = 64,
    iou: float = 0.5,
    augmentation: Augmentation = Augmentation(),
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Find molecules in micrographs with Faster R-CNN, restored first where the detector wants that.

    For each image: a CSV with columns x0_px,y0_px,x1_px,y1_px,label,score, the corners in nm (empty where the pixel
    size is not known), channel, channel_probability, likelihood, agreement, guest and guest_probability, and an overlay
    PNG, in the folder `molecules`.

    A restored image shows what the restorer expects, in empty channels too. So the image as recorded is asked, as
    `stemforge infer occupancy` does: boxes in channels that it shows to be empty are left out, and so are those where
    there is no crystal of the framework; channel is filled where it shows a molecule, else open. likelihood is the
    probability that the box is right, by its score and its channel together; guest is the molecule that fits the image
    as recorded best, and guest_probability how probable that is. With `--augment`, agreement is the share of the
    orientations that have the box.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them.
    weights
        Weights of a faster-rcnn: a stemforge weights file, or the name of weights that come with stemforge.
    restorer
        Weights of the restorer that restores the images before molecules are looked for; by default the one that the
        detector was trained with, where it lies beside the detector's weights or comes with stemforge.
    threshold
        Likelihood from which a box counts, the same for all images. By default each image has its own, with the highest
        F1 to be expected; where that is low, as on images without molecules, the one stored with the weights. Of
        weights that are not calibrated, the score.
    framework
        Framework of the zeolite in whose channels the molecules are: mfi, fau, cha, mor or bea, or a CIF file; none
        keeps every box, whatever its channel shows. By default the framework that the detector was trained with.
    overlap
        By how much neighbouring tiles overlap at least [pixel].
    iou
        Overlap (intersection over union) from which two boxes are the same molecule.
    """
    reading.prepare(images)
    from stemforge.infer.batch import Batch
    from stemforge.infer.molecules.files import detect_molecules_in_files

    folder = output.folder("molecules")
    batch = Batch(images, folder, (".csv", ".png"), reading, output.overwrite, progress.quiet)
    found = detect_molecules_in_files(
        batch,
        weights,
        restorer=restorer,
        lattice=calibration.lattice,
        framework=framework,
        threshold=threshold,
        tile=tiles.tile,
        tile_overlap=overlap,
        iou=iou,
        augment=augmentation.augment,
        device=device.check(),
    )
    return found.exit_code


def lattice(
    images: Images,
    /,
    *,
    crystal: Framework = Framework(),
    min_correlation: float = 0.72,
    reading: Reading = Reading(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> int:
    """Find a framework's lattice in images of a crystal: pixel size, rotation, origin, and where it holds.

    For each image NAME_lattice.json and NAME_lattice.png, the lattice drawn on the image, in the folder `lattices`. It
    is registered place by place: domains displaced against each other are found and their boundaries drawn, distortion
    is followed, and what shows no crystal is darkened. The images' own calibration is not used. An image without a
    lattice is named and left out, and which other framework it shows, if one that is built in; the exit code is then 1,
    or 2 where it was the only one.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them; bright atoms on dark.
    min_correlation
        Least correlation of the image's average cell with the framework, 0 to 1; what shows another framework reaches
        0.66.
    """
    reading.prepare(images)
    from stemforge.infer.batch import Batch
    from stemforge.infer.crystals.files import find_lattices_in_files

    endings = ("_lattice.json", "_lattice.png")
    batch = Batch(images, output.folder("lattices"), endings, reading, output.overwrite, progress.quiet)
    return find_lattices_in_files(batch, crystal.framework, min_correlation=min_correlation).exit_code


def occupancy(
    images: Images,
    /,
    *,
    crystal: Framework = Framework(),
    guest: Words | None = None,
    cells: int = 1,
    reading: Reading = Reading(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> int:
    """Ask of every channel of a zeolite, on the image as it was recorded, whether it holds a molecule.

    For each image NAME_occupancy.csv, a row for each channel: x_px,y_px,x_nm,y_nm, the probability that it is filled,
    the evidence (decimal logarithm) of the channel by itself, content and content_error (molecules in a unit cell along
    the beam, by contrast), state (filled, empty, or open where the image does not tell), guest and guest_probability;
    and NAME_occupancy.png, a map; in the folder `occupancy`. The lattice is found on the image, whose own calibration
    is not used. What the image does not determine is named. An image without the lattice is named and left out; the
    exit code is then 1, or 2 where it was the only one.

    With `--cells` also NAME_blocks.csv, a row for each block and channel of the cell: x_px,y_px,x_nm,y_nm (middle of
    the copies), channel (its number in the cell), copies, content and content_error (their mean), spread (standard
    deviation among them), probability (share of them that is filled, as expected), and how many are filled, empty,
    open; and NAME_blocks.png, a map. The answer for each single channel stays the same.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them: iDPC-STEM along the
        channels, bright atoms on dark, not restored.
    guest
        Molecules to look for: pyridine, thiophene, benzene, or names that ase.build.molecule knows. By default pyridine
        and thiophene.
    cells
        Cells along each side of the blocks over which is averaged; 1 averages nothing.
    """
    reading.prepare(images)
    from stemforge.infer.batch import Batch
    from stemforge.infer.occupancy.crystal import GUESTS
    from stemforge.infer.occupancy.files import ENDINGS, occupancy_of_files

    batch = Batch(images, output.folder("occupancy"), ENDINGS, reading, output.overwrite, progress.quiet)
    return occupancy_of_files(batch, crystal.framework, guests=tuple(guest or GUESTS), cells=cells).exit_code


def columns(
    images: Images,
    /,
    *,
    crystal: Framework = Framework(),
    cells: int = 1,
    guest: Words | None = None,
    reading: Reading = Reading(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> int:
    """Find every atom column of a zeolite on the image as it was recorded: of its framework, and of guests in order.

    For each image NAME_columns.csv, a row for each column: x_px,y_px,x_nm,y_nm, x_error_px,y_error_px (standard
    deviations), intensity,intensity_error (in silicon atoms in a cell along the beam), class (T, O, or none where
    a column is missing), its probability, and the probability of each class; and NAME_columns.png, the columns
    coloured by class; in the folder `columns`. With `--cells` blocks of cells are averaged first: places are then those
    of the averaged image, and block_x_px,block_y_px the middle of each column's block on the image as recorded. The
    lattice is found on the image, whose own calibration is not used; domains displaced against each other are found,
    and have their own columns. An image without the lattice is named and left out; the exit code is then 1, or 2 where
    it was the only one.

    With `--guest`, atom columns of molecules are looked for, too. They are determined only where the crystal is ordered
    and molecules lie alike in all cells; otherwise the command says that they are not. Rows are added, class guest,
    with guest_probability (that there is such a column), guest, channel (of the cell), elements and
    elements_probability (what but hydrogen it holds; do not rely on which atom of a ring is the heteroatom); intensity
    is empty where it is not known.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them: iDPC-STEM along the
        channels, bright atoms on dark, not restored.
    cells
        Cells along each side of the blocks over which is averaged; 1 averages nothing.
    guest
        Molecules whose columns are looked for, too: pyridine, thiophene, benzene, or names that ase.build.molecule
        knows. By default none.
    """
    reading.prepare(images)
    from stemforge.infer.batch import Batch
    from stemforge.infer.columns.files import ENDINGS, columns_of_files

    batch = Batch(images, output.folder("columns"), ENDINGS, reading, output.overwrite, progress.quiet)
    return columns_of_files(batch, crystal.framework, cells=cells, guests=tuple(guest or ())).exit_code


def conformation(
    images: Images,
    /,
    *,
    candidates: Folders,
    cells: int | None = None,
    prior: Literal["flat", "energy"] | None = None,
    displacement: float | None = None,
    reading: Reading = Reading(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> int:
    """Say which of several candidate structures an image of a zeolite shows, as it was recorded.

    For each image NAME_conformation.csv, a row for each block of cells: its middle x_px,y_px,x_nm,y_nm, cells (how many
    are averaged), best (a candidate, or none of the candidates), probability, margin (decimal logarithm of how much
    more likely the best candidate is than the next), correlation and similarity (of block and likeliest candidate, as
    published work compares them), none_probability and every candidate's; and NAME_conformation.png, the average cell,
    candidates' images, what they leave, and probabilities; in the folder `conformation`. How often the candidates would
    be confused at this noise, and how many cells it takes to tell them in 95 %, stands in run.json. The lattice is
    found on the image, whose own calibration is not used; domains displaced against each other are found, and cut
    along their own lattice. An image without the lattice is named and left out; the exit code is then 1, or 2 where it
    was the only one.

    Of a folder of candidates NAME_sites.csv, too: a row for each block and T site, with its prior, its probability (if
    one of the candidates is what is shown), whether it is in the smallest set of sites that holds 90 %,
    none_probability, and the likeliest candidate with its energy; and NAME_sites.png, the same as bars.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them: iDPC-STEM along the
        channels, bright atoms on dark, not restored.
    candidates
        CIF files, two or more, seen along b: one framework, with guests in other places or poses; at most one without.
        Or the folder that stemforge structures candidates filled.
    cells
        Cells along each side of the blocks over which is averaged; 1 averages nothing. By default all cells of the
        image are averaged and have one answer.
    prior
        How likely the candidates of a folder are before the image is looked at: flat (the default), all T sites alike;
        or energy, the Boltzmann weights in candidates.csv.
    displacement
        How far molecules may lie beside where the candidates have them, across the beam: root mean square [Å]. By
        default 0 for CIF files, and 0.3 for a folder, as relaxations by tight binding are off.
    """
    reading.prepare(images)
    from stemforge.infer.batch import Batch
    from stemforge.infer.conformation.files import ENDINGS, conformation_of_files

    batch = Batch(images, output.folder("conformation"), ENDINGS, reading, output.overwrite, progress.quiet)
    options: dict[str, Any] = {"cells": cells, "prior": prior, "displacement": displacement}
    return conformation_of_files(batch, candidates, **options).exit_code
