"""The commands of this shelf: ``stemforge export-model`` and ``imagej-macro``."""

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


def imagej_macro(*, out: Path, weights: Path | None = None, replacing: Overwrite = Overwrite()) -> None:
    """Put "Find Atoms stemforge" and "Save Atoms stemforge" into the menu of ImageJ or Fiji, at the end of Plugins.

    The first asks for the pixel size where the image has none, finds the atoms of the frame that is shown, and draws
    them: rings, red where the likelihood is low and yellow where it is high, a selection of points, which the
    multi-point tool corrects, and the table. What stemforge says of the image stands in the log. The second writes the
    selection as labels. Restart ImageJ once after writing them; write them again after you have moved stemforge to
    another environment.

    Parameters
    ----------
    out
        ImageJ's folder of plugins, such as ~/Fiji.app/plugins; or any folder, from which ImageJ runs them by
        Plugins > Macros > Run.
    weights
        Weights file of a detector of your own, which is offered beside any-atom, atom-net and sac-cnn.
    """
    from stemforge.console import say
    from stemforge.infer.portable.macro import write_macros

    for path in write_macros(out, weights, overwrite=replacing.overwrite):
        say(f"wrote {path}")
