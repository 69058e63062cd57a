import errno
import io
import os
import tempfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import encode, quarters, video
from PIL import Image

from dfdetect.errors import MediaError
from dfdetect.media.reader import open_media
from dfdetect.media.sniff import Family, sniff
from dfdetect.media.source import SharedFile, View, make_source
from dfdetect.names import printable
from dfdetect.results import Reason
from dfdetect.settings import Settings


def reason(source: object) -> Reason:
    with pytest.raises(MediaError) as caught, open_media(source, Settings(frames=16)) as media:
        list(media.frames())
    assert ": " in caught.value.message  # what is wrong: what to do
    return caught.value.reason


def png() -> bytes:
    return encode(quarters(), "PNG")


def test_missing_and_forbidden(tmp_path):
    assert reason(tmp_path / "nothing.jpg") is Reason.MISSING
    assert reason("https://example.org/clip.mp4") is Reason.MISSING
    assert reason("zero\x00byte.jpg") is Reason.MISSING
    assert reason(tmp_path) is Reason.UNSUPPORTED
    assert reason("x" * 300 + ".jpg") is Reason.MISSING
    path = tmp_path / "secret.png"
    path.write_bytes(png())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert reason(path) is Reason.NOT_PERMITTED


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert reason(tmp_path / "pipe") is Reason.UNSUPPORTED


def test_empty(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert reason(tmp_path / "empty.jpg") is Reason.EMPTY
    assert reason(b"") is Reason.EMPTY
    assert reason(io.BytesIO()) is Reason.EMPTY


@pytest.mark.parametrize(
    "data",
    [
        b"this is no picture\n" * 20,
        "Kein Bild, sondern Text: äöü €\n".encode() * 10,
        "utf-16 text".encode("utf-16"),
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"PK\x03\x04" + bytes(100),
        bytes(5000),
        b"ffconcat version 1.0\nfile other.mp4\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:3.0,\nfile:///etc/passwd\n\x00",
        b"x",
    ],
)
def test_not_media(data):
    assert reason(data) is Reason.NOT_MEDIA


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04" + bytes(100), "a ZIP archive or an Office document"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "an old Office document"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    ],
)
def test_a_document_is_called_what_people_call_it(data, what):
    with pytest.raises(MediaError, match=f" is {what}: take the photo or video out of it"):
        open_media(data, Settings())


def test_a_playlist_in_disguise_opens_no_other_file(tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(video([quarters()] * 3))
    # Zero bytes keep it from being taken for text, so that FFmpeg sees it.
    assert reason(f"ffconcat version 1.0\nfile '{clip}'\n#".encode() + bytes(200)) is Reason.NOT_MEDIA


def test_files_are_read_from_where_they_are_and_left_there():
    file = io.BytesIO(b"header" + png())
    file.seek(6)
    with open_media(file, Settings(frames=16)) as media:
        assert len(list(media.frames())) == 1
        assert media.info.size_bytes is None
    assert file.tell() == 6
    with open_media(png(), Settings(frames=16)) as media:
        assert media.info.container == "png"


def test_a_stream_that_cannot_seek():
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._data = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return self._data.readinto(buffer)

    for data, frames in ((png(), 1), (video([quarters()] * 3), 3)):
        with open_media(Pipe(data), Settings(frames=16)) as media:
            assert len(list(media.frames())) == frames


def test_wrong_types_are_the_callers_fault(tmp_path):
    with pytest.raises(TypeError, match="int"):
        open_media(3, Settings(frames=16))
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.txt").open() as text, pytest.raises(TypeError, match="text mode"):
        open_media(text, Settings(frames=16))


class Upload:
    """As web frameworks hand them out: its `read` may be asynchronous."""

    async def read(self, size=-1):
        return b""


@pytest.mark.filterwarnings("error")
def test_what_reads_no_bytes_is_named():
    with pytest.raises(TypeError, match="asynchronous: pass what"):
        open_media(Upload(), Settings(frames=16))
    with pytest.raises(TypeError, match="reads list, not bytes"):
        open_media(SimpleNamespace(read=lambda size: [1]), Settings(frames=16))


def test_odd_names(tmp_path):
    for name in ("名前 é.jpg", "%03d.png", "a:b.mp4", "-", "pipe:0", b"\xff\xfe.jpg"):
        path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
        with open(path, "wb") as file:
            file.write(png())
        with open_media(os.fsdecode(path), Settings(frames=16)) as media:
            assert len(list(media.frames())) == 1
        with open(path, "wb") as file:
            file.write(video([quarters()] * 2))
        with open_media(os.fsdecode(path), Settings(frames=16)) as media:
            assert len(list(media.frames())) == 2


def test_names_look_as_in_the_reports():
    for name in ("bad\nna\tme\x1b.jpg", "\udcff\ud800\u202e\u2028\x9f", "名前\u3000\xa0é", "back\\slash"):
        with pytest.raises(MediaError) as caught:
            make_source(f"no-such-folder/{name}")
        assert f"'no-such-folder/{printable(name)}'" in caught.value.message
    letters = "".join(map(chr, [*range(1, 0x3001), *range(0xD800, 0xE000), 0xFEFF, 0x1F600]))
    with pytest.raises(MediaError) as caught:
        make_source(letters)
    assert printable(letters) in caught.value.message


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_to_nothing_is_called_one(tmp_path):
    (tmp_path / "link.jpg").symlink_to("nothing.jpg")
    with pytest.raises(MediaError, match="is a link to a file that does not exist") as caught:
        make_source(tmp_path / "link.jpg")
    assert caught.value.reason is Reason.MISSING


@given(st.binary(min_size=1, max_size=300), st.lists(st.tuples(st.integers(-400, 400), st.integers(0, 2))))
def test_a_view_is_a_file_of_fixed_size(data, moves):
    raw = io.BytesIO(b"before" + data + b"after")
    shared, model = SharedFile(raw, close=True), io.BytesIO(data)
    view = View(shared, 6, len(data))
    shared.let_go()
    for offset, whence in moves:
        base = (0, model.tell(), len(data))[whence]
        if base + offset < 0:
            with pytest.raises(OSError, match="beginning"):
                view.seek(offset, whence)
            continue
        assert view.seek(offset, whence) == model.seek(offset, whence)
        assert view.read(7) == model.read(7)
    view.close()
    assert raw.closed


def test_a_growing_file_has_the_size_it_had(tmp_path):
    path = tmp_path / "growing.bin"
    path.write_bytes(b"abc")
    source = make_source(path)
    with path.open("ab") as file:
        file.write(b"def")
    with source.open() as view:
        assert view.read() == b"abc"


STARTS = [
    b"",
    b"\xff\xd8\xff\xe0\x00\x10JFIF",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"GIF89a",
    b"II*\x00",
    b"BM",
    b"RIFF\x00\x00\x00\x00WEBPVP8X",
    b"RIFF\x00\x00\x00\x00AVI LIST",
    b"\x00\x00\x00\x18ftypmp42",
    b"\x00\x00\x00\x18ftypavif",
    b"\x00\x00\x00\x10moov",
    b"\x1a\x45\xdf\xa3",
    b"FLV\x01\x05",
    b"OggS",
    b"ID3",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
    b"\x00\x00\x00\x01\x67",
    b"DKIF",
    b"YUV4MPEG2 W8 H8\n",
]


@settings(max_examples=150, deadline=5000)
@given(st.sampled_from(STARTS), st.binary(max_size=3000))
def test_random_bytes_raise_nothing_but_media_errors(start, rest):
    with suppress(MediaError), open_media(start + rest, Settings(frames=16)) as media:
        assert all(frame.image.ndim == 3 for frame in media.frames())


@settings(max_examples=60, deadline=10_000)
@given(st.data())
def test_damaged_media_raise_nothing_but_media_errors(data):
    whole = data.draw(st.sampled_from(damageable()))
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 12))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    content = bytes(broken[:cut] if data.draw(st.booleans()) else broken)
    with suppress(MediaError), open_media(content, Settings(frames=4)) as media:
        times = [frame.time for frame in media.frames()]
        assert times == sorted(set(times))
        assert media.info.frames_sampled == len(times) > 0


def damageable(cache: list[bytes] = []) -> list[bytes]:  # noqa: B006  (made once)
    if not cache:
        pictures = [quarters()] * 6
        cache += [png(), video(pictures), video(pictures, form="matroska"), video(pictures, form="mpegts")]
        cache += [
            video(pictures, codec="mpeg2video", form="mpeg"),
            video(pictures, codec="mjpeg", form="avi", pix_fmt="yuvj420p"),
        ]
        cache += [encode(quarters(), form) for form in ("JPEG", "WEBP", "TIFF", "GIF", "AVIF")]
        first, *rest = [Image.fromarray(quarters()), Image.new("RGB", (96, 64), "navy")] * 2
        cache += [
            encode(first, form, save_all=True, append_images=rest, duration=80)
            for form in ("GIF", "WEBP", "PNG")
        ]
    return cache


def test_sniffing_tells_families():
    assert sniff(png()).format == "png"
    assert sniff(video([quarters()])).format == "mp4"
    assert sniff(video([quarters()], form="mov")).format == "mov"
    assert sniff(video([quarters()], form="matroska")).format == "matroska"
    assert sniff(video([quarters()], codec="libvpx", form="webm")).format == "webm"
    assert sniff(video([quarters()] * 9, form="mpegts")).format == "mpegts"
    assert sniff(b"YUV4MPEG2 W8 H8\nFRAME\n").family is Family.VIDEO
    assert sniff(b"BM is how this text begins").family is Family.TEXT


def test_a_source_keeps_one_file_open_until_nobody_reads_it(tmp_path):
    path = tmp_path / "there.bin"
    path.write_bytes(b"abcdef")
    folder = "/proc/self/fd"
    if not os.path.isdir(folder):
        pytest.skip("this system does not list open files")

    def count() -> int:
        paths = (f"{folder}/{name}" for name in os.listdir(folder))
        return sum(os.path.realpath(link) == str(path) for link in paths if os.path.islink(link))

    source = make_source(path)
    views = [source.open() for _ in range(3)]
    assert count() == 1
    assert [view.read(2) for view in views] == [b"ab"] * 3
    assert [view.read(2) for view in views] == [b"cd"] * 3
    source.close()
    source.close()
    assert [view.read(2) for view in views] == [b"ef"] * 3
    for view in views:
        view.close()
    assert count() == 0
    for _ in range(3):
        with pytest.raises(ValueError, match="closed"):
            source.open()
    make_source(path)  # forgotten
    assert count() == 0


def test_readers_in_several_threads_do_not_disturb_each_other():
    data = bytes(range(256)) * 4096
    source = make_source(io.BytesIO(data))

    def read(step: int) -> bytes:
        with source.open() as view:
            return b"".join(iter(lambda: view.read(step), b""))

    with ThreadPoolExecutor(4) as threads:
        assert all(found == data for found in threads.map(read, [997, 1009, 1013, 1019] * 4))


class Breaking(io.RawIOBase):
    """Reads well up to a place, and after it raises something of its own."""

    def __init__(self, data: bytes, until: int, error: Exception, seeks: bool) -> None:
        self._data, self._until, self._error, self._seeks = io.BytesIO(data), until, error, seeks

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seeks

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._data.seek(offset, whence)

    def tell(self) -> int:
        return self._data.tell()

    def readinto(self, buffer) -> int:
        if self._data.tell() + len(buffer) > self._until:
            raise self._error
        return self._data.readinto(buffer)


@pytest.mark.parametrize(
    "error", [EOFError("cut short"), zlib.error("bad data"), zipfile.BadZipFile("bad sum")]
)
@pytest.mark.parametrize("until", [0, 70_000])
def test_what_a_stream_raises_is_a_failure_to_read(error, until):
    data = png() + bytes(200_000)
    for seeks in (True, False):
        with pytest.raises(MediaError, match=str(error)) as caught:
            list(make_source(Breaking(data, until, error, seeks)).chunks(65_536))
        assert caught.value.reason is Reason.UNREADABLE
    assert reason(Breaking(video([quarters()] * 3), 0, error, True)) is Reason.UNREADABLE


def test_wrong_use_of_a_stream_raises():
    closed = io.BytesIO(png())
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        make_source(closed)
    with pytest.raises(MemoryError):
        list(make_source(Breaking(png(), 0, MemoryError(), True)).chunks())


def test_a_broken_pipe_leaves_no_copy(monkeypatch):
    spools = []

    def spool(**options):
        spools.append(tempfile.SpooledTemporaryFile(**options))  # noqa: SIM115
        return spools[-1]

    monkeypatch.setattr("dfdetect.media.source.tempfile", SimpleNamespace(SpooledTemporaryFile=spool))
    with pytest.raises(MediaError, match="cut"):
        make_source(Breaking(bytes(3 << 20), 2 << 20, EOFError("cut"), False))
    assert [each.closed for each in spools] == [True]


@pytest.mark.parametrize(
    ("number", "where"), [(errno.EMFILE, "this process"), (errno.ENFILE, "this machine")]
)
def test_too_many_open_files_are_not_blamed_on_the_disk(tmp_path, monkeypatch, number, where):
    path = tmp_path / "there.png"
    path.write_bytes(png())

    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("dfdetect.media.source._open_at_once", refuse)
    with pytest.raises(MediaError, match=f"too many files are open .. {where}: .*ulimit -n") as caught:
        make_source(path)
    assert "disk" not in caught.value.message
