"""File objects that are used wrongly, or offer little."""

import io
import os
from types import SimpleNamespace

import pytest
from make import encode, quarters

from dfdetect.errors import MediaError
from dfdetect.media.reader import open_media
from dfdetect.media.source import make_source
from dfdetect.results import Reason
from dfdetect.settings import Settings


def png() -> bytes:
    return encode(quarters(), "PNG")


def test_what_is_no_source_is_told_all_that_is():
    with pytest.raises(TypeError, match="from list: pass a path, bytes, a binary file, an array or a Pillow"):
        open_media([], Settings())


def test_a_file_that_is_open_for_writing_only_is_the_callers_fault(tmp_path):
    for mode in ("wb", "w"):
        with (tmp_path / "a.bin").open(mode) as file, pytest.raises(TypeError, match="not open for reading"):
            make_source(file)
    number, other = os.pipe()
    os.close(number)
    with open(other, "wb") as file, pytest.raises(TypeError, match="not open for reading"):
        make_source(file)


def test_a_stream_that_was_not_rewound_is_told_from_an_empty_one():
    file = io.BytesIO()
    file.write(png())
    with pytest.raises(
        MediaError, match=r"present position of the stream: call its seek\(0\) first"
    ) as caught:
        make_source(file)
    assert caught.value.reason is Reason.EMPTY
    assert file.tell() == len(png())


def test_a_file_object_needs_no_more_than_reading_seeking_and_telling():
    file = io.BytesIO(png())
    bare = SimpleNamespace(
        read=file.read, tell=file.tell, seekable=file.seekable, seek=lambda *to: (file.seek(*to), None)[1]
    )
    with open_media(bare, Settings()) as media:
        assert len(list(media.frames())) == 1
    assert file.tell() == 0
