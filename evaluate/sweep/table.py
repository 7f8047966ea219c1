"""The table of a sweep for a terminal, and the figures of merit that it and the figure show."""

from collections.abc import Sequence

from stemforge.evaluate.sweep.result import Sweep

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


_SPREAD = "  ± over images"


def sweep_lines(result: Sweep) -> list[str]:
    """Lay out the first figure of merit, a row a method and a column a dose.

    Below each row, where several images are scored, the standard deviation over them.

    Examples
    --------
    >>> from stemforge.evaluate.sweep.result import Row
    >>> rows = [Row(dose, "atom-net", f"{n}", {"f1": dose / 1e5 + n / 10}) for dose in (1e4, 5e4) for n in (1, 2)]
    >>> for line in sweep_lines(Sweep("atom-net", "atoms", tuple(rows), {})):
    ...     print(line)
    F1                    10000    50000  e/Å²
    atom-net              0.250    0.650
      ± over images       0.071    0.071
    """
    metric, summary = SHOWN[result.finds][0], result.summary()
    rows = [row for row in summary if row["metric"] == metric]
    doses = sorted({row["dose"] for row in rows})
    named = [
        (NAMES.get(method, method), [row for row in rows if row["method"] == method])
        for method in methods(rows)
    ]
    named.append((LABELS["held"], [row for row in summary if row["metric"] == "held"]))
    width = max(len(name) for name in (*(name for name, _ in named), _SPREAD)) + 3
    lines = [f"{LABELS[metric]:<{width}}" + "".join(f"{dose:>9g}" for dose in doses) + "  e/Å²"]
    for name, found in named:
        for label, key in ((name, "mean"), (_SPREAD, "sd")):
            values = {row["dose"]: row[key] for row in found if row[key] is not None}
            cells = "".join(f"{values[dose]:>9.3f}" if dose in values else f"{'–':>9}" for dose in doses)
            lines += [f"{label:<{width}}{cells}"] if values else []
    return lines


def methods(rows: Sequence[dict]) -> list[str]:
    """Return the methods of a summary, the network first."""
    order = list(NAMES)
    found = {row["method"] for row in rows}
    return sorted(found, key=lambda name: (name in order, order.index(name) if name in order else name))
