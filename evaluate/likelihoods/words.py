"""The result of calibrating a detector, in words."""

from stemforge.evaluate.atoms.scores import format_score
from stemforge.evaluate.likelihoods.choosing import ThresholdCalibration


def describe_calibration(calibration: ThresholdCalibration) -> str:
    """Return threshold, F1, calibration error and false atoms as one line of text."""
    parts = [f"threshold {calibration.best:g}"]
    if calibration.min_expected_f1 is not None:
        parts[0] += f", images that promise an F1 of {calibration.min_expected_f1:g} one of their own"
    f1 = format_score(*calibration.chosen_f1)
    parts.append(f"F1 {f1} on {calibration.images} held-out images")
    if calibration.chosen_false is not None:
        parts.append(f"{calibration.chosen_false:.4f} found falsely per nm² of the control")
    if calibration.before is not None and calibration.after is not None:
        before, after = calibration.before.error, calibration.after.error
        parts.append(f"calibration error {before:.3f} before, {after:.3f} after")
    return "; ".join(parts)
