"""How fast this installation scans, from start to exit, where the time goes, and how a plain pipeline fares.

Every run is ``dfdetect scan`` in a fresh process, as a user would start it; where a reference is asked for,
its runs alternate with ours, so that whatever else the machine does meets both.  Figures are medians.  Where
the time goes comes from one more run of the same command, in one process, with a clock around its stages.
"""

from __future__ import annotations

import json
import os
import platform
import site
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfdetect import __version__
from dfdetect.batch.resources import default_jobs, usable_cores
from dfdetect.config_values import PREFIX
from dfdetect.errors import DfdetectError, ExitCode, InputError
from dfdetect.evaluate.bench_media import KINDS, loop, make_media, make_talk
from dfdetect.evaluate.bench_process import Finished, Run, run_command
from dfdetect.evaluate.bench_reference import check_reference, describe_reference
from dfdetect.evaluate.bench_stages import Stage
from dfdetect.names import plural, printable
from dfdetect.scoring.models import load_model
from dfdetect.settings import Settings

REPEAT = 5
"""Counted runs of each command."""
CURVE_FRAMES = (1, 2, 4, 8, 16, 32, 64)
CURVE_SECONDS = (10, 60, 300, 1200, 3600)
_DONE = (ExitCode.CLEAN, ExitCode.FOUND, ExitCode.UNJUDGED)
# Without -P code in the current folder would be run for ours.
_MODULE = (sys.executable, "-P", "-m")


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of the same command."""

    runs: tuple[Run, ...]

    @property
    def wall(self) -> float:
        """Median of the seconds from start to exit."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float | None:
        """Median of the seconds of processor time, where the system tells them."""
        values = [run.cpu for run in self.runs if run.cpu is not None]
        return statistics.median(values) if values else None

    @property
    def peak(self) -> float | None:
        """Median of the bytes at the peak of the largest process, where the system tells them."""
        values = [run.peak for run in self.runs if run.peak is not None]
        return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True)
class StageTime:
    """What one stage took in the run with clocks."""

    stage: Stage
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor time, of all threads meanwhile."""
    share: float
    """Of all wall seconds, 0–1."""


@dataclass(frozen=True, slots=True)
class Case:
    """One file or folder: what was in it and what scanning it cost."""

    name: str
    summary: str
    files: int
    frames: int
    """Pictures in which faces were looked for."""
    faces: int
    """Faces found in them."""
    seconds: float | None
    """Length of all videos together; None without any, or beside photos."""
    scan: Runs
    reference: Runs | None
    """None where it was not asked for or cannot be waited for."""
    stages: tuple[StageTime, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve."""

    frames: int
    """Judged pictures."""
    seconds: float
    """Length of the file."""
    scan: Runs


@dataclass(frozen=True, slots=True)
class Curve:
    """How the cost grows with the judged frames, and with the length of the file."""

    by_frames: tuple[Point, ...]
    by_length: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """All figures of one benchmark, and the circumstances."""

    tool_version: str
    model: str
    model_version: str
    settings: Mapping[str, object]
    repeat: int
    cores: int
    """Cores that may be used."""
    jobs: int
    """Worker processes where there are several files."""
    threads: str
    """Threads of engines and decoders, in words."""
    load: float | None
    """Processes that wanted a core just before, on average over a minute; None where unknown."""
    python: str
    system: str
    reference: str | None
    """Its parts, in words."""
    cases: tuple[Case, ...]
    curve: Curve | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured."""

    paths: tuple[str, ...] = ()
    """Files and folders."""
    kinds: tuple[str, ...] = ()
    """Names of made media (`dfdetect.evaluate.bench_media.KINDS`)."""
    reference: bool = False
    curve: bool = False
    repeat: int = REPEAT
    curve_frames: tuple[int, ...] = CURVE_FRAMES
    curve_seconds: tuple[int, ...] = CURVE_SECONDS
    """Multiples of ten."""


@dataclass(slots=True)
class _Bench:
    """One benchmark under way."""

    wanted: Wanted
    settings: Settings
    folder: Path
    """For what is made meanwhile."""
    env: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.env = scan_environment(self.settings, os.environ)


def run_bench(wanted: Wanted, settings: Settings) -> Bench:
    """Measure what is wanted; tells its progress on standard error.

    Media are made in the system's temporary folder and deleted again, also after Ctrl-C.

    Raises before the first run `InputError` for a path that does not exist, `ModelError` for a model that
    cannot be used, and `MissingExtraError` when the reference is wanted and not installed; later
    `DfdetectError` when a scan or the reference fails.
    """
    card = load_model(settings.model).card
    if wanted.reference:
        check_reference()
    for path in wanted.paths:
        if not os.path.exists(path):
            raise InputError(f"'{printable(path)}' does not exist")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with tempfile.TemporaryDirectory(prefix="dfdetect-bench-") as folder:
        bench = _Bench(wanted, settings, Path(folder))
        cases = tuple(_cases(bench))
        curve = _curve(bench) if wanted.curve else None
    return Bench(
        tool_version=__version__,
        model=card.name,
        model_version=card.version,
        settings=settings.as_dict(),
        repeat=wanted.repeat,
        cores=usable_cores(),
        jobs=default_jobs(),
        threads=_threads(settings),
        load=load,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        reference=describe_reference() if wanted.reference else None,
        cases=cases,
        curve=curve,
    )


def scan_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` in which ``dfdetect scan`` has these settings, whatever the user has configured.

    A new interpreter finds this package in it, also where it was found in the current folder.
    """
    env = {name: value for name, value in environ.items() if not name.upper().startswith(PREFIX)}
    env[PREFIX + "NO_CONFIG"] = "1"
    default = Settings().as_dict()
    for name, value in settings.as_dict().items():
        if value != default[name]:
            env[PREFIX + name.upper()] = str(int(value) if isinstance(value, bool) else value)
    home = os.path.realpath(Path(__file__).parents[2])
    # Installed packages are found anyway, and before the standard library they could hide parts of it.
    if home not in map(os.path.realpath, [*site.getsitepackages(), site.getusersitepackages()]):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [home, env.get("PYTHONPATH")]))
    return env


def _cases(bench: _Bench) -> Iterable[Case]:
    for path in bench.wanted.paths:
        yield _case(bench, os.path.basename(os.path.abspath(path)), "", os.path.abspath(path), True)
    for name in bench.wanted.kinds:
        _tell(f"{name}: making {KINDS[name].summary}")
        made = make_media(name, bench.folder)
        yield _case(bench, name, KINDS[name].summary, str(made), KINDS[name].reference)


def _case(bench: _Bench, name: str, summary: str, path: str, reference: bool) -> Case:
    reference = reference and bench.wanted.reference
    _tell(f"{name}: {plural(bench.wanted.repeat, 'run')}{', each beside the reference' if reference else ''}")
    ours, theirs = _alternate(bench, path, reference)
    stages, scans = _stages(bench, path)
    lengths = [scan["seconds"] for scan in scans]
    case = Case(
        name=name,
        summary=summary,
        files=len(scans),
        frames=sum(int(scan["frames"]) for scan in scans),
        faces=sum(int(scan["faces"]) for scan in scans),
        seconds=sum(lengths) if lengths and all(lengths) else None,
        scan=ours,
        reference=theirs,
        stages=stages,
    )
    beside = f", reference {theirs.wall:.2f} s" if theirs else ""
    _tell(f"{name}: {ours.wall:.2f} s{beside}")
    return case


def _alternate(bench: _Bench, path: str, reference: bool) -> tuple[Runs, Runs | None]:
    """The counted runs, after one of each that is not: files and programs are then in the system's cache."""
    ours: list[Run] = []
    theirs: list[Run] = []
    for _ in range(bench.wanted.repeat + 1):
        ours.append(_scan(bench, path))
        if reference:
            theirs.append(_reference(bench, path))
    return Runs(tuple(ours[1:])), Runs(tuple(theirs[1:])) if reference else None


def _scan(bench: _Bench, path: str, **changes: int) -> Run:
    env = scan_environment(bench.settings.replace(**changes), os.environ) if changes else bench.env
    return _checked(run_command([*_MODULE, "dfdetect", "scan", path], env), "the scan", _DONE)


def _reference(bench: _Bench, path: str) -> Run:
    words = [path, "--frames", str(bench.settings.frames), "--threads", str(bench.settings.threads)]
    command = [*_MODULE, "dfdetect.evaluate.bench_reference", *words]
    return _checked(run_command(command, bench.env), "the reference", (0,))


def _stages(bench: _Bench, path: str) -> tuple[tuple[StageTime, ...], list[dict[str, Any]]]:
    target = bench.folder / "stages.json"
    program = [*_MODULE, "dfdetect.evaluate.bench_stages", str(target)]
    done = run_command([*program, "scan", "--jobs", "0", path], bench.env)
    run = _checked(done, "the scan", _DONE)
    found = json.loads(target.read_text("utf-8"))
    walls = {stage: found["stages"][stage][0] for stage in Stage}
    cpus = {stage: found["stages"][stage][1] for stage in Stage}
    # What the clocks did not see is the interpreter's start and its end.
    walls[Stage.START] += max(0.0, run.wall - sum(walls.values()))
    cpus[Stage.START] += max(0.0, (run.cpu or 0.0) - sum(cpus.values()))
    total = sum(walls.values())
    times = [StageTime(stage, walls[stage], cpus[stage], walls[stage] / total) for stage in Stage]
    return tuple(times), found["scans"]


def _curve(bench: _Bench) -> Curve:
    """Scans of talks of all lengths, and of one with more and more frames; all in turn, as many times."""
    wanted = bench.wanted
    _tell(f"curve: making talks of up to {max(wanted.curve_seconds) // 60} min")
    once = bench.folder / "talk.mp4"
    make_talk(once)
    talks = {seconds: bench.folder / f"talk-{seconds}.mp4" for seconds in sorted(wanted.curve_seconds)}
    for seconds, path in talks.items():
        loop(once, path, seconds // 10)
    first = min(talks)
    plan = [(frames, first) for frames in wanted.curve_frames]
    plan += [(bench.settings.frames, seconds) for seconds in talks]
    _tell(f"curve: {plural(len(plan), 'scan')}, {plural(wanted.repeat, 'time')}")
    runs: list[list[Run]] = [[] for _ in plan]
    for _ in range(wanted.repeat + 1):
        for found, (frames, seconds) in zip(runs, plan, strict=True):
            found.append(_scan(bench, str(talks[seconds]), frames=frames))
    # As everywhere, the first of each is not counted.
    points = [Point(*place, Runs(tuple(found[1:]))) for place, found in zip(plan, runs, strict=True)]
    many = len(wanted.curve_frames)
    return Curve(tuple(points[:many]), tuple(points[many:]))


def _checked(finished: Finished, what: str, codes: Sequence[int]) -> Run:
    if finished.code in codes:
        return finished.run
    if finished.code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    lines = finished.stderr.strip().splitlines() or [f"exit status {finished.code}"]
    raise DfdetectError(f"{what} failed: {printable(lines[-1])}")


def _threads(settings: Settings) -> str:
    said = f"{settings.threads}" if settings.threads else "chosen by the program"
    limits = [f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS",) if name in os.environ]
    return ", ".join([said, *limits])


def _tell(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
