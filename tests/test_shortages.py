"""What the system does not give, a reading disk or a thread, is no damage and no fault of dfdetect."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import av
import numpy as np
import pytest
from PIL import Image

from dfdetect import Detector, Reason
from dfdetect.batch.failures import died_result, raised_result
from dfdetect.batch.sources import find_media
from dfdetect.media import opening, video
from dfdetect.settings import Settings

DATA = Path(__file__).resolve().parents[1] / "data"


class Failing(io.BytesIO):
    """A file on a disk that fails from a place on."""

    def __init__(self, data: bytes, until: int) -> None:
        super().__init__(data)
        self._until = until

    def read(self, count: int | None = -1, /) -> bytes:
        data = super().read(count)
        if self.tell() > self._until:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data


@pytest.mark.parametrize(("form", "pictures"), [("PNG", 1), ("JPEG", 1), ("GIF", 1), ("GIF", 4), ("PNG", 4)])
def test_a_disk_that_fails_within_a_picture_is_told(form: str, pictures: int) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (pictures, 400, 400, 3), np.uint8)
    first, *others = (Image.fromarray(each) for each in noise)
    file = io.BytesIO()
    first.save(file, form, **({"save_all": True, "append_images": others} if others else {}))
    data = file.getvalue()
    for share in (0.5, 0.95):
        result = Detector(model="light").scan(Failing(data, int(len(data) * share)))
        assert result.reason is Reason.UNREADABLE
        assert "cannot be read (Input/output error): check the disk" in result.message


def test_a_folder_that_cannot_be_listed_to_its_end_is_no_folder_to_name_a_file_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir
    (tmp_path / "a.jpg").touch()

    @contextlib.contextmanager
    def scandir(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            yield from listing
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with real(path) as listing:
            yield entries()

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(find_media([str(tmp_path)])) == [str(tmp_path)]
    result = Detector(model="light").scan(tmp_path)
    assert result.reason is Reason.UNREADABLE
    assert result.message.startswith(f"'{tmp_path}' cannot be read (Input/output error)")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        RuntimeError("env.cc:327 PosixThread pthread_create failed, error code: 11"),
        BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)),
    ],
)
def test_a_thread_that_is_refused_is_no_fault_of_the_program(error: Exception) -> None:
    class Refused(Detector):
        def find_faces(self, *words: object, **options: object) -> NoReturn:
            raise error

    in_a_worker = raised_result("a.jpg", error, Settings(), 0.0)
    here = Refused(model="light").scan(DATA / "astronaut.jpg")
    for told in (in_a_worker, here):
        assert told.reason is Reason.OUT_OF_MEMORY
        assert "the system allows no more threads: raise 'ulimit -u'" in told.message


class Instead:
    """Something, but for what is given in its place."""

    def __init__(self, thing: Any, **others: Any) -> None:
        self._thing = thing
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._thing, name)


@pytest.mark.parametrize("decoding", [True, False])
def test_a_video_whose_decoder_is_refused_threads_is_not_damaged(
    decoding: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: object, **options: object) -> NoReturn:
        raise av.error.BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    real = opening.open_video

    def open_video(*words: Any) -> Any:
        opened = real(*words)
        context = Instead(opened.stream.codec_context, open=refuse, decode=refuse)
        return Instead(opened, stream=Instead(opened.stream, codec_context=context))

    if decoding:
        monkeypatch.setattr(video, "open_video", open_video)
    else:
        monkeypatch.setattr(video, "convert", refuse)
    result = Detector(model="light").scan(DATA / "moving.mp4")
    assert result.reason is Reason.OUT_OF_MEMORY
    assert "moving.mp4' cannot be decoded, the system allows no more threads" in result.message


def test_a_worker_that_has_used_up_its_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    limit = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda number: (limit, limit))
    killed = died_result("a.jpg", -signal.SIGKILL, Settings(), 1.0)
    assert "ulimit" not in killed.message
    limit = 60
    killed = died_result("a.jpg", -signal.SIGKILL, Settings(), 1.0)
    assert killed.reason is Reason.OUT_OF_MEMORY
    assert "memory ran out or the processor time that 'ulimit -t' allows" in killed.message
    ended = died_result("a.jpg", -signal.SIGXCPU, Settings(), 1.0)
    assert ended.reason is Reason.TIMED_OUT
    assert "the processor time that 'ulimit -t' allows was used up" in ended.message
