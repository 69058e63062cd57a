"""Where the bytes come from: a path, bytes in memory, or an open binary file, all read the same way."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from dfdetect.errors import MediaError
from dfdetect.media.sniff import HEAD_BYTES
from dfdetect.names import printable
from dfdetect.results import Reason

_SPOOL_BYTES = 64 << 20
_COPY_BYTES = 1 << 20


class View(io.RawIOBase):
    """A read-only window on a file that begins at `offset` and never grows beyond `size` bytes.

    It has no name, so that a decoder can judge by nothing but the content; its fixed size means that
    a file which is still being written cannot keep a reader busy for ever; and it keeps its own
    position, so that two readers may share one open file.
    """

    def __init__(self, raw: BinaryIO, offset: int, size: int, *, owned: bool) -> None:
        self._raw, self._offset, self._size, self._owned = raw, offset, size, owned
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the current position; 0 at the end."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        self._raw.seek(self._offset + self._at)
        data = self._raw.read(wanted)
        got = len(data)
        buffer[:got] = data
        self._at += got
        return got

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; places beyond the end are allowed, those before the beginning are not."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("seek before the beginning")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Current position."""
        return self._at

    def close(self) -> None:
        """Close the file below if it was opened for this view."""
        if not self.closed and self._owned:
            self._raw.close()
        super().close()


@dataclass(frozen=True, slots=True)
class Source:
    """A readable thing of known size that can be opened again and again."""

    title: str
    """How messages call it."""
    size: int
    """Bytes."""
    is_file: bool
    """True when it is a file on disk (then reports may give its size)."""
    _open: Callable[[], View]
    _release: Callable[[], None]

    def open(self) -> View:
        """A fresh reader at the beginning; the caller closes it."""
        try:
            return self._open()
        except OSError as error:
            raise _from_os(error, self.title) from error

    def buffered(self) -> io.BufferedReader:
        """Like `open`, with a buffer for readers that read little by little."""
        return io.BufferedReader(self.open(), 65_536)

    def head(self, count: int = HEAD_BYTES) -> bytes:
        """The first bytes."""
        with self.buffered() as file:
            try:
                return file.read(count)
            except OSError as error:
                raise _from_os(error, self.title) from error

    def chunks(self, size: int = _COPY_BYTES) -> Iterator[bytes]:
        """All bytes in order, at most `size` at a time; `MediaError` when they cannot be read."""
        with self.open() as file:
            try:
                while chunk := file.read(size):
                    yield chunk
            except OSError as error:
                raise _from_os(error, self.title) from error

    def close(self) -> None:
        """Free what was made for this source; a file object that was passed in stays open."""
        self._release()


def make_source(source: object) -> Source:
    """Make a `Source` of a path, bytes or a binary file object.

    Raises `MediaError` (missing, not permitted, empty, not a regular file, unreadable) and, for any
    other type of argument, `TypeError`.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        made = _of_bytes(bytes(source))
    elif isinstance(source, (str, os.PathLike)):
        made = _of_path(os.fspath(source))
    elif hasattr(source, "read"):
        made = _of_file(source)
    else:
        raise TypeError(
            f"cannot read media from {type(source).__name__}: pass a path, bytes or a binary file"
        )
    if made.size == 0:
        made.close()
        raise MediaError(Reason.EMPTY, f"{made.title} is empty (0 bytes): copy or download it again")
    return made


def _of_bytes(data: bytes) -> Source:
    def opener() -> View:
        return View(io.BytesIO(data), 0, len(data), owned=True)

    return Source("the data", len(data), False, opener, _nothing)


def _of_path(path: str | bytes) -> Source:
    title = f"'{printable(os.fsdecode(path))}'"
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            if not os.access(path, os.R_OK | os.X_OK):
                raise MediaError(Reason.NOT_PERMITTED, f"{title} may not be listed: change its permissions")
            raise MediaError(Reason.UNSUPPORTED, f"{title} is a folder: name a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(
                Reason.UNSUPPORTED, f"{title} is not a regular file: copy its data to a file first"
            )
        with open(path, "rb", buffering=0):
            pass
    except FileNotFoundError as error:
        if not os.path.islink(path):
            raise _from_os(error, title) from error
        raise MediaError(
            Reason.MISSING, f"{title} is a link to a file that does not exist: mend the link"
        ) from error
    except OSError as error:
        raise _from_os(error, title) from error
    except ValueError as error:  # a zero byte in the path
        raise MediaError(Reason.MISSING, f"{title} is not a possible path: check it") from error

    def opener() -> View:
        return View(open(path, "rb", buffering=0), 0, status.st_size, owned=True)

    return Source(title, status.st_size, True, opener, _nothing)


def _of_file(file: Any) -> Source:
    """A file object is read from its current position, where it is left again when seekable."""
    try:
        if not (hasattr(file, "seekable") and file.seekable()):
            return _spooled(file)
        start = file.tell()
        size = max(0, file.seek(0, io.SEEK_END) - start)
        file.seek(start)
        if not isinstance(file.read(0), bytes):
            raise TypeError("the file object is in text mode: open it with mode 'rb'")
    except OSError as error:
        raise _from_os(error, "the stream") from error

    def opener() -> View:
        return View(file, start, size, owned=False)

    def release() -> None:
        if not file.closed:
            file.seek(start)

    return Source("the stream", size, False, opener, release)


def _spooled(file: Any) -> Source:
    """Decoders must seek, so a pipe is copied to memory and, when it is large, to a temporary file."""
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115  (closed by release)
    while chunk := file.read(_COPY_BYTES):
        if not isinstance(chunk, bytes):
            raise TypeError("the file object is in text mode: open it with mode 'rb'")
        spool.write(chunk)
    size = spool.tell()

    def opener() -> View:
        return View(spool, 0, size, owned=False)  # type: ignore[arg-type]

    return Source("the stream", size, False, opener, spool.close)


def _nothing() -> None:
    return None


def _from_os(error: OSError, title: str) -> MediaError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        hint = "only local files are read, download it first" if "://" in title else "check the path"
        return MediaError(Reason.MISSING, f"{title} does not exist: {hint}")
    if isinstance(error, PermissionError):
        return MediaError(Reason.NOT_PERMITTED, f"{title} may not be read: change its permissions")
    if isinstance(error, IsADirectoryError):
        return MediaError(Reason.UNSUPPORTED, f"{title} is a folder: name a file in it")
    return MediaError(
        Reason.UNREADABLE,
        f"{title} cannot be read ({error.strerror or error}): check the disk or copy it again",
    )
