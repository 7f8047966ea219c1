"""One image of a zeolite, in a worker: restored, its channels asked as `infer occupancy` does, its molecules boxed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import tifffile

from stemforge.app.analysis.boxes import keep_boxes
from stemforge.app.analysis.channels import describe_channels, plain_channels
from stemforge.app.analysis.pictures import contrast_of
from stemforge.app.analysis.tables import note_progress
from stemforge.errors import InputError
from stemforge.files import make_folder, plain, write_json
from stemforge.infer import detect_molecules, find_lattice, measure_occupancy
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.crystals.restoration import restore_micrograph
from stemforge.infer.left_out import unusable_remark
from stemforge.infer.molecules.channels import check_channels
from stemforge.infer.molecules.detection import MoleculeDetection
from stemforge.infer.molecules.files import few_expected, restorer_of
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.figure import draw_occupancy
from stemforge.infer.occupancy.files import doubts
from stemforge.infer.occupancy.result import Occupancy
from stemforge.infer.resampling import sampling_remark
from stemforge.infer.weights import load_finder
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.train.card import Card

ANSWERS, RESTORED, CHANNELS, MAP = "answers.json", "restored.tif", "channels.csv", "channels.png"
"""Files of what was found on an image."""
DETECTOR, RESTORER = "faster-rcnn", "divaesr"
"""Weights: what the commands take by themselves."""


class ZeoliteImage:
    """An image on which molecules are looked for, and what cannot be told of it.

    Parameters
    ----------
    micrograph
        With its pixel size, from its file, its user or its lattice.
    crystal
        The framework with its channels.
    lattice
        Where the pixel size comes from it; None where the image has one.
    """

    def __init__(self, micrograph: Micrograph, crystal: ChannelCrystal, lattice: Lattice | None) -> None:
        self.micrograph, self.crystal, self.lattice = micrograph, crystal, lattice
        self.remarks: list[str] = []

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Let a part fail that others do not need; its sentence becomes a remark."""
        try:
            yield
        except InputError as error:
            sentence = self.without_name(str(error)).rstrip(".")
            if not any(one.endswith(f": {sentence}.") for one in self.remarks):
                self.remarks.append(f"{what}: {sentence}.")

    def without_name(self, sentence: str) -> str:
        """Return a sentence of the library without the image's name, which stands above it on the page."""
        return sentence.replace(f"{self.micrograph.name}: ", "")

    def restore(self, folder: Path) -> dict[str, Any] | None:
        """Restore the image as `infer restore` does; None where that cannot be."""
        model, card = _weights("images", RESTORER)
        with self.part("Not restored"):
            made = restore_micrograph(self.micrograph, model, card, lattice=self.lattice)
            write_tiff(folder / RESTORED, made.image, made.sampling)
            return {"shape": made.image.shape, "contrast": contrast_of(made.image)}
        return None

    def boxes(self) -> MoleculeDetection | None:
        """Draw boxes as `infer molecules` does, before the channels are asked; None where that cannot be."""
        detector, card = _weights("molecules", DETECTOR)
        weights = restorer_of(card, Path(DETECTOR))
        pair = None if weights is None else _weights("images", str(weights))
        with self.part("No boxes"):
            return detect_molecules(
                self.micrograph, detector, card, restorer=pair, lattice=self.lattice, threshold=None
            )
        return None

    def asked(self, detection: MoleculeDetection | None) -> tuple[MoleculeDetection | None, Occupancy | None]:
        """Ask the image as it was recorded of all channels, and of the boxes in them."""
        occupancy = None
        if detection is not None:
            _, card = _weights("molecules", DETECTOR)
            checked = check_channels(detection, self.crystal, lattice=self.lattice, card=card)
            detection, occupancy = checked.detection, checked.occupancy
            faint = few_expected(detection, card) if occupancy is not None else None
            self.remarks += [f"Boxes: {faint}."] if faint else []
        if occupancy is None:  # there was no box, or the channels cannot be asked: that sentence is needed
            with self.part("Channels"):
                occupancy = measure_occupancy(self.micrograph, framework=self.crystal, lattice=self.lattice)
        if occupancy is not None:
            self.remarks += [_sentence(line) for line in doubts(occupancy)]
        return detection, occupancy


def analyse(
    path: str,
    name: str,
    sampling: float | None,
    sampling_in_file: float | None,
    framework: str,
    out: str,
) -> dict[str, Any]:
    """Restore an image of a zeolite, ask its channels, draw boxes about molecules, and leave all that in a folder.

    Parameters
    ----------
    path
        Of the image as the server keeps it.
    name
        As the user calls it.
    sampling
        Pixel size [Å]; None has it found from the lattice.
    sampling_in_file
        The file's [Å].
    framework
        One that is built in, or a CIF file.
    out
        An empty folder.

    Returns
    -------
    dict
        ``count`` of filled channels, None where they could not be asked; ``sampling``, ``estimated`` (from the
        lattice), ``remarks``, and ``threshold`` of the boxes.

    Raises
    ------
    InputError
        Nothing of all that can be done with this image.
    """
    folder = Path(out)
    make_folder(folder)
    note_progress(folder, 0.0, "restore")
    crystal = ChannelCrystal.named(framework)
    pixels = tifffile.imread(path)
    metadata = {} if sampling_in_file is None else {"sampling_in_file": sampling_in_file}
    micrograph = Micrograph(pixels, sampling, name=name, metadata=metadata)
    lattice = None if sampling is not None else find_lattice(micrograph, framework=crystal.framework)
    one = ZeoliteImage(micrograph, crystal, lattice)
    one.remarks += _first_remarks(micrograph, lattice)
    restored = one.restore(folder)
    note_progress(folder, 0.0, "boxes")
    detection = one.boxes()
    note_progress(folder, 0.0, "channels")
    detection, occupancy = one.asked(detection)
    if restored is None and occupancy is None:
        raise InputError(" ".join(one.remarks))
    size = lattice.sampling if lattice is not None else sampling
    content: dict[str, Any] = {"restored": restored, "groups": [], "channels": None, "boxes": None}
    if occupancy is not None:
        occupancy.to_csv(folder / CHANNELS)
        draw_occupancy(occupancy, folder / MAP)
        content |= {
            "groups": describe_channels(occupancy, size),
            "channels": plain_channels(occupancy),
            "record": occupancy.to_dict(),
        }
    if detection is not None and occupancy is not None:
        content["boxes"] = keep_boxes(detection, folder)
    write_json(folder / ANSWERS, plain(content))
    return {
        "count": None if occupancy is None else occupancy.count("filled"),
        "sampling": size,
        "estimated": lattice is not None,
        "remarks": one.remarks,
        "threshold": 0.5 if detection is None else float(detection.threshold),
    }


def check_framework(path: str) -> list[str]:
    """Read a CIF file as a framework; return what it is called and the size of its cell along the channels.

    Raises
    ------
    InputError
        It cannot be read, or is no framework with channels.
    """
    crystal = ChannelCrystal.named(path)
    across, down = crystal.cell
    return [f"{across:.2f} × {down:.2f} Å seen along its channels, {len(crystal.channels)} of them in a cell"]


def _first_remarks(micrograph: Micrograph, lattice: Lattice | None) -> list[str]:
    """Say what of the image shows no specimen, and where its pixel size comes from."""
    lines = [unusable_remark(micrograph), sampling_remark(micrograph)]
    if lattice is not None:
        lines.append(
            f"the file has no pixel size; {lattice.sampling:.4f} Å is what the framework's lattice says, and is used"
        )
    return [_sentence(line.replace(f"{micrograph.name}: ", "")) for line in lines if line]


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."


@lru_cache(maxsize=4)
def _weights(finds: Any, weights: str) -> tuple[Any, Card]:
    """Return a network and its card, read once."""
    return load_finder(weights, finds)
