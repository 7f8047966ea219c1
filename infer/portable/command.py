"""The command of this shelf: ``stemforge export-model``."""

from pathlib import Path

from stemforge.options import Overwrite


def export_model(weights: Path, /, *, out: Path, replacing: Overwrite = Overwrite()) -> None:
    """Write a detector of atoms for programs without stemforge: ONNX, torch.export, or a package for bioimage.io.

    One file holds preparation, network, smoothing, calibration and the search for peaks, for images of any size. It is
    run on two images when it has been written, and refused where its likelihoods differ from stemforge's by more than
    1e-4. The image must have the network's pixel size, which stands in the file's metadata with everything else that is
    to be done before and after; examples/onnx_atoms.py does it with numpy and onnxruntime alone.

    Parameters
    ----------
    weights
        A stemforge weights file, or the name of weights that come with stemforge: any-atom or atom-net.
    out
        File to write: .onnx; .pt2, which torch.export.load reads; or .zip, a package for bioimage.io. The first and the
        last need `pip install "stemforge[onnx]"`.
    """
    from stemforge.console import say, status
    from stemforge.infer.portable.formats import export_detector

    with status("writing the detector, and running it beside stemforge's …"):
        made = export_detector(weights, out, overwrite=replacing.overwrite)
    say(f"wrote {made.path}; its likelihoods differ from stemforge's by {made.difference:.1e} at most")
