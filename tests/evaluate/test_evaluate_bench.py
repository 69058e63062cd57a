"""What a command costs, where a scan's time goes, media of any length, and the tables."""

from __future__ import annotations

import builtins
import dataclasses
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dfdetect.cli.options import settings_from
from dfdetect.cli.scan import scan
from dfdetect.detector import Detector
from dfdetect.errors import InputError
from dfdetect.evaluate.bench import Bench, Case, Curve, Point, Runs, StageTime, scan_environment
from dfdetect.evaluate.bench_media import KINDS, loop, make_media, sample
from dfdetect.evaluate.bench_process import Run, run_command
from dfdetect.evaluate.bench_reference import read
from dfdetect.evaluate.bench_report import FORMS, render_json, render_markdown, render_svg
from dfdetect.evaluate.bench_stages import MEANINGS, Stage, Stopwatch, watched
from dfdetect.settings import Settings

MIB = 2**20
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a child's costs")


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@posix
def test_cost_of_a_command_is_its_own_and_its_childrens() -> None:
    ballast = np.ones(300 * MIB, np.uint8)  # the parent is large, the command is not
    child = "sum(i * i for i in range(2_000_000)); b = bytearray(b'1') * (90 << 20)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); sys.exit(3)"
    begin = time.perf_counter()
    done = run_command(python(program), os.environ)
    assert done.code == 3
    assert 0 < done.run.wall < time.perf_counter() - begin
    assert done.run.cpu is not None
    assert done.run.cpu > 0.05
    assert done.run.peak is not None
    assert 90 * MIB < done.run.peak < 200 * MIB < ballast.nbytes


def test_what_a_command_says_is_kept_and_a_missing_one_told() -> None:
    done = run_command(python("import sys; print('out'); sys.exit('wrong')"), os.environ)
    assert (done.code, done.stderr.strip()) == (1, "wrong")
    with pytest.raises(OSError, match="gone-program"):
        run_command(["gone-program"], os.environ)


@posix
def test_interruption_ends_the_command_and_its_children(tmp_path: Path) -> None:
    place = tmp_path / "pids"
    sleeper = f"import os, time; open({str(place)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(60)"
    command = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleeper!r}]); {sleeper}"
    program = (
        "import os, sys; from dfdetect.evaluate.bench_process import run_command;"
        f"run_command([sys.executable, '-c', {command!r}], os.environ)"
    )
    process = subprocess.Popen(python(program), stderr=subprocess.DEVNULL)
    while not place.exists() or len(place.read_text().split()) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    for pid in map(int, place.read_text().split()):
        deadline = time.monotonic() + 10
        while _alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and waits to be buried does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_time_of_an_inner_stage_is_taken_off_the_outer_one() -> None:
    watch = Stopwatch(Stage.START)
    begin = time.perf_counter()

    def slow_steps() -> Any:
        time.sleep(0.05)
        yield 1

    with watch.stage(Stage.SCORING):
        time.sleep(0.1)
        for _ in watch.pulled(Stage.DECODE, slow_steps)():
            time.sleep(0.1)
        watch.timed(Stage.TRACKING, time.sleep)(0.05)
        other = threading.Thread(target=watch.timed(Stage.VERDICT, time.sleep), args=(0.01,))
        other.start()
        other.join()
    watch.otherwise(Stage.REST)
    time.sleep(0.02)
    watch.lap()
    assert watch.wall[Stage.SCORING] >= 0.2
    assert watch.wall[Stage.DECODE] >= 0.05
    assert watch.wall[Stage.TRACKING] >= 0.05
    assert watch.wall[Stage.REST] >= 0.02
    assert watch.wall[Stage.VERDICT] == 0, "the other thread is not counted twice"
    assert sum(watch.wall.values()) == pytest.approx(time.perf_counter() - begin, abs=0.02)


def test_every_stage_of_a_real_scan_is_seen_and_the_clocks_are_taken_off() -> None:
    clip = str(sample("moving.mp4"))
    before = Detector(model="light").scan(clip)
    plain = Detector.scan, builtins.__import__
    watch = Stopwatch(Stage.START)
    with watched(watch) as scans:
        result = Detector(model="light").scan(clip)
    watch.lap()
    assert dataclasses.replace(result, elapsed=0.0) == dataclasses.replace(before, elapsed=0.0)
    assert scans == [{"kind": "video", "seconds": 3.0, "frames": 8, "faces": 8}]
    inside = {stage: watch.wall[stage] for stage in Stage if stage is not Stage.START}
    assert min(inside.values()) > 0
    assert inside[Stage.REST] < 0.3 * sum(inside.values()), "a stage's call has moved: see `watched`"
    assert (Detector.scan, builtins.__import__) == plain


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(model="light", frames=16, threads=1, heatmaps=True, threshold=0.25, start=1.5, end=9.0),
    ],
)
def test_a_scan_gets_these_settings_whatever_else_is_set(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dfdetect.toml").write_text("max_faces = 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        os,
        "environ",
        scan_environment(settings, {**os.environ, "DFDETECT_MIN_FACE": "99", "DFDETECT_JOBS": "7"}),
    )
    words = scan.make_context("scan", ["x"]).params
    assert (
        settings_from({field.name: words[field.name] for field in dataclasses.fields(Settings)}) == settings
    )
    assert words["jobs"] is None


def test_a_loop_repeats_the_packets_without_a_gap(tmp_path: Path) -> None:
    loop(sample("moving.mp4"), tmp_path / "long.mp4", 4)
    with av.open(str(tmp_path / "long.mp4")) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.dts is not None]
        unit = stream.time_base
    dts = [p.dts for p in packets]
    times = sorted(float(p.pts * unit) for p in packets)
    assert len(packets) == 4 * 36
    assert dts == sorted(set(dts))
    assert np.diff(times) == pytest.approx(1 / 12, abs=1e-3)
    result = Detector(model="light", frames=4).scan(str(tmp_path / "long.mp4"))
    assert result.media is not None
    assert result.media.duration == pytest.approx(12.0, abs=0.01)
    assert [len(track.faces) for track in result.tracks] == [4]


def test_the_crowd_is_one(tmp_path: Path) -> None:
    crowd = make_media("crowd", tmp_path)
    faces = sum(track.faces_found for track in Detector(model="light").scan(str(crowd)).tracks)
    assert faces >= 22
    assert [path.name for path in tmp_path.iterdir()] == ["crowd.jpg"]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set TMPDIR"):
        make_media("photo", tmp_path / "gone")


def test_the_reference_reads_a_photo_once_and_videos_evenly(tmp_path: Path) -> None:
    assert [picture.shape for picture in read(str(sample()), 16)] == [(512, 512, 3)]
    path = str(sample("moving.mp4"))
    with av.open(path) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    chosen = [
        int(np.argmin([np.abs(picture.astype(int) - other).mean() for other in pictures]))
        for picture in read(path, 4)
    ]
    assert chosen == pytest.approx([4, 13, 22, 31], abs=1)


@pytest.mark.slow
def test_the_reference_finds_and_scores_faces() -> None:
    if not all(
        importlib.util.find_spec(name) for name in ("torch", "torchvision", "timm", "facenet_pytorch")
    ):
        pytest.skip("the reference's packages are not installed")
    command = [sys.executable, "-m", "dfdetect.evaluate.bench_reference", str(sample()), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    _, faces, score = done.stdout.strip().split("\t")
    assert faces == "1"
    assert 0 <= float(score) <= 1


def runs(*walls: float) -> Runs:
    return Runs(tuple(Run(wall, 0.8 * wall, int(100 * wall) * MIB) for wall in walls))


@pytest.fixture
def found() -> Bench:
    stages = tuple(StageTime(stage, 0.1, 0.08, 1 / len(Stage)) for stage in Stage)
    clip = Case("clip", "10 s of video", 1, 8, 8, 10.0, runs(1, 1.5, 9), runs(6, 7.5, 12), stages)
    folder = Case("a|b`", "", 20, 20, 30, None, runs(4, 4, 4), None, stages)
    curve = Curve(
        tuple(Point(frames, 10.0, runs(0.5 + 0.1 * frames)) for frames in (1, 2, 4)),
        tuple(Point(8, seconds, runs(1.3)) for seconds in (10.0, 3600.0)),
    )
    return Bench(
        tool_version="1",
        model="light",
        model_version="2",
        settings=Settings().as_dict(),
        repeat=3,
        cores=2,
        jobs=2,
        threads="1",
        load=0.25,
        python="3.11",
        system="Linux x86_64",
        reference="cv2 and torch",
        cases=(clip, folder),
        curve=curve,
    )


def test_tables(found: Bench) -> None:
    lines = render_markdown(found).splitlines()
    assert lines[2:8] == [
        "- **program**: dfdetect 1, model `light 2`, engine onnxruntime, 8 frames of a video, Python 3.11",
        "- **machine**: Linux x86_64, 2 usable cores, load 0.2 before",
        "- **threads**: 1; of several files 2 at once",
        "- **runs**: medians of 3 runs in fresh processes, from start to exit; one more before them is not "
        "counted",
        "- **memory**: peak of the largest process",
        "- **reference**: cv2 and torch; as many frames, models loaded each time, its runs alternate with "
        "ours",
    ]
    assert "| `clip`, 10 s of video | 8 | 8 | 1.50 | 1.00–9.00 | 1.20 | 150 | 15 % of its length |" in lines
    assert "| `a\\|b'` | 20 | 30 | 4.00 | 4.00–4.00 | 3.20 | 400 | 5 files a second |" in lines
    assert "| `clip` | 7.50 | 6.00 | 750 | 5.0 | 5.0 | 20 % |" in lines
    share = "Share of the wall time of one more run, in one process (seconds; meanwhile of all threads)."
    assert lines[lines.index("## Where the time goes") + 2] == share
    assert f"| start-up | {' | '.join(['14 % (0.10; 0.08)'] * 2)} |" in lines
    assert "Processor time, seconds: 0.40 and 0.080 for every judged frame." in lines
    assert "| seconds of the file | 10 | 3600 |" in lines
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("| `")}
    assert widths == {9, 8}


def test_tables_without_what_was_not_measured(found: Bench) -> None:
    unknown = Runs((Run(1.0, None, None),))
    case = dataclasses.replace(found.cases[0], scan=unknown, reference=unknown)
    bare = dataclasses.replace(found, cases=(case,), curve=None, load=None, reference=None)
    text = render_markdown(bare)
    assert "| `clip` | 1.00 | – | – | 1.0 | – | – |" in text
    assert "grows with" not in text
    assert json.loads(render_json(bare))["cases"][0]["reference_to_scan"] == {
        "wall": 1.0,
        "cpu": None,
        "peak": None,
    }


def test_json_holds_every_run(found: Bench) -> None:
    document = json.loads(render_json(found))
    assert (document["format"], document["version"]) == ("dfdetect bench", "1.0")
    clip = document["cases"][0]
    assert clip["scan"]["wall"] == 1.5
    assert [run["wall"] for run in clip["scan"]["runs"]] == [1, 1.5, 9]
    assert clip["reference_to_scan"]["wall"] == 5
    assert clip["stages"][0] == {"stage": "start-up", "wall": 0.1, "cpu": 0.08, "share": round(1 / 7, 5)}
    assert document["curve"]["by_length"][1]["seconds"] == 3600


def test_curves_are_drawn_alike_every_time(found: Bench) -> None:
    pytest.importorskip("matplotlib")
    drawn = render_svg(found)
    assert drawn == render_svg(found)
    for text in ("judged frames", "minutes of the file", "Processor time in seconds", "8 judged frames"):
        assert text in drawn
    assert FORMS["svg"].needs_curve


def test_every_stage_and_every_kind_is_explained() -> None:
    assert set(MEANINGS) == set(Stage)
    assert all(kind.summary for kind in KINDS.values())
