"""Write a video: H.264 in MP4 with the times of the original and its sound.

One picture and some packets are in memory at a time, however long the video is.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError
from av.stream import Discard
from numpy.typing import NDArray

from dfdetect.errors import InputError, MissingExtraError
from dfdetect.media.opening import open_container
from dfdetect.media.source import make_source

if TYPE_CHECKING:
    from av.container import InputContainer

TICK = Fraction(1, 360_000)
"""Unit of the times in the file: whole for every usual rate (24000/1001, 25, 30000/1001, 50 …)."""
MOST_MACROBLOCKS = 36_864
"""Pictures of H.264 level 5.1, beyond which many players give up: 4096×2304."""
_COPIED = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"})
"""Codecs of sound that MP4 takes and players expect there."""
# Without B-pictures the order in the file is that of the times, so that MP4 can say when the last one ends.
_OPTIONS = {"preset": "veryfast", "crf": "19", "bf": "0"}
_BT709, _LIMITED = 1, 1
_LEAD = 0.05
"""Seconds of sound kept before the first picture: a decoder's run-in, which the file marks as not to be
heard."""
_LAST = 0.04
"""How long the last picture is shown where nobody knows."""


def fits(width: int, height: int) -> bool:
    """Whether ordinary players can show a video of this size."""
    return -(-width // 16) * -(-height // 16) <= MOST_MACROBLOCKS and max(width, height) <= 8192


class Sound:
    """The sound of a media file, packet by packet; a context manager.

    `origin` is what the file's clock shows when the first written picture is due; sound before that is
    left out, and sound after `length` seconds as well.
    """

    def __init__(self, source: str | os.PathLike[str], origin: float = 0.0, length: float | None = None):
        self._made = make_source(source)
        self._view = self._made.open()
        self._origin, self._length = origin, length
        self.before = 0.0
        """Seconds of sound before the first picture that were left out, as far as `packets` has come."""
        self._container: InputContainer | None = None
        try:
            self._container = open_container(self._view)
            self.streams: list[Any] = [s for s in self._container.streams.audio if _usable(s)]
            for other in self._container.streams:
                if other.type != "audio" and hasattr(other, "discard"):
                    other.discard = Discard.all
        except FFmpegError:  # e.g. an animated picture
            self.streams = []
        except BaseException:
            self.close()
            raise

    def packets(self) -> Iterator[tuple[Any, float]]:
        """Packets of `streams` with their time in seconds from the first picture; damage ends the sound."""
        if self._container is None or not self.streams:
            return
        begun = False
        try:
            for packet in self._container.demux(self.streams):
                if not packet.size or packet.pts is None:
                    continue
                time = float(packet.pts * packet.time_base) - self._origin
                if packet.is_corrupt:
                    continue
                if time < -_LEAD:
                    if not begun:  # a clock that runs back later is another matter
                        self.before = max(self.before, -time)
                    continue
                begun = True
                if self._length is not None and time >= self._length:
                    if len(self.streams) == 1:
                        return
                    continue
                yield packet, time
        except (FFmpegError, OSError, ValueError):
            return

    def shift(self, packet: Any) -> None:
        """Let the packet's clock begin with the first picture."""
        ticks = round(Fraction(self._origin).limit_denominator(10_000_000) / packet.time_base)
        packet.pts -= ticks
        if packet.dts is not None:
            packet.dts -= ticks

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            with contextlib.suppress(Exception):
                self._container.close()
        self._view.close()
        self._made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class VideoWriter:
    """Encodes RGB pictures ``[height, width, 3]``, all of one size, and the packets of a `Sound`.

    Write the pictures, then `finish`.  A context manager, which only closes the file.
    An odd width or height is filled up with a repeated row or column, since 4:2:0 needs even sizes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int],
        rate: float | None = None,
        sound: Sound | None = None,
        threads: int = 0,
    ) -> None:
        """`size` is (width, height); `rate` pictures a second is a hint, `write` gives the times."""
        self._size = size
        self._container = av.open(
            os.fspath(path), "w", format="mp4", options={"movflags": "+faststart+use_metadata_tags"}
        )
        try:
            guess = Fraction(rate or 25.0).limit_denominator(1001)
            even = size[0] + size[0] % 2, size[1] + size[1] % 2
            self._video = add_h264(self._container, max(guess, Fraction(1)), even, TICK, _OPTIONS)
            self._video.codec_context.thread_count = threads
            self._tracks = _Tracks(self._container, sound) if sound is not None and sound.streams else None
        except BaseException:
            self._container.close()
            raise
        self._waiting: tuple[Any, int] | None = None
        self._gap = round(_LAST / TICK)
        self._durations: dict[int, int] = {}

    def write(self, image: NDArray[np.uint8], time: float) -> None:
        """The next picture, shown at `time` seconds from the first one on.  Times must increase.

        A picture in the same `TICK` as the last one is left out.  Raises `InputError` for times that MP4
        cannot hold, as `finish` and the end of the context do.
        """
        width, height = self._size
        if image.shape != (height, width, 3):
            raise ValueError(f"a picture of this video is [{height}, {width}, 3], not {list(image.shape)}")
        ticks = round(time / TICK)
        if self._waiting is not None and ticks == self._waiting[1]:
            return
        with _times_told():
            if self._waiting is not None:
                if ticks < self._waiting[1]:
                    raise ValueError(f"pictures must come in order of time, not {time} s after a later one")
                self._gap = ticks - self._waiting[1]
                self._encode(self._gap)
            self._waiting = (self._frame(image, ticks), ticks)
            if self._tracks is not None:
                self._tracks.catch_up(time)

    def finish(self, end: float | None = None) -> None:
        """Write the rest; the last picture is shown until `end` (default: as long as the one before)."""
        with _times_told():
            if self._waiting is not None:
                known = end is not None and round(end / TICK) > self._waiting[1]
                self._encode(round((end or 0.0) / TICK) - self._waiting[1] if known else self._gap)
            if self._tracks is not None:
                self._tracks.catch_up(float("inf"))
            self._mux(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with _times_told():
                self._container.close()
        except (FFmpegError, InputError):
            if error is None:
                raise

    def _frame(self, image: NDArray[np.uint8], ticks: int) -> Any:
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return frame_420(image, ticks, TICK)

    def _encode(self, ticks: int) -> None:
        """Encode the picture in waiting, which is shown for so long."""
        assert self._waiting is not None
        frame, pts = self._waiting
        self._durations[pts] = ticks
        self._waiting = None
        self._mux(frame)

    def _mux(self, frame: Any) -> None:
        for packet in self._video.encode(frame):
            packet.duration = self._durations.pop(packet.pts)  # the encoder has forgotten it
            self._container.mux(packet)


@contextlib.contextmanager
def _times_told() -> Iterator[None]:
    """Say what is wrong where FFmpeg only finds something invalid: pictures too far apart for MP4."""
    try:
        yield
    except (FFmpegError, OverflowError) as error:
        if isinstance(error, FFmpegError) and error.errno != errno.EINVAL:  # e.g. a full disk
            raise
        raise InputError(
            "the times of this video cannot be written to MP4: they lie too far apart"
        ) from error


def add_h264(
    container: Any, rate: Fraction, size: tuple[int, int], tick: Fraction, options: Mapping[str, str]
) -> Any:
    """A stream of H.264 for frames of `frame_420`, of an even `size` (width, height), with times in `tick`.

    Its colours are said in the file, so that readers need not guess.  Raises `MissingExtraError` when this
    PyAV cannot write it.
    """
    video: Any = add_stream(container, "libx264", rate, options)
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    context = video.codec_context
    context.time_base = video.time_base = tick
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    return video


def add_stream(container: Any, encoder: str, rate: Fraction | int, options: Mapping[str, str]) -> Any:
    """A stream of this encoder of FFmpeg; raises `MissingExtraError` when this PyAV lacks that."""
    try:
        return container.add_stream(encoder, rate=rate, options=dict(options))
    except UnknownCodecError as error:
        raise MissingExtraError(
            f"this PyAV cannot encode with {encoder}, its wheel can: "
            "python -m pip install --force-reinstall av"
        ) from error


def frame_420(image: NDArray[np.uint8], ticks: int, tick: Fraction) -> Any:
    """An RGB picture of even sides as YCbCr 4:2:0 by BT.709, limited range, shown at ``ticks * tick``."""
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    frame: Any = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts, frame.time_base = ticks, tick
    return frame


class _Tracks:
    """The sound of the file being written, always a little ahead of its pictures."""

    _AHEAD = 0.5

    def __init__(self, container: Any, sound: Sound) -> None:
        self._container, self._sound = container, sound
        self._out = {stream.index: _track(container, stream, sound) for stream in sound.streams}
        self._packets = sound.packets()
        self._next: tuple[Any, float] | None = next(self._packets, None)
        self._last: dict[int, Fraction] = {}

    def catch_up(self, time: float) -> None:
        """Write the sound up to this moment."""
        while self._next is not None and self._next[1] <= time + self._AHEAD:
            packet = self._next[0]
            self._mux(self._out[packet.stream_index].take(packet))
            self._next = next(self._packets, None)
        if self._next is None and self._out:
            for track in self._out.values():
                self._mux(track.take(None))
            self._out = {}

    def _mux(self, packets: list[Any]) -> None:
        """Write what lies after the packet before: a clock that runs back would end the whole video."""
        for packet in packets:
            stamp = packet.pts if packet.dts is None else packet.dts
            if stamp is None:
                continue
            # In the unit of the file, which is known once the first packet is written.
            time, unit = stamp * packet.time_base, packet.stream.time_base
            last = self._last.get(packet.stream.index)
            if last is not None and round(time / unit) <= round(last / unit):
                continue
            self._last[packet.stream.index] = time
            self._container.mux(packet)


def _track(container: Any, stream: Any, sound: Sound) -> _Copy | _Aac:
    if stream.codec_context.codec.canonical_name in _COPIED:
        return _Copy(container.add_stream_from_template(stream), sound)
    return _Aac(container, stream, sound)


class _Copy:
    """Sound whose packets are copied as they are."""

    def __init__(self, out: Any, sound: Sound) -> None:
        self._out, self._sound = out, sound

    def take(self, packet: Any) -> list[Any]:
        """The packet, on the new clock."""
        if packet is None:
            return []
        self._sound.shift(packet)
        packet.stream = self._out
        return [packet]


class _Aac:
    """Sound that MP4 does not take: decoded and encoded as AAC."""

    def __init__(self, container: Any, stream: Any, sound: Sound) -> None:
        self._in, self._sound = stream.codec_context, sound
        rate = min(48_000, self._in.sample_rate or 48_000)
        self._out = container.add_stream("aac", rate=rate if rate in _RATES else 48_000)
        self._out.bit_rate = 96_000 * min(self._in.layout.nb_channels or 2, 2)
        self._out.layout = "mono" if self._in.layout.nb_channels == 1 else "stereo"

    def take(self, packet: Any) -> list[Any]:
        """What comes out when `packet` goes in; None: what is still held back."""
        try:
            if packet is not None:
                self._sound.shift(packet)
            frames = self._in.decode(packet)
            # The encoder resamples and cuts to its own frame size by itself.
            packets = [out for frame in frames for out in self._out.encode(frame)]
        except (FFmpegError, ValueError):  # damaged, or not for this encoder: a short silence
            packets = []
        return packets + (self._rest() if packet is None else [])

    def _rest(self) -> list[Any]:
        try:
            return list(self._out.encode(None))
        except (FFmpegError, ValueError):
            return []


_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def _usable(stream: Any) -> bool:
    context = stream.codec_context
    return context is not None and bool(context.sample_rate) and stream.time_base is not None
