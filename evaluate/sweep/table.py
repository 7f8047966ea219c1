"""The table of a sweep for a terminal, and the figures of merit that it and the figure show."""

from collections.abc import Sequence

from stemforge.evaluate.sweep.doses import Sweep

SHOWN = {
    "atoms": ("f1", "precision", "recall", "placement_px"),
    "images": ("ssim", "psnr", "vif", "mse"),
    "molecules": ("ap", "ap50", "ar"),
}
LABELS = {
    "f1": "F1",
    "ssim": "SSIM",
    "psnr": "PSNR [dB]",
    "vif": "VIF",
    "mse": "MSE (0–255 grey)",
    "held": "in the interval",
    "ap": "AP@[.5:.95]",
    "ap50": "AP50",
    "ar": "AR",
    "placement_px": "localisation error [px]",
}
NAMES = {
    "raw": "raw",
    "gaussian": "Gaussian",
    "wiener": "Wiener",
    "tv": "total variation",
    "bm3d": "BM3D",
    "noise2self": "Noise2Self",
    "pca": "PCA",
    "ica": "ICA",
}


def sweep_lines(result: Sweep) -> list[str]:
    """Lay out the first figure of merit, a row a method and a column a dose."""
    metric = SHOWN[result.finds][0]
    rows = [row for row in result.summary() if row["metric"] == metric]
    doses = sorted({row["dose"] for row in rows})
    lines = [f"{LABELS[metric]:<18}" + "".join(f"{dose:>9g}" for dose in doses) + "  e/Å²"]
    for method in methods(rows):
        values = {row["dose"]: row["mean"] for row in rows if row["method"] == method}
        cells = "".join(f"{values[dose]:>9.3f}" if dose in values else f"{'–':>9}" for dose in doses)
        lines.append(f"{NAMES.get(method, method):<18}{cells}")
    held = {row["dose"]: row["mean"] for row in result.summary() if row["metric"] == "held"}
    if held:
        cells = "".join(f"{held[dose]:>9.3f}" if dose in held else f"{'–':>9}" for dose in doses)
        lines.append(f"{LABELS['held']:<18}{cells}")
    return lines


def methods(rows: Sequence[dict]) -> list[str]:
    """Return the methods of a summary, the network first."""
    order = list(NAMES)
    found = {row["method"] for row in rows}
    return sorted(found, key=lambda name: (name in order, order.index(name) if name in order else name))
