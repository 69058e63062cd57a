"""What to scan: files, folders, patterns and lists of names → a stream of paths, each once."""

from __future__ import annotations

import codecs
import contextlib
import errno
import glob
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from dfdetect.errors import InputError
from dfdetect.names import printable

# Not ts, mts (TypeScript too), mod, dat, rgb, ras, pfm, fit and the like: those are told by their content.
# Not tga: such a file has no mark at its beginning, and what a file is goes by its content alone.
_SUFFIXES = """
jpg jpeg jpe jfif png apng webp bmp dib tif tiff gif avif avifs heic heif jp2 j2k jxl
ppm pgm pbm pnm phm pcx sgi dds qoi dpx exr
mp4 m4v mov qt mkv webm avi divx wmv asf flv f4v mpg mpeg mpe m1v m2v m2t m2ts vob dv 3gp 3g2 ogv ogm
mxf y4m ivf mjpg mjpeg h264 264 h265 265 hevc obu rm rmvb
"""
MEDIA_SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes of files that a folder's scan takes without looking inside."""

_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Says that a name, or what it is a link to, does not exist; whatever else may hide a photo or a video."""
_LIST_CHUNK = 65_536
_LONGEST_NAME = 1_048_576


@dataclass(frozen=True, slots=True)
class NotYet:
    """Stands among paths for those that a list from a pipe has not named so far: ask again, now or later."""

    descriptor: int
    """Of the list: readable once there is more to read, or its end."""

    def wait(self) -> None:
        """Wait until there is more."""
        from multiprocessing.connection import wait

        wait([self.descriptor])


@dataclass
class Survey:
    """Counts what `find_media` did; complete once its iterator has ended."""

    found: int = 0
    """Paths given out."""
    skipped: int = 0
    """Files in folders that are not media: text, archives, sound, sockets …"""
    hidden: int = 0
    """Folders whose name begins with a dot or (Windows) are marked as hidden, not entered unless named."""
    linked: int = 0
    """Links to folders, not followed unless named."""
    repeated: int = 0
    """Files and folders that came up again."""


def find_media(
    arguments: Iterable[str],
    *,
    files_from: str | None = None,
    null_separated: bool = False,
    survey: Survey | None = None,
) -> Iterator[str | NotYet]:
    """Give every path to scan once: `arguments` in their order, then the names listed in `files_from`.

    - A **file** that is named is given whatever it is; also if it is missing, and ``-`` as it stands.
    - A **folder** is searched with its subfolders: its own files first, sorted by name, then each
      subfolder.  Files count by a media suffix, or else by their first bytes.  Hidden folders and links to
      folders are passed over unless they are named themselves.  A folder that cannot be listed and a link
      with a media suffix to nothing are given themselves, so that their results say why.
    - A **pattern** (``*``, ``?``, ``[…]``, ``**``) that is no existing name is expanded as a shell would;
      without a match it is given itself.  Folders under ``**`` that cannot be listed are given too.
    - `files_from` is a file of names, one a line or (`null_separated`) ended by NUL; ``-`` is standard
      input.  Names are taken literally; folders among them are searched, and searched again when they are
      named again: what has come into them since is given.  Once a path was given, `NotYet`
      is given whenever a list from a pipe is silent (not on Windows, where it is waited for).

    Nothing is read ahead but the names of one folder; the names in searched folders are remembered only if
    there is a list.  `survey` counts what was passed over.
    Raises `InputError` at once if the list does not exist and while iterating if it is not a list of names.
    """
    if files_from not in (None, "-") and not os.path.exists(files_from):
        raise InputError(f"the list of files '{files_from}' does not exist")
    search = _Search(survey if survey is not None else Survey(), listed=files_from is not None)
    return search.run(arguments, files_from, null_separated)


def expand(pattern: str) -> Iterator[str]:
    """The names that `pattern` matches, as a shell expands it: ``**`` stands for any number of folders.

    Unlike `glob.iglob`, it does not go through links to folders, which may form endless trees, and it gives
    the folders that cannot be listed, since they may hold what is meant.
    """
    parts = (pattern.replace(os.altsep, os.sep) if os.altsep else pattern).split(os.sep)
    if "**" not in parts:
        yield from sorted(glob.iglob(pattern))
        return
    before, after = os.sep.join(parts[: (at := parts.index("**"))]), parts[at + 1 :]
    drive, rest = os.path.splitdrive(before)
    if at and not rest and (not drive or drive.endswith(":")):
        before += os.sep  # the pattern begins at the root: "C:" alone would be the current folder of drive C
    closed: list[str] = []

    def note(error: OSError) -> None:
        if error.errno not in _NOTHING_THERE:
            closed.append(error.filename if root else os.path.relpath(error.filename))

    for root in sorted(glob.iglob(before)) if before else [""]:
        for folder, inner, names in os.walk(root or os.curdir, onerror=note):
            inner[:] = sorted(name for name in inner if not _is_hidden(Path(folder, name)))
            here = folder if root else os.path.relpath(folder) if folder != os.curdir else ""
            if after:
                yield from expand(os.path.join(glob.escape(here), *after))
            else:
                yield from (os.path.join(here, name) for name in sorted(names) if name[0] != ".")
        yield from closed
        closed.clear()


class _Search:
    """Remembers what was given: named files one by one, searched folders as a whole.

    So the memory of a search grows with the arguments and the folders, not with the files in them.  But a
    list (`listed`) may go on for days, and name what came into a folder after its search: then the names in
    the folder are remembered too.
    """

    def __init__(self, survey: Survey, listed: bool) -> None:
        self._survey = survey
        self._listed = listed
        self._named: set[str] = set()
        self._searched: dict[str, dict[str, bool]] = {}
        """By real folder: the names met in it, if they are remembered, and whether they were given."""
        self._real_folder = lru_cache(maxsize=1024)(os.path.realpath)

    def run(
        self, arguments: Iterable[str], files_from: str | None, null_separated: bool
    ) -> Iterator[str | NotYet]:
        for path in self._all(arguments, files_from, null_separated):
            self._survey.found += not isinstance(path, NotYet)
            yield path

    def _all(
        self, arguments: Iterable[str], files_from: str | None, null_separated: bool
    ) -> Iterator[str | NotYet]:
        for argument in arguments:
            if glob.has_magic(argument) and not os.path.lexists(argument):
                matched = False
                for path in expand(argument):
                    matched = True
                    yield from self._one(path)
                if not matched:
                    yield from self._one(argument)
            else:
                yield from self._one(argument)
        if files_from is not None:
            # Before the first path nobody has anything else to do.
            for name in _read_list(files_from, null_separated, lambda: self._survey.found > 0):
                if isinstance(name, NotYet):
                    yield name
                else:
                    yield from self._one(name)

    def _one(self, path: str) -> Iterator[str]:
        if path != "-" and os.path.isdir(path):
            yield from self._folder(path)
            return
        folder, key = self._place(path)
        if key in self._named or self._was_found(folder, path):
            self._survey.repeated += 1
            return
        self._named.add(key)
        yield path

    def _was_found(self, folder: str, path: str) -> bool:
        """Whether the search of its real folder gave the file."""
        names = self._searched.get(folder)
        if names is None:
            return False
        return names.get(os.path.basename(path), False) if self._listed else _is_taken(path)

    def _place(self, path: str) -> tuple[str, str]:
        """The real folder of `path`, and the name under which the file is remembered."""
        folder, name = os.path.split(path)
        try:
            folder = self._real_folder(folder or os.curdir)
        except (OSError, ValueError):  # such as a NUL in the name
            return "", path
        return folder, os.path.join(folder, name)

    def _folder(self, root: str) -> Iterator[str]:
        # Windows takes both separators and gives its own.
        pending, entered = [root.replace(os.altsep, os.sep) if os.altsep else root], set[str]()
        while pending:
            folder = pending.pop()
            place = os.path.realpath(folder)
            again = place in self._searched
            self._survey.repeated += again
            if again and (not self._listed or place in entered):
                continue
            try:
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError:
                # It is not searched: a file in it that is named may be readable all the same.
                if place in self._named:
                    self._survey.repeated += 1
                else:
                    self._named.add(place)
                    yield folder
                continue
            entered.add(place)
            names = self._searched.setdefault(place, {})
            subfolders = []
            for entry in entries:
                if _is_folder(entry) and not _is_hidden(entry):
                    subfolders.append(entry.path)
                elif self._is_wanted(entry, place, names):
                    yield entry.path
            pending.extend(reversed(subfolders))

    def _is_wanted(self, entry: os.DirEntry[str], place: str, names: dict[str, bool]) -> bool:
        """Whether to give what is no folder to enter; notes it in `names` if they are remembered."""
        given = names.get(entry.name)
        if given:
            return False
        # What was passed over when the folder was searched before is not counted again.
        wanted = self._is_new(entry, place, self._survey if given is None else Survey())
        if self._listed:
            names[entry.name] = wanted
        return wanted

    def _is_new(self, entry: os.DirEntry[str], place: str, survey: Survey) -> bool:
        if _is_folder(entry):
            survey.hidden += 1
        elif entry.is_symlink() and os.path.isdir(entry.path):
            survey.linked += 1
        elif os.path.join(place, entry.name) in self._named:
            survey.repeated += 1
        elif not _is_taken(entry.path):
            survey.skipped += 1
        else:
            return True
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_hidden(entry: os.DirEntry[str] | Path) -> bool:
    """By its name or, on Windows, by its mark."""
    if entry.name.startswith("."):
        return True
    with contextlib.suppress(OSError):
        if sys.platform == "win32":  # elsewhere asking would cost time and tell nothing
            marks = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
            return bool(marks & stat.FILE_ATTRIBUTE_HIDDEN)
    return False


def _is_taken(path: str) -> bool:
    """Whether the search of a folder gives what has this name in it."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            return True  # in a folder that may be listed but not entered: its result will say why
        # A link to nothing: a folder that lacks a picture must not pass as clean.
        return os.path.islink(path) and _has_media_suffix(path)
    except ValueError:  # a NUL in the name
        return False
    return stat.S_ISREG(mode) and looks_like_media(path)


def looks_like_media(path: str) -> bool:
    """By suffix or, where that says nothing, by the first bytes; True also if those cannot be read."""
    if _has_media_suffix(path):
        return True
    from dfdetect.media.sniff import HEAD_BYTES, Family, is_rare_picture, sniff

    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return True  # its result will say why
    return sniff(head).family in (Family.PHOTO, Family.VIDEO) or is_rare_picture(head)


def _has_media_suffix(path: str) -> bool:
    name = os.path.basename(path)
    # "._clip.mp4" is what macOS leaves beside clip.mp4 on foreign disks; it is not a film.
    suffix = os.path.splitext(name)[1][1:].lower()
    return suffix in MEDIA_SUFFIXES and not name.startswith("._")


def _read_list(name: str, null_separated: bool, impatient: Callable[[], bool]) -> Iterator[str | NotYet]:
    separator = b"\0" if null_separated else b"\n"
    try:
        if name == "-":
            wait_for_input(sys.stdin.buffer)
            yield from _names(sys.stdin.buffer, separator, impatient)
        else:
            with open(name, "rb") as file:
                yield from _names(file, separator, impatient)
    except OSError as error:
        raise InputError(f"the list of files '{name}' cannot be read: {error.strerror or error}") from error


def wait_for_input(file: BinaryIO) -> None:
    """Let reading wait for what is still to come: a program may have handed down a pipe that does not."""
    with contextlib.suppress(OSError, AttributeError):  # no file of the system
        os.set_blocking(file.fileno(), True)


def _names(file: BinaryIO, separator: bytes, impatient: Callable[[], bool]) -> Iterator[str | NotYet]:
    """Names as they arrive, so that another program may still be writing the list."""
    first = True
    for item in _split(file, separator, impatient):
        if isinstance(item, NotYet):
            yield item
            continue
        if first and _is_utf16(item, separator):
            raise InputError("the list of files is UTF-16: save it as UTF-8")  # by PowerShell's ">"
        if separator == b"\n":
            if b"\0" in item:
                raise InputError("the list of files is separated by NUL, not by lines: add --null")
            item = item.removesuffix(b"\r")
        if first:
            item, first = item.removeprefix(codecs.BOM_UTF8), False  # written by Windows editors
        if item.strip():
            yield _decoded(item)


def _is_utf16(item: bytes, separator: bytes) -> bool:
    """Of the first item; on most systems the same bytes may begin a name."""
    if not item.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    return b"\0" in item if separator == b"\n" else not os.path.lexists(item)


def _decoded(name: bytes) -> str:
    try:
        return os.fsdecode(name)
    except UnicodeDecodeError as error:  # only on Windows, whose older programs write other encodings
        shown = printable(name.decode("ascii", "backslashreplace"))
        raise InputError(f"the list of files is not UTF-8 at '{shown}': save it as UTF-8") from error


def _split(file: BinaryIO, separator: bytes, impatient: Callable[[], bool]) -> Iterator[bytes | NotYet]:
    rest, ended = b"", False
    for chunk in _chunks(file, impatient):
        if isinstance(chunk, NotYet):
            yield chunk
            continue
        *items, rest = (rest + chunk).split(separator)
        ended = ended or bool(items)
        yield from items
        if len(rest) > _LONGEST_NAME:
            if separator == b"\0":
                raise _by_lines()
            yield rest  # no name is that long: its result will say so
            rest = b""
    # A whole list without NUL is one name if there is such a file, which may have line breaks in its name.
    if separator == b"\0" and not ended and rest.strip() and b"\n" in rest and not os.path.lexists(rest):
        raise _by_lines()
    if rest:
        yield rest


def _chunks(file: BinaryIO, impatient: Callable[[], bool]) -> Iterator[bytes | NotYet]:
    """What there is to read; while there is nothing, `NotYet` if the reader is `impatient`."""
    read = getattr(file, "read1", file.read)  # leaves nothing in a buffer, where `wait` would not see it
    try:
        descriptor = file.fileno() if sys.platform != "win32" else None
    except (OSError, AttributeError):  # no file of the system
        descriptor = None
    if descriptor is not None:
        from multiprocessing.connection import wait
    while True:
        while descriptor is not None and impatient() and not wait([descriptor], 0):
            yield NotYet(descriptor)
        if not (chunk := read(_LIST_CHUNK)):
            return
        yield chunk


def _by_lines() -> InputError:
    return InputError("the list of files is separated by lines, not by NUL: leave --null away")
