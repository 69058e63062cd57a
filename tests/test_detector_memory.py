"""Short memory, whatever it is called by the library that ran out of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect import Detector, Reason
from dfdetect.batch.failures import raised_result
from dfdetect.results import Face
from dfdetect.settings import Settings

DATA = Path(__file__).resolve().parents[1] / "data"


def of_opencv(size: tuple[int, int]) -> Exception:
    with pytest.raises(cv2.error) as caught:
        cv2.resize(np.zeros((10, 10), np.uint8), size)
    return caught.value


SHORT = [
    MemoryError(),
    of_opencv((2**30, 2**18)),
    ImportError("x.so: failed to map segment from shared object"),
    ImportError("libav.so: cannot open shared object file: Cannot allocate memory"),
]


@pytest.mark.parametrize("error", SHORT, ids=lambda error: type(error).__name__)
def test_short_memory_is_no_fault_of_the_program(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    told = raised_result("a.jpg", error, Settings(), 0.0)
    assert told.reason is Reason.OUT_OF_MEMORY
    assert "scan fewer files at a time (--jobs)" in told.message

    def find(image: NDArray[np.uint8], at_least: float = 0.0, tiny: bool = True) -> list[Face]:
        raise error

    detector = Detector(model="light")
    monkeypatch.setattr(detector, "find_faces", find)
    result = detector.scan(DATA / "astronaut.jpg")
    assert result.reason is Reason.OUT_OF_MEMORY
    assert "scan fewer files at a time" in result.message


@pytest.mark.parametrize(
    "error", [of_opencv((0, 0)), ImportError("no module named 'av'"), ValueError("cannot allocate memory")]
)
def test_other_errors_stay_what_they_are(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert raised_result("a.jpg", error, Settings(), 0.0).reason is Reason.CRASHED

    def find(image: NDArray[np.uint8], at_least: float = 0.0, tiny: bool = True) -> list[Face]:
        raise error

    detector = Detector(model="light")
    monkeypatch.setattr(detector, "find_faces", find)
    with pytest.raises(type(error)):
        detector.scan(DATA / "astronaut.jpg")
