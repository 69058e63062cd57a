"""Sample a long file by jumping to the key pictures near the wanted times, without reading all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

from av.error import FFmpegError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from dfdetect.media.decoding import Decoder
    from dfdetect.media.opening import Opened

_REACH = 2.0
"""Seconds decoded after a key picture when the wanted time is one of few in a long file."""
_FIRST_GAP = 2.0
"""Distance of key pictures that is assumed before any was seen, in seconds."""

_FARTHEST_BACK = 64.0
LATER = 5.0
"""Seconds by which pictures may go on after the end that a header claims: sound and picture end apart."""
_SEARCHED = frozenset({"mpegts", "mpeg"})
"""Containers without an index."""
_PLACES = sorted({place / 32 for place in range(32)} | {2 ** (-power / 2) for power in range(8, 21)})
"""Parts of a file; denser towards its beginning, where a short part would lie between two of the even ones.

Each is less than twice the one before, lest time after a new start has caught up where it is asked next.
"""
_REORDERED = 2.0
"""Seconds by which a picture may be shown before one that precedes it in the file, and more."""


class Rover:
    """Decodes pictures near given times of a seekable stream whose claimed length was found true.

    `opened` must be fresh: a palette comes with its first packet and is lost by a jump.
    """

    def __init__(self, opened: Opened, decoder: Decoder) -> None:
        self._opened, self._decoder = opened, decoder
        stream = opened.stream
        assert stream.time_base is not None
        self.unit = Fraction(stream.time_base)
        self.first = stream.start_time or 0
        if decoder.has_palette:
            decoder.take_palette(next(opened.packets(), None))

    def seconds(self, pts: int) -> float:
        """Time since the first picture."""
        return float((pts - self.first) * self.unit)

    def is_true(self, duration: float) -> bool:
        """True when there really are pictures up to the claimed `duration` (seconds), and none later."""
        try:
            return (
                self._is_near(0.97 * duration)
                and self._is_near(0.0)
                and self._ends_at(duration)
                and self._is_in_order()
            )
        except (FFmpegError, OSError):
            return False

    def _is_near(self, time: float) -> bool:
        """Whether a jump to `time` ends there."""
        self._seek(time)
        packet = next(self._opened.packets(), None)
        return packet is not None and packet.pts is not None and abs(self.seconds(packet.pts) - time) <= 60.0

    def _ends_at(self, time: float) -> bool:
        """Whether no picture follows long after `time`.  Reads from the key picture before it to the end."""
        self._seek(time)
        return all(p.pts is None or self.seconds(p.pts) < time + LATER for p in self._opened.packets())

    def _is_in_order(self) -> bool:
        """Whether time runs with the bytes, which it does not in a file that was joined from several.

        Asked where jumps are a search among the times; elsewhere the index tells where they lie.
        """
        container, before = self._opened.container, float("-inf")
        if container.format.name not in _SEARCHED:
            return True
        for place in _PLACES:
            at = int(container.size * place)
            container.seek(at, stream=self._opened.stream, unsupported_byte_offset=True)
            pts = next((p.pts for p in self._opened.packets() if p.pts is not None), None)
            if pts is None:
                return True  # nothing but the rest of a picture
            if self.seconds(pts) < before - _REORDERED:
                return False
            before = self.seconds(pts)
        return True

    def frames(self, times: Iterable[float], *, spacing: float, skip: set[int]) -> Iterator[VideoFrame]:
        """A frame for each of `times` (increasing seconds), with increasing times and none in `skip`.

        Where key pictures are rare and the wanted times, `spacing` seconds apart, much rarer, a frame up
        to a quarter of that away is good enough.  With `spacing` 0 the times are met as well as possible.
        """
        decoded: Iterator[VideoFrame] = iter(())
        position, gap, last = float("-inf"), _FIRST_GAP, float("-inf")
        for time in times:
            target = time
            if time - position > gap:
                landed, decoded = self._land(time, time + spacing / 4)
                gap = max(gap, time - landed)
                if spacing > 4 * (time - landed):
                    target = min(time, landed + _REACH)
            for frame in decoded:
                if frame.pts is None:
                    continue
                position = self.seconds(frame.pts)
                if position >= target - 1e-6 and position > last and frame.pts not in skip:
                    last = position
                    yield frame
                    break
            else:
                return

    def _land(self, time: float, latest: float) -> tuple[float, Iterator[VideoFrame]]:
        """Frames from the last key picture before `time` on, or from one that is not after `latest`.

        Transport streams land at any picture and decode from the next key picture on: then the way
        back is doubled until that is early enough.
        """
        back = 0.0
        while True:
            frames = self._decode_from(max(0.0, time - back))
            head = next(frames, None)
            landed = float("inf") if head is None or head.pts is None else self.seconds(head.pts)
            if landed <= latest or back >= min(time, _FARTHEST_BACK):
                return landed, frames if head is None else chain([head], frames)
            back = back * 2 or _FIRST_GAP

    def _decode_from(self, time: float) -> Iterator[VideoFrame]:
        self._seek(time)
        self._decoder.reset()
        for packet in self._opened.packets():
            yield from self._decoder.feed(packet)
        yield from self._decoder.feed(None)

    def _seek(self, time: float) -> None:
        offset = self.first + int(time / self.unit)
        self._opened.container.seek(offset, stream=self._opened.stream, backward=True)
