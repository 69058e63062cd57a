"""Times of a file that was joined from parts, each of which begins its clock anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_STORED = frozenset({"mpegts", "mpeg", "flv", "mov,mp4,m4a,3gp,3g2,mj2"})
"""Containers that store when a picture is decoded: that never runs back, if not for a new part."""
_STORED_FALL, _GUESSED_FALL = 0.1, 1.0
"""Seconds.  From other containers FFmpeg guesses it, and errs by as much as pictures are reordered."""


class JoinedClock:
    """Lets one time follow another where the clock of a file runs back, as FFmpeg's own players do.

    Otherwise the pictures of all parts would have the same times, and those of the first be taken for all.
    """

    def __init__(self, container: str, unit: float) -> None:
        fall = _STORED_FALL if container in _STORED else _GUESSED_FALL
        self._fall = int(fall / unit) if unit else None
        self._later = 0
        self._decoded: int | None = None
        self._shown: int | None = None

    def set(self, packet: Packet[VideoStream]) -> None:
        """Put `packet`, the next one of the stream, behind those before it."""
        pts, dts = packet.pts, packet.dts
        if dts is not None and self._decoded is not None and self._fall is not None:
            step = packet.duration or 1
            if dts + self._later < self._decoded - self._fall:
                self._later = self._decoded + step - dts
                if pts is not None and self._shown is not None:
                    self._later = max(self._later, self._shown + step - pts)
        if self._later:
            packet.pts = pts = None if pts is None else pts + self._later
            packet.dts = dts = None if dts is None else dts + self._later
        self._decoded = _latest(self._decoded, dts)
        self._shown = _latest(self._shown, pts)


def _latest(before: int | None, time: int | None) -> int | None:
    return time if before is None or (time is not None and time > before) else before
