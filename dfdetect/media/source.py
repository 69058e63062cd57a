"""Where the bytes come from: a path, bytes in memory, or an open binary file, all read the same way."""

from __future__ import annotations

import contextlib
import errno
import inspect
import io
import os
import stat
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dfdetect.errors import MediaError
from dfdetect.media.sniff import HEAD_BYTES
from dfdetect.names import printable
from dfdetect.results import Reason

_IN_USE = (32, 33)
"""Windows' numbers for a file, or a part of it, that another program does not share."""

_SPOOL_BYTES = 64 << 20
_COPY_BYTES = 1 << 20


class View(io.RawIOBase):
    """A read-only window on a file that begins at `offset` and never grows beyond `size` bytes.

    It has no name, so that a decoder can judge by nothing but the content; its fixed size means that
    a file which is still being written cannot keep a reader busy for ever; and it keeps its own
    position, so that several readers, in several threads, may share one open file.
    """

    def __init__(self, shared: SharedFile, offset: int, size: int) -> None:
        self._shared, self._offset, self._size = shared, offset, size
        self._at, self._holds = 0, False
        shared.hold()
        self._holds = True

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
        data = self._shared.read_at(self._offset + self._at, wanted)
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
        """Let go of the file below; the last one to do so closes it."""
        if self._holds:
            self._holds = False
            self._shared.let_go()
        super().close()


class SharedFile:
    """An open file that is read at any place by whoever holds it, and closed when nobody does.

    Whoever makes it holds it.
    """

    def __init__(self, raw: Any, *, close: bool) -> None:
        self._raw, self._close, self._holders = raw, close, 1
        self._lock = threading.Lock()
        # Only a file that was opened here: what else has a number may have buffers above it.
        plain = close and isinstance(raw, io.FileIO) and hasattr(os, "pread")  # not on Windows
        self._number = raw.fileno() if plain else None

    def hold(self) -> None:
        """One more reads."""
        with self._lock:
            if not self._holders:
                raise ValueError("the source is closed")
            self._holders += 1

    def let_go(self) -> None:
        """One fewer reads."""
        with self._lock:
            self._holders -= 1
            if not self._holders and self._close:
                self._raw.close()

    def __del__(self) -> None:
        if self._close:  # a source that nobody closed
            self._raw.close()

    def read_at(self, place: int, count: int) -> bytes:
        """Up to `count` bytes from `place` on."""
        if self._number is not None:
            return os.pread(self._number, count, place)
        with self._lock, _as_os_error():  # the position is that of all who share the file
            self._raw.seek(place)
            return self._raw.read(count)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Source:
    """A readable thing of known size that can be opened again and again until it is closed.

    All its readers see the same file, whatever happens to the name meanwhile.
    """

    title: str
    """How messages call it."""
    size: int
    """Bytes."""
    is_file: bool
    """True when it is a file on disk (then reports may give its size)."""
    _open: Callable[[], View]
    _release: Callable[[], None]
    _is_unchanged: Callable[[], bool] = lambda: True

    def open(self) -> View:
        """A fresh reader at the beginning; the caller closes it."""
        try:
            return self._open()
        except OSError as error:
            raise _from_os(error, self.title) from error

    def buffered(self) -> io.BufferedReader:
        """Like `open`, with a buffer for readers that read little by little."""
        return io.BufferedReader(self.open(), 65_536)

    @contextlib.contextmanager
    def reading(self) -> Iterator[io.BufferedReader]:
        """Like `buffered`; what cannot be read is a `MediaError`."""
        with self.buffered() as file:
            try:
                yield file
            except OSError as error:
                raise _from_os(error, self.title) from error

    def head(self, count: int = HEAD_BYTES) -> bytes:
        """The first bytes."""
        with self.reading() as file:
            return file.read(count)

    def chunks(self, size: int = _COPY_BYTES) -> Iterator[bytes]:
        """All bytes in order, at most `size` at a time; `MediaError` when they cannot be read."""
        with self.open() as file:
            try:
                while chunk := file.read(size):
                    yield chunk
            except OSError as error:
                raise _from_os(error, self.title) from error

    def check_unchanged(self) -> None:
        """Raise `MediaError` when the file on the disk was written to since this source was made."""
        if not self._is_unchanged():
            raise MediaError(
                Reason.UNREADABLE, f"{self.title} was changed while it was scanned: scan it again"
            )

    def close(self) -> None:
        """Free what was made for this source; a file object that was passed in stays open."""
        self._release()


def make_source(source: object) -> Source:
    """Make a `Source` of a path, bytes or a binary file object.

    Raises `MediaError` (missing, not permitted, empty, not a regular file, unreadable), `ValueError` for a
    closed file and, for any other type of argument, `TypeError`.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        made = _of_bytes(bytes(source))
    elif isinstance(source, (str, os.PathLike)):
        made = _of_path(os.fspath(source))
    elif hasattr(source, "read"):
        made = _of_file(source)
    else:
        raise TypeError(
            f"cannot read media from {type(source).__name__}:"
            " pass a path, bytes, a binary file, an array or a Pillow image"
        )
    if made.size == 0:
        made.close()
        raise MediaError(Reason.EMPTY, f"{made.title} is empty (0 bytes): copy or download it again")
    return made


def _of_bytes(data: bytes) -> Source:
    shared = SharedFile(io.BytesIO(data), close=False)
    return Source("the data", len(data), False, lambda: View(shared, 0, len(data)), _nothing)


def _of_path(path: str | bytes) -> Source:
    title = f"'{printable(os.fsdecode(path))}'"
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            _must_be_listed(path, title)
            raise MediaError(Reason.UNSUPPORTED, f"{title} is a folder: name a file in it")
        _must_be_regular(status, title)
        file = open(path, "rb", buffering=0, opener=_open_at_once)  # noqa: SIM115  (closed by its holders)
        try:
            status = os.fstat(file.fileno())  # the name may mean another file by now
            _must_be_regular(status, title)
        except BaseException:
            file.close()
            raise
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

    shared = SharedFile(file, close=True)

    def is_unchanged() -> bool:
        now = os.fstat(file.fileno())
        return (now.st_size, now.st_mtime_ns) == (status.st_size, status.st_mtime_ns)

    return Source(
        title,
        status.st_size,
        True,
        lambda: View(shared, 0, status.st_size),
        _once(shared.let_go),
        is_unchanged,
    )


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting, should the path have become a pipe in the meantime."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _must_be_listed(path: str | bytes, title: str) -> None:
    try:
        with os.scandir(path) as listing:  # `os.access` knows nothing of Windows' access lists
            deque(listing, maxlen=0)  # to the end: a disk may fail anywhere
        permitted = os.access(path, os.R_OK | os.X_OK)
    except PermissionError:
        permitted = False
    if not permitted:
        raise MediaError(Reason.NOT_PERMITTED, f"{title} may not be listed: change its permissions")


def _must_be_regular(status: os.stat_result, title: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(Reason.UNSUPPORTED, f"{title} is not a regular file: copy its data to a file first")


def _once(action: Callable[[], None]) -> Callable[[], None]:
    """`action` at the first call, nothing at others."""
    waiting = [action]

    def call() -> None:
        if waiting:
            waiting.pop()()

    return call


def _of_file(file: Any) -> Source:
    """A file object is read from its current position, where it is left again when seekable."""
    try:
        with _as_os_error():
            if not (hasattr(file, "seekable") and file.seekable()):
                return _spooled(file)
            start = file.tell()
            _read(file, 0)
            file.seek(0, io.SEEK_END)  # not everything says where this leads (paramiko)
            size = max(0, file.tell() - start)
            file.seek(start)
    except OSError as error:
        raise _from_os(error, "the stream") from error
    if start and not size:
        raise MediaError(
            Reason.EMPTY, "nothing follows the present position of the stream: call its seek(0) first"
        )

    shared = SharedFile(file, close=False)

    def release() -> None:
        if not getattr(file, "closed", False):
            with contextlib.suppress(OSError), _as_os_error():  # what breaks may not go back either
                file.seek(start)

    return Source("the stream", size, False, lambda: View(shared, start, size), release)


def _spooled(file: Any) -> Source:
    """Decoders must seek, so a pipe is copied to memory and, when it is large, to a temporary file."""
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115  (closed by release)
    try:
        while chunk := _read(file, _COPY_BYTES):
            spool.write(chunk)
        size = spool.tell()
    except BaseException:
        spool.close()
        raise

    shared = SharedFile(spool, close=False)
    return Source("the stream", size, False, lambda: View(shared, 0, size), spool.close)


def _read(file: Any, count: int) -> bytes:
    """The next bytes of a file object.  Raises `TypeError` for one that gives none."""
    try:
        chunk = file.read(count)
    except io.UnsupportedOperation as error:
        raise TypeError("the file object is not open for reading: open it with mode 'rb'") from error
    if not isinstance(chunk, bytes):
        raise _no_bytes(chunk)
    return chunk


def _no_bytes(read: object) -> TypeError:
    """The error for a file object that has `read` something else than bytes."""
    if isinstance(read, str):
        return TypeError("the file object is in text mode: open it with mode 'rb'")
    if inspect.iscoroutine(read):
        read.close()
        return TypeError(
            "the file object is asynchronous: pass what `await file.read()` gives, or the file below it"
        )
    return TypeError(f"the file object reads {type(read).__name__}, not bytes: open it as a binary file")


def _nothing() -> None:
    return None


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """What a stream raises of its own (EOFError, zlib.error, zipfile.BadZipFile …) is a failure to read.

    Wrong use (text mode, a closed file) and a lack of memory stay what they are.
    """
    try:
        yield
    except (OSError, TypeError, ValueError, MemoryError):
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error


def _from_os(error: OSError, title: str) -> MediaError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        hint = "only local files are read, download it first" if "://" in title else "check the path"
        return MediaError(Reason.MISSING, f"{title} does not exist: {hint}")
    if error.errno == errno.ENAMETOOLONG:
        return MediaError(
            Reason.MISSING, f"{title} does not exist, its name is too long for any file here: check the path"
        )
    if getattr(error, "winerror", None) in _IN_USE:
        return MediaError(
            Reason.UNREADABLE,
            f"{title} is in use by another program: close it there, or wait until it is done",
        )
    if isinstance(error, PermissionError):
        return MediaError(Reason.NOT_PERMITTED, f"{title} may not be read: change its permissions")
    if isinstance(error, IsADirectoryError):
        return MediaError(Reason.UNSUPPORTED, f"{title} is a folder: name a file in it")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        where = "in this process" if error.errno == errno.EMFILE else "on this machine"
        return MediaError(
            Reason.UNREADABLE,
            f"{title} cannot be opened, too many files are open {where}: close some or raise 'ulimit -n'",
        )
    return MediaError(
        Reason.UNREADABLE,
        f"{title} cannot be read ({error.strerror or error}): check the disk or copy it again",
    )
