"""Power loss at any moment: each shard is whole or found missing, and the same call makes the rest.

Corpora are written while every operation on the file system is recorded. Then the disk is made as it may be found
after the power went off behind any of them: writes that were not fsynced are lost, cut off, or in other blocks than
those before them; new names, renames and removals in a folder that was not fsynced are lost, each by itself.
"""

import errno
import io
import itertools
import os
import shutil
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile

import stemforge.files
from stemforge import Corpus, CorpusError, CorpusWriter, WriteError, merge_corpora, verify_corpus
from stemforge.corpus.ingest import ingest_images
from stemforge.corpus.writer import shard_number
from stemforge.files import PARTIAL

BLOCK = 512
RECIPE = {"num_samples": 6, "shard_size": 2}


class Recorder:
    """Writes down what is done to the files below a folder: ``operations``, in order."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.operations = []
        self.numbers = itertools.count()
        self.before = {}  # what each name led to at first: the number of a file, None for a folder
        self.contents = {}  # what was in those files
        for path in sorted(self.root.rglob("*")):
            self.before[path] = next(self.numbers) if path.is_file() else None
            if path.is_file():
                self.contents[self.before[path]] = path.read_bytes()
        self.files = {path: number for path, number in self.before.items() if number is not None}

    def _inside(self, path):
        path = Path(path).absolute()
        return path if path.is_relative_to(self.root) else None

    def note(self, kind, *what):
        self.operations.append((kind, *what))

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        calls = {io: ("open",), os: ("open", "fsync", "replace", "rename", "unlink", "mkdir", "rmdir")}
        for module, name in ((module, name) for module, names in calls.items() for name in names):
            self._wrap(module, name)
        return self

    def __exit__(self, *_):
        self.patch.undo()

    def _wrap(self, module, name):
        original = getattr(module, name)
        after = getattr(self, f"_{module.__name__}_{name}")
        self.patch.setattr(module, name, lambda *args, **kwargs: after(original, *args, **kwargs))

    def _io_open(self, original, path, mode="r", *args, **kwargs):
        inside = None if isinstance(path, int) else self._inside(path)
        # A temporary file, by which is tried whether a folder can be written to, is gone before anything counts.
        if inside is None or "opener" in kwargs or not set(mode) & set("wxa+"):
            return original(path, mode, *args, **kwargs)
        assert "b" in mode
        assert not set(mode) & set("a+")
        raw = RecordedFile(self, inside, mode.replace("b", ""))
        return io.BufferedWriter(raw)

    def _os_open(self, original, path, flags, *args, **kwargs):
        written = flags & (os.O_WRONLY | os.O_RDWR) and self._inside(path) is not None
        assert not written or Path(path).name.startswith("tmp")
        return original(path, flags, *args, **kwargs)

    def _os_fsync(self, original, handle):
        original(handle)
        path = self._inside(Path(f"/proc/self/fd/{handle}").readlink())
        if path is not None and path.is_dir():
            self.note("sync folder", path)
        elif path is not None:
            self.note("sync", self.files[path])

    def _os_replace(self, original, old, new, **kwargs):
        original(old, new, **kwargs)
        old, new = self._inside(old), self._inside(new)
        self.files[new] = self.files.pop(old)
        self.note("rename", old, new, self.files[new])

    _os_rename = _os_replace

    def _os_unlink(self, original, path, **kwargs):
        original(path, **kwargs)
        if inside := self._inside(path):
            del self.files[inside]
            self.note("unlink", inside)

    def _os_mkdir(self, original, path, *args, **kwargs):
        original(path, *args, **kwargs)
        if inside := self._inside(path):
            self.note("mkdir", inside)

    def _os_rmdir(self, original, path, **kwargs):
        original(path, **kwargs)
        if inside := self._inside(path):
            self.note("rmdir", inside)


class RecordedFile(io.FileIO):
    """A file below the recorder's folder that is opened to be written anew."""

    def __init__(self, recorder, path, mode):
        super().__init__(path, mode)
        self.recorder = recorder
        if path in recorder.files:
            recorder.note("truncate", recorder.files[path])
        else:
            recorder.files[path] = next(recorder.numbers)
            recorder.note("create", path, recorder.files[path])
        self.number = recorder.files[path]

    def write(self, content):
        place = self.tell()
        written = super().write(content)
        self.recorder.note("write", self.number, place, bytes(content[:written]))
        return written


class Crash:
    """What the disk holds when the power goes off behind the first ``count`` operations.

    ``fate`` says what became of what was not fsynced: "lost", "kept", or each by itself as random numbers say.
    """

    def __init__(self, recorder, count, fate, rng=None):
        self.recorder, self.fate, self.rng = recorder, fate, rng
        self.operations = recorder.operations[:count]
        self.promised = [
            what[0].relative_to(recorder.root) for kind, *what in self.operations if kind == "promised"
        ]
        names = self._names()
        reached = [
            path
            for path in sorted(names)
            if all(p in names for p in path.parents if recorder.root in p.parents)
        ]
        # What no name leads to from the root is lost. None stands for a folder.
        self.disk = {
            path.relative_to(recorder.root): None if names[path] is None else self._content(names[path])
            for path in reached
        }

    def _kept(self, chance=0.5):
        return self.fate == "kept" or (self.fate == "random" and self.rng.random() < chance)

    def _content(self, number):
        """Return the bytes of a file: those that were fsynced, and of the others what reached the disk."""
        durable = current = self.recorder.contents.get(number, b"")
        sizes = [len(durable)]
        for kind, *what in self.operations:
            if not what or what[0] != number:
                continue
            if kind == "truncate":
                current = b""
            elif kind == "write":
                _, place, content = what
                current = current[:place].ljust(place, b"\0") + content + current[place + len(content) :]
            elif kind == "sync":
                durable, sizes = current, []
            sizes.append(len(current))
        if self.fate != "random":
            return current if self.fate == "kept" else durable
        if durable == current:
            return current
        # The size on the disk is any that the file had, or in between; each block has the new bytes, the old, or none.
        size = int(self.rng.choice([*sizes, self.rng.integers(max(sizes) + 1)]))
        made = bytearray(durable[:size].ljust(size, b"\0"))
        whole = self.rng.random() < 0.2
        for place in range(0, size, BLOCK):
            if whole or self.rng.random() < 0.6:
                piece = current[place : min(place + BLOCK, size)]
                made[place : place + len(piece)] = piece
        return bytes(made)

    def _names(self):
        """Return what every folder lists: names with the numbers of files, None for folders."""
        waiting = {}
        names = dict(self.recorder.before)
        for kind, *what in self.operations:
            if kind == "create":
                waiting.setdefault(what[0].parent, []).append([(what[0], what[1])])
            elif kind == "mkdir":
                waiting.setdefault(what[0].parent, []).append([(what[0], None)])
            elif kind in ("unlink", "rmdir"):
                waiting.setdefault(what[0].parent, []).append([(what[0], "gone")])
            elif kind == "rename":
                waiting.setdefault(what[1].parent, []).append([(what[1], what[2]), (what[0], "gone")])
            elif kind == "sync folder":
                for change in waiting.pop(what[0], []):
                    names.update(change)
        for changes in waiting.values():
            for change in changes:
                if self._kept():
                    # A simple file system may get no further than the new name.
                    half = self.fate == "random" and len(change) == 2 and self.rng.random() < 0.2
                    names.update(change[:1] if half else change)
        return {path: number for path, number in names.items() if number != "gone"}

    def make(self, target):
        """Write what is on the disk to a folder."""
        for path, content in self.disk.items():
            if content is None:
                (target / path).mkdir()
            else:
                (target / path).write_bytes(content)


def record(root, work):
    """Carry out some work on a folder; return what it did to the disk."""
    with Recorder(root) as recorder:
        work(root, lambda path: recorder.note("promised", Path(path).resolve()))
    return recorder


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def faults_after(crash, target, work, corpus, versions):
    """Make a disk, look at it as a user would, and finish the work on it; yield all that is wrong.

    ``versions`` are the bytes that each file may have: before the work or after it.
    """
    crash.make(target)
    folder = target / corpus
    found = {path: content for path, content in crash.disk.items() if content is not None}
    final = versions[-1]
    for path in crash.promised:
        if found.get(path) != final[path]:
            yield f"{path} was finished, and is {'damaged' if path in found else 'lost'}"
    wrong = {
        p.name for p, content in found.items() if content not in [version.get(p) for version in versions]
    }
    wrong = {name for name in wrong if not name.endswith(PARTIAL)}
    for name in wrong:
        yield f"{name} is not whole"
    present = {p.name for p in found if shard_number(p.name) is not None}
    try:
        faults = verify_corpus(folder)
        noticed = {fault.path.name for fault in faults if fault.kind in ("damaged", "header")}
        if wrong - noticed:
            yield f"verify takes {wrong - noticed} for whole"
        shards = {p: content for p, content in final.items() if shard_number(p.name) is not None}
        lacks = any(found.get(path) != content for path, content in shards.items())
        # A corpus whose header has not grown yet lacks nothing.
        if (
            lacks
            and all(found.get(p) == content for p, content in final.items() if p not in shards)
            and "missing" not in {fault.kind for fault in faults}
        ):
            yield "verify does not see what is missing"
    except CorpusError:
        if present:
            yield "verify finds no corpus, though there are shards"
    try:
        sound = {sample.index for sample in Corpus(folder)}
        if sound and wrong & present:
            yield "damaged shards are read"
    except CorpusError:
        pass
    try:
        work(target, lambda path: None)
    except CorpusError as error:
        yield f"the work cannot be finished: {error}"
        return
    if tree(target) != final:
        yield "the finished corpus has other bytes, or other files"
    elif verify_corpus(folder) or len(Corpus(folder)) < 4:
        yield "the finished corpus is not sound"


def fates(count, random):
    """Yield moments and what became of things; the same ones on every run."""
    for moment in range(count + 1):
        yield moment, "lost", None
        yield moment, "kept", None
        for number in range(random):
            yield moment, "random", np.random.default_rng([moment, number])


def search(tmp_path, work, corpus="corpus", before=None, random=12):
    """Try all moments of some work; return the number of different disks and what was wrong with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            os, "fsync", lambda handle: None
        )  # the disk is made up: no need to wait for the real one
        return _search(tmp_path, work, corpus, before, random)


def _search(tmp_path, work, corpus, before, random):
    root, other = tmp_path / "root", tmp_path / "finished"
    for folder in (root, other):
        if before is None:
            folder.mkdir()
        else:
            shutil.copytree(before, folder)
    start = tree(root)
    recorder = record(root, work)
    work(other, lambda path: None)
    final = tree(other)
    assert tree(root) == final
    assert any(operation[0] == "promised" for operation in recorder.operations)
    wrong, tried = Counter(), set()
    for moment, fate, rng in fates(len(recorder.operations), random):
        crash = Crash(recorder, moment, fate, rng)
        disk = (tuple(crash.promised), tuple(crash.disk.items()))
        if disk not in tried:
            target = tmp_path / f"crashed-{len(tried)}"
            target.mkdir()
            wrong.update(faults_after(crash, target, work, corpus, (start, final)))
            tried.add(disk)
    return len(tried), wrong


@pytest.fixture
def simulation(writer, sample):
    """Function that makes a corpus as a simulation does: what is missing or not full, one shard after the other."""

    def make(num_samples=6, corpus="corpus"):
        recipe = RECIPE | {"num_samples": num_samples}

        def work(root, promise):
            target = writer(root / corpus, recipe)
            promise(target.folder / "recipe.yaml")
            with target.alone():
                for shard in range(-(-num_samples // 2)):
                    numbers = range(2 * shard, min(2 * shard + 2, num_samples))
                    if target.count(shard) < len(numbers):
                        target.write(shard, [sample(i) for i in numbers])
                    promise(target.path(shard))

        return work

    return make


@pytest.mark.slow
def test_a_new_corpus(tmp_path, simulation):
    disks, wrong = search(tmp_path, simulation())
    assert not wrong
    assert disks >= 40


@pytest.mark.slow
def test_a_new_corpus_in_new_folders(tmp_path, simulation):
    """No folder above a finished shard may be lost."""
    corpus = "tuesday/night/corpus"
    disks, wrong = search(tmp_path, simulation(corpus=corpus), corpus)
    assert not wrong
    assert disks >= 40


@pytest.mark.slow
def test_a_corpus_that_is_extended(tmp_path, simulation):
    """The last shard was not full and is made again, under the same name."""
    before = tmp_path / "before"
    before.mkdir()
    simulation(3)(before, lambda path: None)
    disks, wrong = search(tmp_path, simulation(6), before=before)
    assert not wrong
    assert disks >= 30


@pytest.mark.slow
def test_power_loss_while_going_on_after_power_loss(tmp_path, simulation):
    work = simulation()
    root = tmp_path / "first"
    root.mkdir()
    recorder = record(root, work)
    disks = 0
    for moment in range(3, len(recorder.operations), 4):
        before = tmp_path / f"disk-{moment}"
        before.mkdir()
        Crash(recorder, moment, "random", np.random.default_rng(moment)).make(before)
        place = tmp_path / f"again-{moment}"
        place.mkdir()
        number, wrong = search(place, work, before=before, random=6)
        disks += number
        assert not wrong
    assert disks >= 150


@pytest.mark.slow
def test_a_merge(tmp_path, simulation, writer, sample):
    parts = []
    for name in "ab":
        target = writer(tmp_path / name, {"name": name}, hash=name * 64)
        for shard in range(2):
            target.write(shard, [sample(5 * shard + i) for i in range(5)])
        parts.append(Corpus(target.folder))

    def work(root, promise):
        merged = merge_corpora(parts, root / "corpus", quiet=True)
        for path in merged.folder.iterdir():
            promise(path)

    disks, wrong = search(tmp_path, work)
    assert not wrong
    assert disks >= 24


@pytest.mark.slow
def test_images_that_are_ingested(tmp_path):
    for name in ("1_a", "2_b", "3_c", "4_d"):
        image = np.random.default_rng(int(name[0])).integers(0, 255, (20, 20)).astype("u1")
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
        (tmp_path / f"{name}.csv").write_text("x_px,y_px\n3,4\n")
    images, labels = sorted(tmp_path.glob("*.tif")), sorted(tmp_path.glob("*.csv"))

    def work(root, promise):
        corpus = ingest_images(images, labels, root / "corpus")
        for path in corpus.folder.iterdir():
            promise(path)

    disks, wrong = search(tmp_path, work, random=12)
    assert not wrong
    assert disks >= 45


def unsynced_file(path, *parts):
    partial = Path(path).with_suffix(PARTIAL)
    partial.write_bytes(b"".join(parts))
    partial.replace(path)
    stemforge.files._sync_folder(Path(path).parent)


def unsynced_folder(path, *parts):
    partial = Path(path).with_suffix(PARTIAL)
    with partial.open("wb") as stream:
        stream.write(b"".join(parts))
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def in_place(path, *parts):
    with Path(path).open("wb") as stream:
        stream.write(b"".join(parts))
        stream.flush()
        os.fsync(stream.fileno())
    stemforge.files._sync_folder(Path(path).parent)


@pytest.mark.parametrize(
    ("wrong_writer", "says"),
    [(unsynced_file, "is not whole"), (unsynced_folder, "is lost"), (in_place, "is not whole")],
)
def test_writers_that_forget_something_are_found(tmp_path, simulation, monkeypatch, wrong_writer, says):
    """The control: what the checker is worth."""
    monkeypatch.setattr("stemforge.corpus.writer.write_whole", wrong_writer)
    monkeypatch.setattr("stemforge.files.write_whole", wrong_writer)
    _, wrong = search(tmp_path, simulation(), random=2)
    assert any(says in fault for fault in wrong)


def test_a_forgotten_folder_is_found(tmp_path, simulation, monkeypatch):
    monkeypatch.setattr("stemforge.corpus.writer.make_folder", lambda f: f.mkdir(parents=True, exist_ok=True))
    _, wrong = search(tmp_path, simulation(), random=0)
    assert any("is lost" in fault for fault in wrong)


@pytest.mark.parametrize(
    ("code", "written"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)]
)
def test_a_file_system_that_syncs_no_folders(tmp_path, simulation, monkeypatch, code, written):
    """Some network file systems cannot; a disk that fails is another matter."""
    sync = os.fsync

    def refusing(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        sync(handle)

    monkeypatch.setattr(os, "fsync", refusing)
    if written:
        simulation()(tmp_path, lambda path: None)
        assert verify_corpus(tmp_path / "corpus") == []
    else:
        with pytest.raises(WriteError, match="cannot be written"):
            simulation()(tmp_path, lambda path: None)


def test_two_merges_into_one_folder(tmp_path, writer, sample):
    target = writer(tmp_path / "part")
    target.write(0, [sample(0), sample(1)])
    merged = merge_corpora([Corpus(target.folder)], tmp_path / "merged", quiet=True)
    (merged.folder / f"shard-000000.0a1b{PARTIAL}").write_bytes(b"half")
    with (
        CorpusWriter(merged.folder, merged.recipe, merged.recipe_hash).alone(),
        pytest.raises(CorpusError, match="another run is writing"),
    ):
        merge_corpora([Corpus(target.folder)], merged.folder, quiet=True)
    assert verify_corpus(merged.folder) == []


def traced(folder):
    """Make a corpus below a folder and write what the recorder noted: run by the test below."""
    from stemforge import Annotations, Sample

    def work(root, promise):
        image = np.ones((1, 8, 8), "f4")
        writer = CorpusWriter(root / "new" / "corpus", {"name": "demo"}, "0" * 64)
        writer.write(0, [Sample(0, image, 0.3, ("HAADF",), Annotations([]))])
        (writer.folder / f"a{PARTIAL}").write_bytes(b"half")
        writer.remove_partials()

    for kind, *_ in record(Path(folder), work).operations:
        sys.stdout.write(f"{kind}\n")


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace, which shows what the system saw, is missing"
)
def test_the_recorder_misses_nothing(tmp_path):
    """The control: the system saw the same operations in the same order."""
    log = tmp_path / "log"
    (tmp_path / "root").mkdir()
    calls = "openat,write,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,pwrite64,writev"
    code = f"import runpy; runpy.run_path({__file__!r})['traced']({str(tmp_path / 'root')!r})"
    command = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-o",
        str(log),
        "-e",
        f"trace={calls}",
        sys.executable,
        "-c",
        code,
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "ptrace" in result.stderr and "not permitted" in result.stderr:
        pytest.skip("strace may not look at processes here")
    assert result.returncode == 0, result.stderr
    noted = Counter(line.split()[0] for line in result.stdout.splitlines())
    lines = [
        line
        for line in log.read_text().splitlines()
        if str(tmp_path / "root") in line and "= -1" not in line and "/corpus/tmp" not in line
    ]
    expected = {
        "create": sum("O_CREAT" in line for line in lines),
        "write": sum("write" in line.split("(")[0] for line in lines),
        "sync": sum("sync(" in line for line in lines),
        "rename": sum("rename" in line.split("(")[0] for line in lines),
        "unlink": sum("unlink" in line.split("(")[0] for line in lines),
        "rmdir": sum("rmdir" in line.split("(")[0] for line in lines),
        "mkdir": sum("mkdir" in line.split("(")[0] for line in lines),
    }
    assert noted == expected
    assert expected["sync"] >= 6
