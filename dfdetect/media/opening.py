"""Open a container with FFmpeg (PyAV), pick its picture stream, and walk its packets whatever is broken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from dfdetect.errors import MediaError
from dfdetect.media.joined import JoinedClock
from dfdetect.media.limits import check_pixels, out_of_memory
from dfdetect.media.samples import claims_too_many
from dfdetect.media.sniff import HEAD_BYTES, TAIL_BYTES, Family, Sniffed, is_targa
from dfdetect.media.structure import Structure, inspect
from dfdetect.results import Reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from dfdetect.media.source import Source, View
    from dfdetect.settings import Settings

_MOST_FAILURES = 256
"""Reading stops after so many failures in a row."""
_MOST_THREADS = 4
"""Each thread of a decoder holds a picture."""
# A playlist inside a file must not make FFmpeg open other files or addresses.
_OPTIONS = {"protocol_whitelist": "none"}
# Tags that are no UTF-8 must not keep a video from being read; since PyAV 19 they never do.
_TOLERANT: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
_CHAPTERS_RATE = 0.5
"""Chapters do not begin more often than this a second."""
_LATE = 0.5
"""Seconds by which the picture may begin later than the container without a word about it."""


@dataclass(slots=True)
class Opened:
    """An open container, its picture stream, and how many such streams there are (covers do not count)."""

    container: InputContainer
    stream: VideoStream
    view: View
    streams: int

    @property
    def late(self) -> float:
        """Seconds from the container's beginning to that of the picture; 0 if too few to speak of."""
        begins = self.container.start_time
        if self.stream.start_time is None or begins is None or not self.stream.time_base:
            return 0.0
        late = float(self.stream.start_time * self.stream.time_base) - begins / 1_000_000
        return late if late > _LATE else 0.0

    @property
    def cuts_are_marked(self) -> bool:
        """Of MP4's packets just those are marked as damaged that the end of the file has cut off."""
        return bool(self.container.format.name.startswith("mov"))

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """All packets of the picture stream in the order of the file; damaged places are passed over.

        Their times go on where the file's clock begins anew.
        """
        failures = 0
        clock = JoinedClock(self.container.format.name, float(self.stream.time_base or 0))
        while failures < _MOST_FAILURES:
            try:
                for packet in self.container.demux(self.stream):
                    if packet.size:
                        failures = 0
                        clock.set(packet)
                        yield packet
                return
            except MemoryError:
                raise
            except (FFmpegError, OSError, LookupError, ValueError):  # PyAV's own for streams that appear late
                failures += 1

    def close(self) -> None:
        """Close container and file."""
        with suppress(Exception):
            self.container.close()
        self.view.close()


def readable_structure(source: Source, sniffed: Sniffed) -> Structure:
    """What `inspect` says.  Raises `MediaError` for what must not or need not be opened."""
    structure = inspect(source, sniffed.format)
    if structure.encrypted:
        raise no_picture_error(source, sniffed, structure)
    if claims_too_many(source, sniffed.format):
        raise MediaError(
            Reason.UNREADABLE,
            f"{source.title} is damaged, its index claims more than the file can hold: copy it again",
        )
    return structure


def open_container(view: View) -> InputContainer:
    """Open what `view` reads.  Raises what PyAV raises: mostly `FFmpegError`."""
    container: InputContainer = av.open(view, mode="r", options=_OPTIONS, **_TOLERANT)
    return container


def open_video(source: Source, sniffed: Sniffed, settings: Settings) -> Opened:
    """Open `source` and find its picture stream.  Raises `MediaError` when there is none to decode."""
    view = source.open()
    try:
        container: Any = open_container(view)
    except MemoryError as error:
        view.close()
        raise out_of_memory(source.title) from error
    except TypeError:  # not the file's fault but ours, or that of a PyAV which we do not know
        view.close()
        raise
    except Exception as error:
        view.close()
        raise no_picture_error(source, sniffed, inspect(source, sniffed.format), str(error)) from error
    try:
        stream = _picture_stream(container, source, sniffed)
        context = stream.codec_context
        check_pixels(context.width, context.height, source.title, settings)
        context.thread_type = "AUTO"
        # What stands in for a damaged part of a picture depends on how far other threads have come.
        threads = 1 if settings.evidence else settings.threads or os.cpu_count() or 1
        context.thread_count = min(threads, _MOST_THREADS)
        for other in container.streams:
            if other.index != stream.index and hasattr(other, "discard"):
                other.discard = 48  # all: saves reading their data where the container allows it
    except BaseException:
        with suppress(Exception):
            container.close()
        view.close()
        raise
    return Opened(container, stream, view, sum(not _is_attached(s) for s in container.streams.video))


def _picture_stream(container: InputContainer, source: Source, sniffed: Sniffed) -> VideoStream:
    """The default, largest, longest stream of pictures.  The cover picture of a song is none."""
    title = source.title
    streams = [s for s in container.streams.video if not _is_attached(s)]
    usable = [s for s in streams if s.codec_context is not None]
    if usable:
        return max(
            usable,
            key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height, s.frames, -s.index),
        )
    if streams or not container.streams.audio:
        structure = inspect(source, sniffed.format)
        if structure.whole is False:  # cut off within its index, which tells no codec then
            raise no_picture_error(source, sniffed, structure)
    if streams:
        raise MediaError(
            Reason.UNSUPPORTED, f"{title} uses a video codec without a decoder here: convert it to H.264"
        )
    if sniffed.family is Family.UNKNOWN:
        raise _not_media(source)
    if not container.streams.audio:
        raise MediaError(Reason.NO_PICTURE, f"{title} holds neither picture nor sound: get the file again")
    raise MediaError(Reason.NO_PICTURE, f"{title} has sound but no picture: nothing to look at")


def _is_attached(stream: VideoStream) -> bool:
    """Whether this is a cover, or the pictures of chapters.

    An MP4 calls a track the latter by a few bytes in another one, and players play it all the same: when it
    is enabled or moves, it is none.
    """
    if not stream.disposition & Disposition.timed_thumbnails:
        return bool(stream.disposition & Disposition.attached_pic)
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    moves = stream.frames > 1 and stream.frames > seconds * _CHAPTERS_RATE
    return not (moves or stream.disposition & Disposition.default)


def no_picture_error(
    source: Source, sniffed: Sniffed, structure: Structure, cause: str = "no picture could be decoded"
) -> MediaError:
    """The error for a file out of which no picture came, with what to do about it."""
    title = source.title
    if structure.encrypted:
        return MediaError(Reason.ENCRYPTED, f"{title} is encrypted (DRM): provide an unprotected copy")
    if structure.index is False:
        return MediaError(
            Reason.TRUNCATED,
            f"{title} lacks its index (moov), the recording or download was cut off:"
            " get it again or repair it, e.g. with untrunc",
        )
    if structure.whole is False:
        return MediaError(
            Reason.TRUNCATED, f"{title} ends before its first whole picture: copy or download it again"
        )
    if sniffed.family is Family.UNKNOWN:
        return _not_media(source)
    name = sniffed.format.upper()
    return MediaError(
        Reason.UNREADABLE,
        f"{title} begins like {name} but no picture can be decoded: copy it again ({cause})",
    )


def _not_media(source: Source) -> MediaError:
    title = source.title
    with source.reading() as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, source.size - TAIL_BYTES))
        tail = file.read(TAIL_BYTES)
    if is_targa(head, tail):
        return MediaError(Reason.UNSUPPORTED, f"{title} is TGA: convert it to JPEG or PNG")
    return MediaError(Reason.NOT_MEDIA, f"{title} is not a photo or video of a known format: check the file")
