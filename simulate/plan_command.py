"""The command ``stemforge plan``."""

from pathlib import Path

from stemforge.options import Overrides, parse_overrides


def plan(
    recipe: str,
    /,
    *overrides: Overrides,
    num: int | None = None,
    workers: int | None = None,
    max_error: float | None = None,
    out: Path = Path(),
    json: Path | None = None,
) -> None:
    """Say what a corpus will take before it is made: engine and its error, time, memory, disk.

    Nothing is written but what `--json` names. One sample is made to measure; where that would take minutes, its
    cost is extrapolated from a small piece.

    Parameters
    ----------
    recipe
        A YAML file, or the name of a recipe that ships with stemforge.
    overrides
        Fields of the recipe by dotted name.
    num
        Number of images; the recipe's by default.
    workers
        Processes; by default one for each core.
    max_error
        Find the cheapest engine with this error at most: root mean square deviation from multislice, as a share of
        the image's standard deviation. The same as `--engine.name auto --engine.max_error`.
    out
        Where the corpus will go; its disk must have room.
    json
        Write the plan to this file, too.
    """
    from rich.table import Table

    from stemforge.console import console
    from stemforge.simulate.recipe import SimulationRecipe
    from stemforge.simulate.running.corpus import usable_cores
    from stemforge.simulate.running.cost import plan_corpus

    settings = SimulationRecipe.load(recipe, parse_overrides(overrides))
    processes = usable_cores() if workers is None else workers
    with console.status("measuring one sample, and engines on a piece of it …"):
        found = plan_corpus(settings, num=num, workers=processes, folder=out, max_error=max_error)
    if found.checks:
        table = Table(
            title="engines on a piece of the first sample, against the reference", title_justify="left"
        )
        for heading in ("engine", "error", "level", "time", "reference"):
            table.add_column(heading, justify="left" if heading == "engine" else "right")
        for check in found.checks:
            times = (f"{check.seconds:.2g} s", f"{check.reference_seconds:.2g} s")
            table.add_row(check.engine.title, f"{check.error:.2%}", f"{check.level:.3f}", *times)
        console.print(table)
    engine = found.engine.model_dump(exclude_none=True, exclude={"name"})
    how = "measured on a sample" if found.measured else "extrapolated from a piece, to a factor of two"
    reason = (
        "the cheapest within the bound"
        if found.checks
        else "as the recipe says; --max-error measures its error"
    )
    lines = [
        f"{found.recipe}: {found.num_samples} images, {found.workers} workers",
        f"  engine   {found.engine.name} ({reason}): " + ", ".join(f"{k} {v}" for k, v in engine.items()),
        f"  time     {_duration(found.seconds_per_sample)} an image and core, {_duration(found.seconds)} in all",
        f"  memory   {found.memory_per_worker / 1e9:.2f} GB a worker",
        f"  disk     {found.disk / 1e9:.2f} GB",
        f"  {how}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
    if json is not None:
        found.to_json(json)


def _duration(seconds: float) -> str:
    for length, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
