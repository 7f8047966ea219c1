"""The command of this folder: ``stemforge simulate``."""

from pathlib import Path

from stemforge.options import Overrides, parse_overrides


def simulate(
    recipe: str,
    /,
    *overrides: Overrides,
    out: Path,
    num: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    retries: int = 2,
    audit: float | None = None,
    quiet: bool = False,
) -> int:
    """Make a labelled corpus from a recipe, or what of it is still missing.

    Any field of the recipe can be set: `--microscope.energy 80e3 --scan.shape [256,256]`. Whatever ends a run, a full
    disk, Ctrl-C, a crash, what was finished is kept: run the same command again to go on.

    Parameters
    ----------
    recipe
        A YAML file, or the name of a recipe that ships with stemforge: pt-nc, fe-c3n4, zsm5-idpc,
        zsm5-columns, quickstart.
    overrides
        Fields of the recipe by dotted name.
    out
        Folder of the corpus. Finished parts of the same recipe are kept.
    num
        Number of images; the recipe's by default. A larger number extends an existing corpus.
    workers
        Processes on this machine; by default one for each core.
    scheduler
        Address (tcp://HOST:PORT) or scheduler file of a running dask cluster that does the work instead. Its workers
        must see the folder of the corpus under the same path.
    retries
        How often an image that fails is tried again before its shard is left out.
    audit
        Share of the finished images of which a piece is simulated again by the reference engine; the deviation is
        reported and kept in audit.json. 0.01 looks at one in a hundred.
    quiet
        Show no progress.
    """
    from stemforge.console import console
    from stemforge.simulate.recipe import SimulationRecipe
    from stemforge.simulate.running.audit import audit_samples, audited_samples
    from stemforge.simulate.running.corpus import simulate_corpus

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    values = parse_overrides(overrides)
    if num is not None:
        values["num_samples"] = num
    settings = SimulationRecipe.load(recipe, values)
    audited = [] if audit is None else audited_samples(settings, audit)
    try:
        corpus = simulate_corpus(
            settings, out, workers=workers, scheduler=scheduler, retries=retries, quiet=quiet
        )
    except KeyboardInterrupt:
        shards = len(list(out.glob("shard-*.h5")))
        of = -(-settings.num_samples // settings.shard_size)
        say(f"stemforge: stopped; {shards} of {of} shards are in {out}. Run the same command again to go on")
        return 130
    labelled = corpus.labels_only()
    labels = sum(len(sample.labels) for sample in labelled)
    kind = "molecules" if labelled[0].labels.boxes is not None else "atoms"
    say(f"{out}: {len(corpus)} images, {labels} labelled {kind}; look at them with: stemforge inspect {out}")
    if audited:
        found = audit_samples(settings, corpus.labels_only(), audited, quiet=quiet)
        found.to_json(out / "audit.json")
        say(f"audit: {found}; {out / 'audit.json'}")
    return 0
