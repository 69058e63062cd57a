from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.media.ahead import Ahead


@given(st.lists(st.integers()))
def test_the_items_are_the_same(items: list[int]) -> None:
    assert list(Ahead(iter(items))) == items


def test_the_source_runs_ahead_but_not_far() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    items = Ahead(source())
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert made == [0, 1, 2]
    items.close()
    assert "dfdetect-decode" not in {thread.name for thread in threading.enumerate()}


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise MemoryError("full")

    items = Ahead(source())
    assert next(items) == 1
    with pytest.raises(MemoryError, match="full"):
        next(items)


def test_closing_closes_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = Ahead(source())
    next(items)
    items.close()
    assert closed.is_set()


def test_it_begins_before_it_is_asked() -> None:
    begun = threading.Event()

    def source() -> Iterator[int]:
        begun.set()
        yield 1

    items = Ahead(source())
    assert begun.wait(5)
    items.close()
    items.close()
    assert list(items) == []
