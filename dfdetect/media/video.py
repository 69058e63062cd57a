"""Sample the frames of a video over its whole length, in order, by presentation time.

Ordinary files are first listed (`survey`): what is there counts, not what the header claims.  Then the
stretches that hold the chosen pictures are decoded in one pass through the file without a seek.
Large files whose claimed length proves true are sampled by jumps (`rover`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.media.base import FileMedia
from dfdetect.media.colour import MAPPED
from dfdetect.media.decoding import Decoder, FalseKeyError, decode_runs
from dfdetect.media.limits import check_pixels, out_of_memory
from dfdetect.media.opening import Opened, no_picture_error, open_video, readable_structure
from dfdetect.media.picture import convert, square_size
from dfdetect.media.rover import LATER, Rover
from dfdetect.media.sampling import choose, choose_closer, clip_window, inside, spread, wanted_times
from dfdetect.media.survey import Run, Survey, plan_runs, take_survey
from dfdetect.results import Frame, MediaKind, Reason
from dfdetect.shortage import out_of_threads

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from dfdetect.media.sniff import Sniffed
    from dfdetect.media.source import Source
    from dfdetect.settings import Settings

ORDINARY_BYTES, ORDINARY_SECONDS = 100 << 20, 900.0
"""Files below both are always listed before sampling."""
SHORT_BYTES, SHORT_SECONDS = 1 << 30, 120.0
"""So are larger ones that claim to be short."""
_STILL = frozenset({"fits", "image2"})
"""Of FFmpeg's names for containers those of pictures, beside the ones that end in ``_pipe``."""
_MATROSKA = "matroska,webm"
_WITH_THUMBNAILS = frozenset({"avif", "heic"})
"""Beside the animation these hold still pictures, which FFmpeg takes for streams."""


class VideoMedia(FileMedia):
    """A video file (or a picture of a format that only FFmpeg reads)."""

    def __init__(self, source: Source, sniffed: Sniffed, settings: Settings) -> None:
        super().__init__(source, sniffed.format, settings)
        self._sniffed = sniffed
        self._structure = readable_structure(source, sniffed)
        self._survey: Survey | None = None
        self._broken = self._left_out = 0
        opened = open_video(source, sniffed, settings)
        stream, container = opened.stream, opened.container
        context = stream.codec_context
        self._mirrored = stream.id in self._structure.mirrored
        name = container.format.name
        still = name.endswith("_pipe") or name in _STILL
        self.kind = MediaKind.PHOTO if still else MediaKind.VIDEO
        if self.kind is MediaKind.PHOTO:  # which part of a video is wanted says nothing about it
            self._settings = settings.replace(start=None, end=None)
        self._container = self._container or name.split(",")[0]
        self._codec = context.codec.canonical_name
        self._aspect = Fraction(stream.sample_aspect_ratio) if stream.sample_aspect_ratio else None
        self._size = (context.width, context.height)
        self._claims = _claimed_seconds(opened)
        self._duration = self._claims[0] if self._claims else None
        self._rate = float(stream.average_rate) if stream.average_rate else None
        self._claimed_frames = _claimed_pictures(opened)
        # The length of the whole file may be that of its sound.
        self._claims_length = bool(stream.duration) or len(container.streams) == 1
        self._opened: Opened | None = opened
        self._late = opened.late
        if self._late:
            text = f"The picture begins {self._late:.1f} s into the file; times count from there."
            self._note("late_start", text)
        if opened.streams > 1 and sniffed.format not in _WITH_THUMBNAILS:
            self._note(
                "streams",
                f"Only one of {opened.streams} video streams was looked at; others may show something else.",
            )

    def close(self) -> None:
        """Close the file and the decoder."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        super().close()

    def frames(self) -> Iterator[Frame]:
        """The sampled frames; see `Media.frames`."""
        self._count = 0
        self._given.clear()
        self._peeked.clear()
        try:
            yield from self._sampled()
            if not self._count:
                yield from self._salvaged()
        except MemoryError as error:
            raise out_of_memory(self._source.title) from error
        if self._structure.whole is False:
            self._note("truncated", "The file ends early: its last part is missing.")
        self._tell_marked()
        if self._broken and "truncated" not in self._notes:
            self._note("damaged", f"{self._broken} damaged packets were passed over.")
        if not self._count:
            raise self._no_picture()

    def _no_picture(self) -> MediaError:
        """The error for no picture at all: a decoder that the system refuses threads gives none either."""
        try:
            with closing(self._open()) as opened:
                opened.stream.codec_context.open()
        except BlockingIOError:
            return out_of_threads(self._source.title)
        except FFmpegError:  # as `Decoder` has met it
            pass
        return no_picture_error(self._source, self._sniffed, self._structure)

    def _tell_marked(self) -> None:
        """Note what was left out, or looked at, although it is marked as damaged."""
        survey = self._survey
        if survey is None:
            return
        one = survey.marked == 1
        number = f"{survey.marked} of {len(survey.index)} pictures {'is' if one else 'are'} marked as damaged"
        if survey.trusts_marked:
            they = "it was" if one else "they were"
            self._note("damaged", f"{number}; {they} looked at all the same.")
        elif "truncated" in self._notes:
            return  # that is where the marks come from, and says as much
        elif survey.marked:
            self._note("damaged", f"{number} and {'was' if one else 'were'} not looked at.")
        elif self._left_out:
            count = "1 picture" if self._left_out == 1 else f"{self._left_out} pictures"
            self._note("damaged", f"In place of {count} marked as damaged the next ones were looked at.")

    def closer(
        self, windows: Sequence[tuple[float, float]], count: int, *, peek: bool = False
    ) -> Iterator[Frame]:
        """Further frames inside `windows`; see `Media.closer`."""
        if self.kind is MediaKind.PHOTO or count <= 0:
            return
        with self._peeking() if peek else nullcontext():
            yield from self._closer(windows, count)

    def _closer(self, windows: Sequence[tuple[float, float]], count: int) -> Iterator[Frame]:
        survey = self._survey
        if survey is None:
            yield from self._roved_closer(windows, count)
            return
        rows, times, _ = _timeline(survey)
        given = np.flatnonzero(np.isin(survey.pts[rows], list(self._given)))
        picks = choose_closer(times, windows, count, given, self._settings)
        yield from self._listed(survey, plan_runs(survey, rows[picks]))

    def every_frame(self) -> Iterator[Frame]:
        """All pictures between start and end; see `Media.every_frame`."""
        if self.kind is MediaKind.PHOTO:
            yield from self.frames()
            return
        self._count = 0
        given = frozenset(self._given)
        with closing(self._open()) as opened:
            if self._survey is None:
                self._survey = take_survey(opened)
        survey = self._survey
        try:
            for frame in self._streamed(survey) if survey.thinned else self._entire(survey):
                yield frame
                self._given.clear()  # it would grow with the length of the video
            self._given.update(given)
        except MemoryError as error:
            raise out_of_memory(self._source.title) from error
        if not self._count:
            raise self._no_picture()

    @property
    def origin(self) -> float:
        """The container's time of the first picture, in seconds."""
        survey = self._survey
        if survey is None or not survey.timed or not survey.usable.any():
            return 0.0
        first = int(np.argmax(survey.usable))
        return float(survey.pts[first]) * survey.unit - float(survey.seconds[first])

    def _entire(self, survey: Survey) -> Iterator[Frame]:
        rows, times, self._duration = _timeline(survey)
        picks = inside(times, self._duration, self._settings)
        if len(rows) and not len(picks):
            raise self._outside(self._duration)
        yield from self._listed(survey, plan_runs(survey, rows[picks]))
        if not self._count:
            yield from self._salvaged()

    def _streamed(self, survey: Survey) -> Iterator[Frame]:
        """From the first packet to the last, for a file with too many pictures to list them all."""
        start, end, last = self._settings.start or 0.0, self._settings.end, -1.0
        opened = self._open()
        try:
            decoder = Decoder(opened, marked=survey.trusts_marked)
            for number, frame in enumerate(decoder.stream(opened)):
                if survey.timed and frame.pts is None:
                    continue
                time = survey.time_of(frame.pts or 0) if survey.timed else number / (self._rate or 25.0)
                if end is not None and time >= end:
                    return
                if time >= start and time > last:
                    last = time
                    yield self._hand_out(time, number, frame)
        finally:
            opened.close()

    def _open(self) -> Opened:
        """The file as it was opened first, or a fresh one when that was used up."""
        opened, self._opened = self._opened, None
        return opened or open_video(self._source, self._sniffed, self._settings)

    def _sampled(self) -> Iterator[Frame]:
        opened = self._open()
        try:
            if self._claims and self._is_long(self._claims[0]):
                rover = Rover(opened, Decoder(opened))
                # Of two nearer to each other both may be found true: then the one that leaves nothing out.
                apart = self._claims[-1] - self._claims[0] > LATER
                true = next(filter(rover.is_true, self._claims if apart else self._claims[-1:]), None)
                if true is not None:
                    yield from self._roved(rover, true)
                    return
                opened.close()
                opened = self._open()
            if self._survey is None:
                self._survey = take_survey(opened)
        finally:
            opened.close()
        if self._survey.packets:
            yield from self._surveyed(self._survey)

    def _is_long(self, duration: float) -> bool:
        size = self._source.size
        if self._survey is not None or self._structure.whole is False:
            return False
        if self._container == "avi":  # has no presentation times to jump to
            return False
        ordinary = size <= ORDINARY_BYTES and duration <= ORDINARY_SECONDS
        return not ordinary and not (size <= SHORT_BYTES and duration <= SHORT_SECONDS)

    def _surveyed(self, survey: Survey) -> Iterator[Frame]:
        rows, times, duration = _timeline(survey)
        self._compare(survey, duration)
        self._duration = duration
        self._rate = survey.shown / duration if duration > 0 else self._rate
        picks = choose(times, duration, self._settings)
        if not len(picks):
            raise self._outside(duration)
        self._tell_part(duration)
        yield from self._listed(survey, plan_runs(survey, rows[picks]))

    def _compare(self, survey: Survey, duration: float) -> None:
        """Note when the header claims more than there is."""
        claim = self._claims[0] if self._claims else None
        longer = self._claims_length and claim is not None and claim > duration / 0.9 + 1.0
        if not longer and self._claimed_frames * 0.9 - 1 <= survey.packets:
            return
        claimed = f"{claim:.1f} s" if longer else f"{self._claimed_frames:.0f} pictures"
        count = survey.shown if longer else survey.packets  # a claimed number has those not shown too
        found = "1 picture" if count == 1 else f"{count} pictures"
        if duration >= 0.005:
            found = f"{duration:.{1 if duration >= 0.1 else 2}f} s with {found}"
        if self._structure.whole:
            self._note("wrong_header", f"The header claims {claimed}; the file holds {found}.")
        else:
            self._note(
                "truncated", f"The file ends early: of {claimed} that its header claims it has {found}."
            )

    def _outside(self, duration: float) -> MediaError:
        late = (
            f" (times count from the first picture, {self._late:.1f} s into the file)" if self._late else ""
        )
        return MediaError(
            Reason.NO_PICTURE,
            f"{self._source.title} is {duration:.2f} s long, nothing lies after start"
            f" ({self._settings.start or 0:g} s): choose an earlier start{late}",
        )

    def _listed(self, survey: Survey, runs: list[Run]) -> Iterator[Frame]:
        """Decode `runs`; when key pictures turn out to be none, decode the rest from the beginning."""
        last = None
        try:
            for time, frame in self._decoded(survey, runs):
                last = time
                yield self._hand_out(survey.time_of(time), time, frame)
        except FalseKeyError:
            rest = [time for run in runs for time in run.wanted if last is None or time > last]
            for time, frame in self._decoded(survey, [Run(0, survey.packets, rest)]):
                yield self._hand_out(survey.time_of(time), time, frame)

    def _decoded(
        self, survey: Survey, runs: list[Run], *, tolerant: bool = False
    ) -> Iterator[tuple[int, VideoFrame]]:
        with closing(self._open()) as opened:
            decoder = Decoder(opened, tolerant=tolerant, marked=survey.trusts_marked)
            yield from decode_runs(opened, survey, runs, decoder)
            self._broken = decoder.broken
            self._left_out = _count_left_out(survey, runs, decoder)

    def _salvaged(self) -> Iterator[Frame]:
        """Damaged pictures, where there is no other: whatever comes out of decoding from the beginning."""
        survey = self._survey
        if survey is None or not survey.packets:
            return
        rows, times, duration = _timeline(survey)
        picks = choose(times, duration, self._settings)
        run = Run(0, survey.packets, survey.pts[rows[picks]].tolist())
        for time, frame in self._decoded(survey, [run], tolerant=True):
            self._note("damaged", "No picture is whole; parts of what was looked at are missing.")
            yield self._hand_out(survey.time_of(time), time, frame)

    def _roved(self, rover: Rover, duration: float) -> Iterator[Frame]:
        self._duration = duration
        window = clip_window(duration, self._settings.start, self._settings.end)
        if window is None:
            raise self._outside(duration)
        self._tell_part(duration)
        most = round((window[1] - window[0]) * (self._rate or 60.0)) + 1
        times = wanted_times(window, self._settings, most)
        at_end = yield from self._followed(rover, times, (window[1] - window[0]) / len(times))
        if self._count < len(times) and not at_end:
            self._note(
                "damaged", f"Of {len(times)} places looked at, {len(times) - self._count} gave no picture."
            )

    def _roved_closer(self, windows: Sequence[tuple[float, float]], count: int) -> Iterator[Frame]:
        with closing(self._open()) as opened:
            rover = Rover(opened, Decoder(opened))
            yield from self._followed(rover, spread(windows, count, self._duration or 0.0), 0.0)

    def _followed(
        self, rover: Rover, times: NDArray[np.float64], spacing: float
    ) -> Generator[Frame, None, bool]:
        """Frames at `times`, none from `Settings.end` on; gives whether that was reached."""
        end = self._settings.end
        for frame in rover.frames(times.tolist(), spacing=spacing, skip=set(self._given)):
            assert frame.pts is not None
            time = rover.seconds(frame.pts)
            # Only when there is another: a window between two pictures still shows something.
            if end is not None and time >= end and self._count:
                return True
            yield self._hand_out(time, frame.pts, frame)
        return False

    def _hand_out(self, time: float, pts: int, frame: VideoFrame) -> Frame:
        """Convert `frame` to an upright picture and keep what it tells about the file."""
        size = square_size(frame.width, frame.height, self._aspect)
        check_pixels(*size, self._source.title, self._settings)
        try:
            picture = convert(frame, self._aspect, mirrored=self._mirrored, linear=self._codec == "hdr")
        except MemoryError:
            raise
        except BlockingIOError as error:
            raise out_of_threads(self._source.title) from error
        except (FFmpegError, OSError) as error:
            raise no_picture_error(
                self._source, self._sniffed, self._structure, f"no RGB out of {frame.format.name}: {error}"
            ) from error
        if not self._count:
            self._rotation = picture.clockwise
            self._size = (picture.image.shape[1], picture.image.shape[0])
        if picture.hdr:
            self._note("hdr", MAPPED)
        if picture.guessed:
            self._note("colours", "The colours may be wrong: they are stored in a way that is not supported.")
        if picture.interlaced:
            self._note("interlaced", "The video is interlaced; of pictures with combs one field was used.")
        self._given.add(pts)
        return self._frame(time, picture.image)


def _claimed_seconds(opened: Opened) -> tuple[float, ...]:
    """The lengths that the container may claim for the picture stream, or else for everything, least first.

    Of Matroska whose times begin late (a recording of a stream that ran already) some programs write when
    it ends, others how long it is.
    """
    stream, container = opened.stream, opened.container
    if stream.duration and stream.time_base:
        return (float(stream.duration * stream.time_base),)
    if not container.duration:
        return ()
    claim = container.duration / 1_000_000
    begins = (container.start_time or 0) / 1_000_000
    if container.format.name == _MATROSKA and 0 < begins < claim:
        return (claim - begins, claim)
    return (claim,)


def _claimed_pictures(opened: Opened) -> float:
    """The number that the container claims, of an MP4 without those that its edit list leaves out.

    Their data is there, but FFmpeg passes over what is not needed to decode the others.
    """
    stream = opened.stream
    if not (opened.cuts_are_marked and stream.duration and stream.time_base and stream.average_rate):
        return stream.frames
    return min(stream.frames, float(stream.duration * stream.time_base * stream.average_rate))


def _timeline(survey: Survey) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
    """Rows of the usable pictures, their times, and when the last one disappears."""
    rows = survey.pictures
    times = survey.seconds[rows]
    return rows, times, float(times[-1]) + survey.tail if len(times) else 0.0


def _count_left_out(survey: Survey, runs: list[Run], decoder: Decoder) -> int:
    """Wanted pictures that came out marked as damaged.

    Not those before the first key picture: what they need lies before the beginning of a recording.
    """
    if not survey.timed or not decoder.left_out or not survey.keys.any():
        return 0
    first = int(survey.pts[int(np.argmax(survey.keys))])
    wanted = {time for run in runs for time in run.wanted if time >= first}
    return len(wanted & decoder.left_out)
