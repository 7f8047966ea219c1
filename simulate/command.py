"""The commands of this folder: ``stemforge new``, ``simulate``, ``plan`` and ``export``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from stemforge import simulate as room
from stemforge.console import console, say, status
from stemforge.corpus.reader import Corpus
from stemforge.corpus.writer import HEADER
from stemforge.errors import InputError, RecipeError, UnfinishedError
from stemforge.exchange.exported import WriterOptions
from stemforge.exchange.formats import FormatName
from stemforge.exchange.results import Sources, export_results
from stemforge.files import write_whole
from stemforge.options import (
    Boxes,
    Calibration,
    Files,
    JsonFile,
    Labels,
    Numbers,
    Overrides,
    Overwrite,
    PairedImages,
    Progress,
    Words,
    Workers,
    parse_overrides,
)
from stemforge.outputs.places import check_file


def new(
    *,
    support: str,
    out: Path,
    element: str | None = None,
    density: str | None = None,
    placement: str | None = None,
    particles: str | None = None,
    defect: Words | None = None,
    thickness: str | None = None,
    energy: float | None = None,
    semiangle: str | None = None,
    detector: str | None = None,
    sampling: float | None = None,
    dose: str | None = None,
    source_size: str | None = None,
    size: int = 512,
    num: int = 200,
    picture: bool = True,
    replacing: Overwrite = Overwrite(),
) -> None:
    """Write a recipe for your specimen and microscope, and a picture of one image of it.

    What you do not state gets a wide prior, or, where a recipe takes one number only, an assumed value; the recipe
    marks both. Most numbers can also be given as LOWEST,HIGHEST.

    Parameters
    ----------
    support
        What the atoms sit on: carbon, carbon-particle, c3n4; layers (graphene, hbn, mos2, ws2; several: graphene:3); a
        crystal with the face that the beam enters (mgo:001, ceo2:111, slab.cif:110); or a structure file that is taken
        as it is (slab.xyz).
    out
        The recipe, a new YAML file; the picture gets the same name and .png.
    element
        Chemical symbol of the single atoms; without it the specimen has none.
    density
        Single atoms per area [1/nm²].
    placement
        Where the single atoms sit: surface, volume, hollow, bridge, top, step or substitutional; by default where they
        usually do on the support.
    particles
        Nanoparticles, ELEMENT:DIAMETER [Å]: Au:20,60.
    defect
        Point defects, KIND:ELEMENT:DENSITY [1/nm²], such as vacancy:S:0.2 interstitial:N:0.1 substitution:Mo>W:0.05.
    thickness
        Thickness of the support along the beam [Å].
    energy
        Beam energy [eV].
    semiangle
        Convergence semiangle [mrad].
    detector
        Inner and outer angle of the annular detector [mrad]: 60,200.
    sampling
        Pixel size of the images [Å].
    dose
        Dose, incident electrons per area [e/Å²].
    source_size
        Full width at half maximum of the effective source [Å]: what blurs an atom beyond the probe.
    size
        Side of the images [pixel].
    num
        Images in a corpus.
    picture
        Simulate one image and draw it, cut to 15 nm; to 1.8 nm where the engine is one for crystals. Of a crystal for
        which that would take long the picture is a sum over atoms, up to 15 nm wide, and says so.
    """
    known = {"support": support, "element": element, "density": density, "placement": placement}
    others = {"particles": particles, "defects": defect or ()}
    optics = {"energy": energy, "semiangle": semiangle, "detector": detector, "sampling": sampling}
    recording = {"dose": dose, "source_size": source_size, "shape": (size, size), "num": num}
    request = room.RecipeRequest.from_mapping(
        {**known, **others, "thickness": thickness, **optics, **recording}, source="new"
    )
    check_file(out, "--out", [".yaml", ".yml"], overwrite=replacing.overwrite)
    image = out.with_suffix(".png")
    if picture:
        check_file(image, "--out", overwrite=replacing.overwrite)
    composed = room.compose_recipe(request)
    room.check_recipe(composed.recipe)
    write_whole(out, composed.text.encode())
    say(f"{out}: recipe '{composed.recipe.name}'")
    if composed.assumed:
        say(f"  not given, so wide or assumed: {', '.join(composed.assumed)}")
    if picture:
        with status("simulating one image …"):
            room.draw_preview(composed.recipe, image)
        say(f"{image}: one image of it")
    say(f"next: stemforge plan {out}, then stemforge simulate {out} --out CORPUS")


def simulate(
    recipe: str,
    /,
    *overrides: Overrides,
    out: Path,
    num: int | None = None,
    processes: Workers = Workers(),
    scheduler: str | None = None,
    retries: int = 2,
    audit: float | None = None,
    progress: Progress = Progress(),
) -> int:
    """Make a labelled corpus from a recipe, or what of it is still missing.

    Any field of the recipe can be set: `--microscope.energy 80e3 --scan.shape [256,256]`. Whatever ends a run, a full
    disk, Ctrl-C, a crash, what was finished is kept: run the same command again to go on. Of a set of recipes, such as
    any-atom, each makes a corpus OUT/NAME.

    Parameters
    ----------
    recipe
        A YAML file, or the name of a recipe that ships with stemforge (`stemforge recipe list` shows them).
    overrides
        Fields of the recipe by dotted name.
    out
        Folder of the corpus. Finished parts of the same recipe are kept.
    num
        Number of images; the recipe's by default. A larger number extends an existing corpus.
    scheduler
        Address (tcp://HOST:PORT) or scheduler file of a running dask cluster that does the work instead. Its workers
        must see the folder of the corpus under the same path.
    retries
        How often an image that fails is tried again before its shard is left out.
    audit
        Share of the finished images of which a piece is simulated again by the reference engine; the deviation is
        reported and kept in audit.json. 0.01 looks at one in a hundred.
    """
    values = parse_overrides(overrides)
    if num is not None:
        values["num_samples"] = num
    members, unfinished = room.load_recipes(recipe, values), []
    for name, settings in members.items():
        folder = out / name
        if settings.engine.name != "kernels" and not (progress.quiet or folder.exists()):
            say(
                f"{name or settings.name}: {settings.engine.title} takes seconds to minutes an image; stemforge plan, "
                "with the same recipe and options, says how long the corpus takes"
            )
        for guest in room.guest_visibility(settings):
            if guest.too_faint:
                say(f"{name or settings.name}: {guest}")
        try:
            corpus = room.simulate_corpus(
                settings,
                folder,
                workers=processes.workers,
                scheduler=scheduler,
                retries=retries,
                audit=audit,
                quiet=progress.quiet,
            )
        except KeyboardInterrupt:
            shards = f"{len(list(folder.glob('shard-*.h5')))} of {settings.num_shards} shards"
            say(f"stemforge: stopped; {shards} are in {folder}. Run the same command again to go on")
            return 130
        except (RecipeError, UnfinishedError) as error:
            # No failed image: a full disk or a lost cluster, with which the other recipes would fare no better.
            if len(members) == 1 or (isinstance(error, UnfinishedError) and not error.failures):
                raise
            say(f"{folder}: {str(error).rstrip('.')}; going on with the other recipes of the set")
            unfinished.append(name)
            continue
        _say_corpus(corpus, folder)
    if unfinished:
        raise UnfinishedError(
            f"{out}: no whole corpus of {', '.join(unfinished)}, for the reasons above; "
            f"{len(members) - len(unfinished)} of {len(members)} are whole. Mend the recipe, or run the "
            "same command again to go on"
        )
    return 0


def _say_corpus(corpus: Corpus, out: Path) -> None:
    labelled = corpus.labels_only()
    labels = sum(len(sample.labels) for sample in labelled)
    kind = "molecules" if labelled[0].labels.boxes is not None else "atoms"
    say(
        f"{out}: {len(corpus)} images, {labels} labelled {kind}; look at them with: "
        f"stemforge inspect {out} --figure {out.resolve().name}.png"
    )


def plan(
    recipe: str,
    /,
    *overrides: Overrides,
    num: int | None = None,
    max_error: float | None = None,
    out: Path = Path(),
    processes: Workers = Workers(),
    report: JsonFile = JsonFile(),
    progress: Progress = Progress(),
) -> None:
    """Say what a corpus will take before it is made: engine and its error, time, memory, disk.

    Nothing is written but what `--json` names. One sample is made to measure; where that would take longer than
    some 20 s, its cost is extrapolated from a small piece. On crystals `--max-error` takes minutes itself, as it
    compares engines.

    Parameters
    ----------
    recipe
        A YAML file, or the name of a recipe that ships with stemforge (`stemforge recipe list` shows them).
    overrides
        Fields of the recipe by dotted name.
    num
        Number of images; the recipe's by default.
    max_error
        Find the cheapest engine with this error at most: root mean square deviation from multislice, as a share of
        the image's standard deviation. The same as `--engine.name auto --engine.max_error`.
    out
        Folder of the corpus; its disk must have room.
    """
    if report.json is not None:
        check_file(report.json, "--json", [".json"], inputs=[Path(recipe)])
    settings = room.SimulationRecipe.load(recipe, parse_overrides(overrides))
    found = room.plan_corpus(
        settings, num=num, workers=processes.workers, folder=out, max_error=max_error, quiet=progress.quiet
    )
    if found.checks:
        _print_checks(found)
    say("\n".join(_plan_lines(found, max_error)))
    if report.json is not None:
        found.to_json(report.json)


def _print_checks(found: "room.CorpusPlan") -> None:
    from rich.table import Table

    table = Table(title="engines on a piece of the first sample, against the reference", title_justify="left")
    for heading in ("engine", "error", "level", "time", "reference"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    for check in found.checks:
        times = (f"{check.seconds:.2g} s", f"{check.reference_seconds:.2g} s")
        table.add_row(check.engine.title, f"{check.error:.2%}", f"{check.level:.3f}", *times)
    console.print(table)


def _plan_lines(found: "room.CorpusPlan", max_error: float | None) -> list[str]:
    engine = found.engine.model_dump(exclude_none=True, exclude={"name"})
    how = "measured on a sample" if found.measured else "extrapolated from a piece, to a factor of two"
    reason = (
        "the cheapest within the bound"
        if found.checks
        else "as the recipe says; --max-error measures its error"
    )
    return [
        f"{found.recipe}: {found.num_samples} images, {found.workers} workers",
        f"  engine   {found.engine.name} ({reason}): " + ", ".join(f"{k} {v}" for k, v in engine.items()),
        # Named, an engine is judged by rules, and not by its error on this specimen.
        *(
            []
            if max_error is None
            else [f"           use it with --engine.name auto --engine.max_error {max_error:g}"]
        ),
        f"  time     {_duration(found.seconds_per_sample)} an image and core, {_duration(found.seconds)} in all",
        f"  memory   {found.memory_per_worker / 1e9:.2f} GB a worker",
        f"  disk     {found.disk / 1e9:.2f} GB",
        f"  {how}",
        *(f"  guests   {guest}" for guest in found.guests),
    ]


def _duration(seconds: float) -> str:
    for length, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def export(
    found: Files,
    /,
    *,
    out: Path,
    format: FormatName,
    paired: PairedImages = PairedImages(),
    calibration: Calibration = Calibration(),
    dose: Numbers | None = None,
    clean: bool = False,
    seed: int | None = None,
    bits: Literal[8, 16] = 8,
    box: float = 3.0,
    molecules: Boxes = Boxes(),
    channel: str | None = None,
    min_cnr: float | None = None,
    vacancies: bool = False,
    labelling: Labels = Labels(),
    progress: Progress = Progress(),
) -> None:
    """Write a corpus, results or images for other programs: ImageJ, napari, QuPath, HyperSpy, OME, COCO, ASE.

    A corpus' images are degraded as its recipe says (the same for the same seed), four segments integrated to iDPC.

    Parameters
    ----------
    found
        One corpus; or folders of results as `stemforge infer` writes them, tables of points or boxes (CSV), and image
        files, or folders of them.
    out
        Folder for the export, new or empty.
    format
        coco: annotations.json and images/NAME.png. extxyz: structures.extxyz, the corpus' structures, or what was
        found at z = 0. geojson: NAME.geojson for QuPath. hyperspy: NAME.hspy with markers. imagej: NAME_rois.zip,
        NAME_results.csv, and NAME.tif where the image is known. napari: NAME_points.csv or NAME_shapes.csv, and
        NAME.tif likewise. ome-tiff: NAME.ome.tif; ome-zarr: NAME.ome.zarr; tiff: NAME.tif (32 bit, with pixel size);
        these three with NAME.csv (labels).
    dose
        Doses [e/Å²] at which every image of a corpus is exported, instead of the recipe's.
    clean
        Export the noise-free images of a corpus.
    seed
        Start of the random numbers: the same seed gives the same noise. By default the recipe's.
    bits
        Bits per pixel of COCO's pictures.
    box
        Side of the boxes around atoms in COCO [Å].
    channel
        Detector of a corpus that COCO's pictures show; the first by default.
    min_cnr
        Leave out a corpus' atoms, and vacancies, whose contrast-to-noise in the image is lower.
    vacancies
        Export a corpus' vacancies beside its atoms, as "S vacancy": where the recipe's defects removed an atom.
    """
    if dose and clean:
        raise InputError("give either --dose or --clean")
    values = {
        "format": format,
        "doses": dose or (),
        "clean": clean,
        "seed": seed,
        "bits": bits,
        "box": box,
        "boxes": room.BoxDefinition.parse(molecules.boxes or "van-der-waals").margin,
        "channel": channel,
        "min_cnr": min_cnr,
        "vacancies": vacancies,
    }
    settings = room.Export.from_mapping(values, source="export")
    sources = Sources(paired.images or (), calibration.sampling, labelling.label_unit)
    if len(found) == 1 and (found[0] / HEADER).is_file():
        _refuse_options(
            "a corpus",
            {
                "--images": paired.images,
                "--sampling": calibration.sampling,
                "--label-unit": sources.label_unit,
            },
        )
        contents = room.export_corpus(Corpus(found[0]), out, settings, quiet=progress.quiet)
    else:
        _refuse_options(
            "results",
            {
                "--dose": dose,
                "--clean": clean or None,
                "--seed": seed,
                "--boxes": molecules.boxes,
                "--channel": channel,
                "--min-cnr": min_cnr,
                "--vacancies": vacancies or None,
            },
        )
        options = WriterOptions(settings.bits, settings.box)
        contents = export_results(found, out, format, sources, options, quiet=progress.quiet)
    say(f"{out}: {contents} as {format}")


def _refuse_options(what: str, options: Mapping[str, object]) -> None:
    """Refuse options that say nothing of what is exported."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InputError(f"{given[0]} says nothing of {what}; leave it out")
