"""Decode the wanted pictures of a listed video in one pass through its packets, without a seek."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from dfdetect.media import mend

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from dfdetect.media.opening import Opened
    from dfdetect.media.survey import Run, Survey

_I_PICTURE = 1


class FalseKeyError(Exception):
    """A packet that the container calls a key picture is none: decoding cannot start there."""


class Decoder:
    """A decoder that passes over what it cannot decode, and counts it.

    `tolerant` makes the most of a file with nothing better: cut-off packets are mended and damaged
    pictures are handed out as well.  With `marked` only the latter.
    """

    def __init__(self, opened: Opened, *, tolerant: bool = False, marked: bool = False) -> None:
        self._context: Any = opened.stream.codec_context
        self._tolerant, self._hand_out_marked = tolerant, tolerant or marked
        self._unit = mend.length_size(self._context.codec.canonical_name, self._context.extradata)
        # In H.264 a picture that no other needs says so; HEVC's mark is not enough (sub-layers).
        self._can_skip = self._context.codec.canonical_name == "h264"
        # No use but trouble, since an error makes PyAV lose the good pictures that come out at the same time.
        self._leave_out_cut = not tolerant and opened.cuts_are_marked
        self._skipping = False
        self.has_palette: bool = self._context.pix_fmt == "pal8"
        """Few videos have one; the packets of others need not be asked."""
        self.broken = 0
        """Packets out of which nothing came."""
        self.left_out: set[int] = set()
        """Times of the pictures that were not handed out because they are marked as damaged."""

    def feed(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The pictures that come out when `packet` goes in; None: those that are still held back."""
        if packet is not None and packet.is_corrupt and self._leave_out_cut:
            return []
        if packet is not None and self._tolerant and self._unit:
            packet = self._mended(packet)
        try:
            frames = self._context.decode(packet)
        except MemoryError:
            raise
        except FFmpegError:
            self.broken += packet is not None
            return []
        if self._hand_out_marked:
            return list(frames)
        self.left_out.update(frame.pts for frame in frames if frame.is_corrupt and frame.pts is not None)
        return [frame for frame in frames if not frame.is_corrupt]

    def stream(self, opened: Opened) -> Iterator[VideoFrame]:
        """Every picture of `opened`, in order."""
        for packet in opened.packets():
            yield from self.feed(packet)
        yield from self.feed(None)

    def take_palette(self, packet: Packet[VideoStream] | None) -> None:
        """Keep the palette that comes with `packet`, which is not wanted otherwise.

        FFmpeg hands the palette of AVI and MOV over once, with the first packet of all.
        """
        if self.has_palette and packet is not None and packet.has_sidedata("palette"):
            self.feed(packet)

    def skip_unneeded(self, skip: bool) -> None:
        """Choose whether the next packets are left out if no other picture needs them."""
        if self._can_skip and skip != self._skipping:
            self._context.skip_frame = "NONREF" if skip else "DEFAULT"
            self._skipping = skip

    def reset(self) -> None:
        """Forget everything: the next packet begins anew."""
        self._context.flush_buffers()

    def _mended(self, packet: Packet[VideoStream]) -> Packet[VideoStream]:
        # Before decoding, for a decoder with threads complains about a packet later, if at all.
        data = bytes(packet)
        shortened = mend.shorten_last_unit(data, self._unit)
        if not shortened or shortened == data:
            return packet
        patched: Any = av.Packet(shortened)
        patched.pts, patched.dts, patched.time_base = packet.pts, packet.dts, packet.time_base
        return patched  # type: ignore[no-any-return]


def decode_runs(
    opened: Opened, survey: Survey, runs: Sequence[Run], decoder: Decoder
) -> Iterator[tuple[int, VideoFrame]]:
    """The wanted pictures of `runs` with their times in units of `survey`, increasing.

    A wanted picture that does not come out (damaged, or never meant to be shown) is replaced by the next
    one.  Raises `FalseKeyError` when decoding cannot start where the container says it can.
    """
    waiting = deque(runs)
    wanted = deque(time for run in runs for time in run.wanted)
    exactly = frozenset(wanted)
    clock = _Clock(survey.timed)
    feeding = False
    for number, packet in enumerate(opened.packets()):
        if not waiting:
            return
        run = waiting[0]
        if not feeding:
            if number < run.start:
                decoder.take_palette(packet)
                continue
            decoder.reset()
            clock.restart(number, packet)
            feeding = True
        if survey.timed:
            decoder.skip_unneeded(packet.pts not in exactly)
        frames = decoder.feed(packet)
        alone = number == run.start == run.last
        if alone:  # a key picture needs nothing after it
            frames += decoder.feed(None)
        for time, frame in clock.timed(frames):
            if _take(wanted, time):
                yield time, frame
        while waiting and (not wanted or waiting[0].wanted[-1] < wanted[0] or (alone and waiting[0] is run)):
            waiting.popleft()
        if not waiting or waiting[0] is not run:
            # The decoder may go on when it was fed without a gap, and begins anew otherwise.
            feeding = bool(waiting) and not alone and waiting[0].start <= number + 1
    for time, frame in clock.timed(decoder.feed(None) if feeding else []):
        if _take(wanted, time):
            yield time, frame


def _take(wanted: deque[int], time: int) -> bool:
    """True when a picture of this time serves a wanted time; those that it serves are removed."""
    taken = False
    while wanted and wanted[0] <= time:
        wanted.popleft()
        taken = True
    return taken


class _Clock:
    """Gives decoded pictures their times and checks that a stretch begins with a key picture."""

    def __init__(self, timed: bool) -> None:
        self._timed = timed
        self._next = 0
        self._key: int | None = None

    def restart(self, number: int, packet: Packet[VideoStream]) -> None:
        """A stretch begins with packet `number`."""
        self._next = number
        # The very first packet needs no check: there is nothing better to begin with.
        self._key = (packet.pts if self._timed else number) if number else None

    def timed(self, frames: Sequence[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        """`frames` with their times; those without any are left out."""
        for frame in frames:
            time = frame.pts if self._timed else self._next
            self._next += 1
            if time is None:
                continue
            if self._key is not None and time >= self._key:
                if time > self._key or not (frame.key_frame or int(frame.pict_type) == _I_PICTURE):
                    raise FalseKeyError
                self._key = None
            yield time, frame
