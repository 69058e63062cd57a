"""``dfdetect train`` on a user's clips, start to finish, killed in the middle and taken up again."""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dfdetect.scoring.models import hash_file
from tests.train.faces import make_crop_folder

DATA = Path(__file__).resolve().parents[2] / "data"
SAMPLES = {
    "astronaut.jpg": "real",
    "astronaut_forged.jpg": "fake",
    "moving.mp4": "real",
    "moving_forged.mp4": "fake",
}


def make_media(root: Path) -> Path:
    """A small folder as a user has it: clips, photos and a ``labels.csv``."""
    root.mkdir()
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label"])
        for name, label in SAMPLES.items():
            shutil.copy(DATA / name, root)
            writer.writerow([name, label])
    return root


def command(media: Path, out: Path, work: Path, steps: int) -> list[str]:
    sets = {
        "backbone": '"test_efficientnet"',
        "crops": '[{"align": "five_point", "size": 64, "zoom": 0.9}]',
        "batch": "8",
    }
    words = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    head = [sys.executable, "-m", "dfdetect", "train", str(media), "--out", str(out), "--work", str(work)]
    return [*head, "--steps", str(steps), *words]


ORPHAN = """
import multiprocessing, os, signal, sys, time
from pathlib import Path
from dfdetect.faces.crop import CropSpec
from dfdetect.train import loop
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import read_faces

def die(*_):
    time.sleep(3)  # more batches than their pipe holds are waiting now
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

loop._loss = die
recipe = Recipe("test_efficientnet", crops=(CropSpec("five_point", 64, 0.9),), batch=8, steps=99, **{
    "self_blend": 0, "warp": 0, "swap": 0})
loop.train(read_faces(sys.argv[1]), {}, {}, recipe, Path(sys.argv[2]), workers=2)
"""
"""A training that is killed in its first step, after it has told its loader processes."""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="training needs timm")
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_a_killed_training_leaves_no_loader_process_behind(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ORPHAN, str(make_crop_folder(tmp_path / "crops")), str(tmp_path / "run")]
    # Into files: whoever is left behind would hold a pipe open.
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        done = subprocess.run(words, stdout=out, stderr=err, check=False)
    assert done.returncode == -signal.SIGKILL, (tmp_path / "err").read_text()
    loaders = [int(word) for word in (tmp_path / "out").read_text().split()]
    assert len(loaders) == 2
    until = time.monotonic() + 20
    while (left := [pid for pid in loaders if alive(pid)]) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="training needs timm")
@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_training_survives_kill_9(tmp_path: Path) -> None:
    media = make_media(tmp_path / "media")
    # One thread: sums of several threads may differ in the last bit from run to run.
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = subprocess.run(
        command(media, tmp_path / "whole", tmp_path / "work1", 160),
        env=quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    assert whole.returncode == 0, whole.stderr
    words = command(media, tmp_path / "broken", tmp_path / "work2", 160)
    checkpoint = tmp_path / "work2" / "run" / "checkpoint.pt"
    with subprocess.Popen(words, env=quiet, stderr=subprocess.PIPE, start_new_session=True) as process:
        until = time.monotonic() + 300
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "broken").exists()
    again = subprocess.run(words, env=quiet, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "step 160/160" in again.stderr
    assert "step 50/160" not in again.stderr  # it went on, not from the start
    assert hash_file(tmp_path / "broken" / "model.onnx") == hash_file(tmp_path / "whole" / "model.onnx")
    scan = [sys.executable, "-m", "dfdetect", "scan", str(DATA / "astronaut.jpg"), "--model"]
    done = subprocess.run([*scan, str(tmp_path / "broken")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "uncertain" in done.stdout
