"""Text for people: a line per file, lines for its persons where it matters, a summary."""

from __future__ import annotations

from dfdetect.names import printable
from dfdetect.record.summary import Summary, decides, is_accepted
from dfdetect.reports.base import Report
from dfdetect.reports.findings import doubts, sentence, unseen, why, worst_first
from dfdetect.reports.spacing import looked_at
from dfdetect.reports.timeline import peak
from dfdetect.results import Label, MediaInfo, MediaKind, ScanResult, TrackResult
from dfdetect.verdict.messages import unusual_words
from dfdetect.words import (
    NOT_JUDGED,
    UNREADABLE,
    label_words,
    length,
    percent,
    reason_words,
    share_words,
    span,
)

MAX_PERSONS = 8
"""Persons shown per file unless the user wants particulars; JSON has them all."""

_COLORS = {
    Label.FAKE.value: "1;31",
    Label.UNCERTAIN.value: "33",
    Label.REAL.value: "32",
    NOT_JUDGED: "36",
    UNREADABLE: "35",
}
_DIM = "2"
_INDENT = " " * 24


class TextReport(Report):
    """``fake         93 % fake  clip.mp4``: the answer, the probability of being fake, the file.

    With verbosity -1 there are only findings (at or above ``fail_on``) and unreadable files, and no
    summary; with 1 and more, the message, the media, the notes and every person.
    """

    name = "text"

    def add(self, result: ScanResult) -> None:
        """Write the lines of one file."""
        if self._wanted(result):
            self.write("".join(line + "\n" for line in self._lines(result)))

    def end(self, summary: Summary) -> None:
        """Write the summary, unless the scan could not even begin: then an error says all there is."""
        if self.options.verbosity >= 0 and (summary.files or summary.complete):
            self.write(("\n" if summary.files > 1 else "") + summary.sentence() + "\n")

    def _wanted(self, result: ScanResult) -> bool:
        return self.options.verbosity >= 0 or decides(result, self.options.fail_on)

    def _lines(self, result: ScanResult) -> list[str]:
        word = label_words(result.label, result.reason)
        share = percent(result.fake_probability) + (" fake" if result.label is not None else "")
        line = f"{self._paint(f'{word:<10}', _COLORS[word])}  {share:>10}  {printable(result.path)}"
        if result.reason is not None:
            line += self._paint(f"  {why(result)}", _DIM)
        elif rest := unseen(result):
            line += self._paint(f"  {rest}", _DIM)
        if is_accepted(result):
            line += self._paint("  accepted by the baseline", _DIM)
        lines = [line, *self._persons(result)]
        # Not on the first line, which is long enough; among the notes where there are particulars.
        if self.options.verbosity <= 0 and (less := doubts(result)):
            lines.insert(1, self._paint(f"{_INDENT}note: {less}", _DIM))
        if self.options.verbosity > 0:
            lines += [self._paint(_INDENT + detail, _DIM) for detail in _details(result)]
        return lines

    def _persons(self, result: ScanResult) -> list[str]:
        shown = _worth_showing(result, everyone=self.options.verbosity > 0)
        lines = [_INDENT + self._person(track, result.is_video) for track in shown]
        hidden = len(result.tracks) - len(shown)
        if shown and hidden:
            lines.append(f"{_INDENT}… and {hidden} more (--verbose or --format json has them all)")
        return lines

    def _person(self, track: TrackResult, video: bool) -> str:
        where = span(track.start, track.end) if video else _position(track)
        word = label_words(track.label, track.reason)
        answer = self._paint(word, _COLORS[word])
        if track.fake_probability is not None:
            answer += share_words(track.label, track.fake_probability)
        elif track.reason is not None:
            answer += f" ({reason_words(track.reason)})"
        top = peak(track) if video and track.label in (Label.FAKE, Label.UNCERTAIN) else None
        most = f", strongest {span(*top)}" if top else ""
        return f"person {track.id}  {where}  {answer}{most}"

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.options.color else text


def _worth_showing(result: ScanResult, everyone: bool) -> list[TrackResult]:
    """The persons, if there are several or if one changes over time; the suspicious before the others."""
    tracks = result.tracks
    if everyone:
        return list(tracks)
    uneven = any(track.label in (Label.FAKE, Label.UNCERTAIN) and peak(track) for track in tracks)
    if len(tracks) < 2 and not uneven:
        return []
    return sorted(worst_first(tracks)[:MAX_PERSONS], key=lambda track: track.id)


def _position(track: TrackResult) -> str:
    """Where in a photo; a person without scored faces has no place on record."""
    if not track.faces:
        return "somewhere"
    box = track.faces[0].box
    return f"{box.width:.0f}×{box.height:.0f} px at {box.x0:.0f},{box.y0:.0f}"


def _details(result: ScanResult) -> list[str]:
    details = []
    if result.label is not None and result.message:
        details.append(printable(result.message))
    if result.media is not None:
        details.append(_media(result.media, looked_at(result)))
    said = why(result) if result.reason is not None else unseen(result)
    untold = [note.text for note in result.every_note if not _told(note.text, said)]
    details += [printable(f"note: {text}") for text in untold]
    if result.novelty is not None:
        details.append(unusual_words(result.novelty) or f"novelty {percent(result.novelty)}")
    if result.model is not None:
        stamp = f"model {result.model.name} {result.model.version} ({result.model.engine})"
        details.append(printable(stamp) + f", {result.elapsed:.2f} s")
    return details


def _told(text: str, line: str) -> bool:
    """Whether the line of a file has a note's text, which stands there as it is or as a sentence."""
    return printable(text) in line or printable(sentence(text)) in line


def _media(media: MediaInfo, looks: str) -> str:
    parts = [media.kind.value, "/".join(filter(None, (media.container, media.codec)))]
    parts.append(f"{media.width}×{media.height}")
    if media.kind is MediaKind.VIDEO:
        if media.duration is not None:
            parts.append(length(media.duration))
        if media.frame_rate is not None:
            parts.append(f"{media.frame_rate:.4g} frames/s")
        parts.append(looks)
    return printable(", ".join(parts))
