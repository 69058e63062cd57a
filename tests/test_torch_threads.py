"""torch's number of threads is the program's own again after whatever dfdetect computes with torch."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfdetect import Detector
from dfdetect.torch_threads import torch_threads

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(autouse=True)
def four() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def threads() -> int:
    import torch

    return torch.get_num_threads()


def of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(threads()))
    thread.start()
    thread.join()
    return found[0]


def test_the_engine_computes_on_its_own_number_and_puts_back_the_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("onnx")
    from dfdetect.scoring.torch_graph import TorchGraph

    run, seen = TorchGraph.run, []

    def watched(self: TorchGraph, *args: Any) -> Any:
        seen.append(threads())
        return run(self, *args)

    monkeypatch.setattr(TorchGraph, "run", watched)
    assert Detector(model="light", engine="torch", threads=1).scan(DATA / "astronaut.jpg").label
    assert set(seen) == {1}
    assert (threads(), of_a_new_thread()) == (4, 4)


def test_the_reference_detector_does_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("torchvision", "facenet_pytorch")):
        pytest.skip("the reference detector is not installed")
    from dfdetect.faces.torchvision_nms import ensure_torchvision

    ensure_torchvision()
    from facenet_pytorch import MTCNN as theirs

    detect, seen = theirs.detect, []

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(threads())
        return detect(self, *args, **kwargs)

    monkeypatch.setattr(theirs, "detect", watched)
    assert Detector(model="light", detector="facenet-pytorch", threads=1).scan(DATA / "astronaut.jpg").label
    assert set(seen) == {1}
    assert (threads(), of_a_new_thread()) == (4, 4)


def test_what_overlaps_in_several_threads_leaves_the_programs_number() -> None:
    within, over = threading.Event(), threading.Event()

    def longer() -> None:
        with torch_threads(2):
            within.set()
            over.wait(20)

    thread = threading.Thread(target=longer)
    with torch_threads(1):
        thread.start()
        assert within.wait(20)
    over.set()
    thread.join()
    assert (threads(), of_a_new_thread()) == (4, 4)
