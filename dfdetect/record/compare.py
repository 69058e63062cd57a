"""Two results of the same file → what differs, figure by figure, and whether that is within what is allowed.

Everything that a record says of a file is compared, as it is published (`dfdetect.record.plain`), and the
sums around it, so that nothing in an edited record goes unnoticed.  Left out are what may differ freely:
the path, the time it took, the evidence, versions and hashes (compared by `dfdetect.verify`).
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dfdetect.record.plain import plain_result
from dfdetect.record.summary import ACCEPTED, Summary
from dfdetect.results import Label, ModelStamp, Note, ScanResult

_FREE = frozenset(
    {
        "path",
        "path_base64",
        "elapsed",
        "evidence",
        "settings",
        "tool_version",
        "schema_version",
        "model",
        "detector",
    }
)
_IDENTITY = {"tracks": "id", "faces": "frame", "notes": "code"}
# Outside of a face these follow from its scores and the model alone: equal scores leave them no room at all.
_DERIVED = frozenset({"logit", "fake_probability", "novelty", "message", "text"})
_WORDS = frozenset({"message", "text"})
_SCORES = frozenset({"logit", "experts"})
# When the scan was and whether it was interrupted follow from no result.
_TOLD = frozenset({"complete", "started", "elapsed"})

FACE_FACTOR = 2.0
"""A single face's logit may move this much further than a file's, which averages several."""
PROBABILITY_FACTOR = 0.25
"""Probability per logit where a calibration of slope 1 is steepest."""
HEAT_FACTOR = 4.0
"""A field of a heat map may move this much further than a file's logit: other engines move single fields of
the standard model, whose tolerance is .5, by up to 1.3, and those of the light model by hardly anything."""

# As `dfdetect.reports.baseline` writes it; nothing can tell whether the reason it gives is true.
_MARK = re.compile(r"This finding is accepted by the (?:new )?baseline(?:: .+)?\.", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PERSONS = re.compile(r"\b[Pp]ersons?\b")
_TIME = r"[\d.:]+(?: s)?"
_WHEN = r"(?:, most clearly| whenever seen,|, seen)"
# What `dfdetect.verdict.messages` chooses by the scores, with the answer as it is: engines may differ.
_CHOSEN = (
    (re.compile(rf"(?: throughout|{_WHEN} (?:at {_TIME}|from {_TIME} to {_TIME}))(?=: )"), ""),
    (re.compile(r"\bunder (?=1 %)|\bover (?=99 %)"), ""),
    (re.compile(r" just (?=below the threshold of )"), " "),
    (re.compile(r" at (?=the threshold of )"), " above "),
    (re.compile(r" \(the answer itself goes by the evidence of the face alone\)(?=\.$)"), ""),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not as it was recorded."""

    what: str
    """In words, e.g. ``person 1, face at 3.2 s: logit``."""
    recorded: Any
    """As in the record; None for what it does not have."""
    found: Any
    allowed: float | None
    """How far the two may lie apart, in the figure's own unit; None where they must be equal."""
    within: bool
    """Whether the difference is allowed."""


def compare_results(
    recorded: ScanResult, found: ScanResult, logit_tolerance: float
) -> tuple[Difference, ...]:
    """Every difference, in the order of the record.

    Allowed are: for a file's or person's logit `logit_tolerance`, for a face's `FACE_FACTOR` times as much,
    for a probability `PROBABILITY_FACTOR` times as much; for the edges of a box 2 px or 3 % of its height;
    1 ms of a face's time; .05 of the detector's confidence; .1 of the novelty; 3 % of a face's size, 20 % of
    its sharpness, .02 of brightness and contrast; `HEAT_FACTOR` times `logit_tolerance` for a field of a heat
    map; .05 s of the length and .05 of the frame rate.  Whatever else differs, above all a label, is not
    allowed.  What follows from the faces' scores (logits and probabilities of persons and file, novelty,
    sentences with a probability) may differ only where a face's score or the version of the tool does, other
    sentences where any figure does; and sentences only in their numbers, those of persons excepted, unless
    another version wrote them.
    """
    # What a baseline said of a file is no finding about it.
    mark = accepted_note(recorded)
    notes = list(recorded.notes)
    if mark is not None:
        notes.remove(mark)
    judged = dataclasses.replace(recorded, notes=tuple(notes))
    other = recorded.tool_version != found.tool_version
    place = _Place(logit_tolerance, other_version=other)
    pairs = list(_walk(plain_result(judged), plain_result(found), place))
    fixed = frozenset() if other else _fixed(role for _, role in pairs)
    return tuple(
        dataclasses.replace(difference, within=difference.within and role not in fixed)
        for difference, role in pairs
    )


def accepted_note(result: ScanResult) -> Note | None:
    """The note by which a baseline accepted this finding: in its own form, and on what may be a finding."""
    if result.label is Label.REAL:
        return None
    marks = (note for note in result.notes if note.code == ACCEPTED and _MARK.fullmatch(note.text))
    return next(marks, None)


def compare_origin(recorded: ScanResult, found: ScanResult) -> tuple[Difference, ...]:
    """Where a record keeps silent about what a result came from: a setting, the model, the face detector.

    Or where it contradicts itself: a result and its evidence must name the same version of the tool.  A
    version that did not have a setting yet could not write it, so that is allowed when the versions differ.
    """
    other = recorded.tool_version != found.tool_version
    silent = [
        Difference(f"settings: {name.replace('_', ' ')}", None, "present", None, other)
        for name in found.settings
        if name not in recorded.settings
    ]
    for name, before, now in (
        ("model", recorded.model, found.model),
        ("detector", recorded.detector, found.detector),
    ):
        if (before is None) != (now is None):
            silent.append(Difference(name, _stamp(before), _stamp(now), None, False))
    return (*silent, *_contradiction(recorded))


def _contradiction(recorded: ScanResult) -> Iterator[Difference]:
    """Where a result and its evidence name two versions of the tool: the same run wrote both."""
    versions = {} if recorded.evidence is None else recorded.evidence.versions
    stated = versions.get("dfdetect", recorded.tool_version)
    if stated != recorded.tool_version:
        yield Difference("evidence: version of dfdetect", stated, recorded.tool_version, None, False)


def _stamp(model: ModelStamp | None) -> str | None:
    return None if model is None else f"{model.name} {model.version}"


def compare_summary(around: Mapping[str, Any], results: Iterable[ScanResult]) -> tuple[Difference, ...]:
    """Where what stands around the results of a document does not follow from them: versions and counts.

    `around` is the document without them, as `read_document` gives it.
    """
    found = tuple(results)
    return (*_other_versions(around, found), *_other_counts(around, found))


def _other_versions(around: Mapping[str, Any], results: Iterable[ScanResult]) -> Iterator[Difference]:
    """One scan is of one version of the tool, and all of its document in one schema."""
    tool = around.get("tool")
    stated = tool if isinstance(tool, Mapping) else {}
    pairs = dict.fromkeys((result.tool_version, result.schema_version) for result in results)
    wanted = [("tool: name", stated.get("name"), "dfdetect")]
    wanted += [("tool: version", stated.get("version"), version) for version, _ in pairs]
    wanted += [("schema version", around.get("schema_version"), version) for _, version in pairs]
    for what, before, now in dict.fromkeys((w, _shown(b), n) for w, b, n in wanted):
        if before != now:
            yield Difference(what, before, now, None, False)


def _other_counts(around: Mapping[str, Any], results: Iterable[ScanResult]) -> Iterator[Difference]:
    stated, summary = around.get("summary"), Summary()
    if not isinstance(stated, Mapping):
        yield Difference("summary", None, "present", None, False)
        return
    for result in results:
        summary.add(result)
    for name, count in summary.as_dict().items():
        if name not in _TOLD and stated.get(name) != count:
            what = f"summary: {name.replace('_', ' ')}"
            yield Difference(what, _shown(stated.get(name)), _shown(count), None, False)


def _shown(value: object) -> object:
    """A count, or in words whatever stands in its place."""
    return value if value is None or isinstance(value, int) else str(value)


class _Role(enum.Enum):
    """What a figure follows from."""

    SCORE = enum.auto()
    """It is a face's score."""
    MEASURED = enum.auto()
    """It was read or measured in another way."""
    OF_SCORES = enum.auto()
    """The faces' scores and the model alone."""
    OF_ALL = enum.auto()
    """Whatever was measured: a sentence on sizes, times or counts."""


def _fixed(moved: Iterable[_Role]) -> frozenset[_Role]:
    """The roles of which nothing may differ, where figures of the roles `moved` do."""
    seen = frozenset(moved)
    if _Role.SCORE in seen:
        return frozenset()
    return frozenset({_Role.OF_SCORES} if _Role.MEASURED in seen else {_Role.OF_SCORES, _Role.OF_ALL})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the record the walk is."""

    tolerance: float
    words: tuple[str, ...] = ()
    in_face: bool = False
    other_version: bool = False

    def enter(self, words: str, in_face: bool = False) -> _Place:
        inside = self.in_face or in_face
        return dataclasses.replace(self, words=(*self.words, words), in_face=inside)

    def title(self, name: str) -> str:
        what = name.replace("_", " ")
        return f"{', '.join(self.words)}: {what}" if self.words else what


_Found = Iterator[tuple[Difference, _Role]]


def _walk(old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> _Found:
    """The differences of two objects, and of each the role of its figure."""
    for name in dict.fromkeys([*old, *new]):
        if name in _FREE:
            continue
        before, now = old.get(name), new.get(name)
        if name == "size_bytes" and before is None:
            continue  # a scan of bytes, an open file or a pipe; the hash of the same bytes fixes their number
        if name in _IDENTITY:
            yield from _members(name, before or [], now or [], place)
        elif isinstance(before, dict) and isinstance(now, dict):
            yield from _walk(before, now, place.enter(name) if name == "media" else place)
        elif before != now and name == "heatmap":
            yield _heat(before, now, place), _Role.MEASURED
        elif before != now:
            yield _leaf(name, before, now, place), _role(name, before, place)


def _role(name: str, recorded: Any, place: _Place) -> _Role:
    if place.in_face:
        return _Role.SCORE if name in _SCORES else _Role.MEASURED
    if name not in _DERIVED:
        return _Role.MEASURED
    return _Role.OF_ALL if name in _WORDS and " %" not in str(recorded) else _Role.OF_SCORES


def _members(name: str, old: list[Any], new: list[Any], place: _Place) -> _Found:
    """Those of two lists of objects, matched by what they are called."""
    before, now = _by_identity(old, _IDENTITY[name]), _by_identity(new, _IDENTITY[name])
    for key in dict.fromkeys([*before, *now]):
        one, other = before.get(key), now.get(key)
        title = _member_title(name, one or other or {})
        if one is None or other is None:
            there = ("present" if one else None), ("present" if other else None)
            yield Difference(", ".join((*place.words, title)), *there, None, False), _Role.MEASURED
        else:
            yield from _walk(one, other, place.enter(title, in_face=name == "faces"))


def _by_identity(items: list[Any], key: str) -> dict[tuple[Any, int], Mapping[str, Any]]:
    """By identity and, should two have the same one, by which of them it is."""
    seen: Counter[Any] = Counter()
    found = {}
    for item in items:
        seen[item[key]] += 1
        found[item[key], seen[item[key]]] = item
    return found


def _member_title(name: str, item: Mapping[str, Any]) -> str:
    if name == "tracks":
        return f"person {item['id']}"
    return f"face at {item['time']:g} s" if name == "faces" else f"note '{item['code']}'"


def _leaf(name: str, old: Any, new: Any, place: _Place) -> Difference:
    allowed = _allowed(name, old, place)
    distance = None if allowed is None else _distance(old, new)
    within = allowed is not None and distance is not None and distance <= allowed
    if name in _WORDS:
        within = place.other_version or _alike(str(old), str(new), place.tolerance)
    return Difference(place.title(name), old, new, allowed, within)


def _alike(old: str, new: str, tolerance: float) -> bool:
    """Whether two sentences differ only in their numbers, and those by what tolerance explains.

    Where persons are named, every number but a probability is theirs: who it is must not differ.
    """
    for pattern, instead in _CHOSEN:
        old, new = pattern.sub(instead, old), pattern.sub(instead, new)
    if _NUMBER.sub("0", old) != _NUMBER.sub("0", new):
        return False
    percent = 1 + 100 * tolerance * PROBABILITY_FACTOR  # 1 for rounding
    named = _PERSONS.search(old) is not None
    for one, other in zip(_NUMBER.finditer(old), _NUMBER.finditer(new), strict=True):
        before, now = float(one[0]), float(other[0])
        # A size in pixels may move as those of the faces.
        other_number = 0.0 if named else 1 + 0.03 * before
        allowed = percent if old.startswith(" %", one.end()) else other_number
        if abs(before - now) > allowed:
            return False
    return True


def _heat(old: Any, new: Any, place: _Place) -> Difference:
    """That of two heat maps: the field where they lie farthest apart, or that there is nothing to compare."""
    if old is None or new is None:
        before, now = (None if heat is None else "present" for heat in (old, new))
        return Difference(place.title("heat map"), before, now, None, place.other_version)
    if _distance(old, new) is None:
        return Difference(place.title("heat map"), "a map", "one of other fields", None, False)
    fields = list(zip(itertools.chain(*old), itertools.chain(*new), strict=True))
    one, other = max(fields, key=lambda pair: abs(pair[0] - pair[1]))
    allowed = place.tolerance * HEAT_FACTOR
    return Difference(place.title("heat map"), one, other, allowed, abs(one - other) <= allowed)


def _allowed(name: str, old: Any, place: _Place) -> float | None:
    """How far a figure may move, in its own unit."""
    logit = place.tolerance * (FACE_FACTOR if place.in_face else 1.0)
    fixed = {
        "logit": logit,
        "experts": logit,
        "fake_probability": place.tolerance * PROBABILITY_FACTOR,
        "novelty": 0.1,
        "detection": 0.05,
        "time": 0.0015,  # written to the millisecond
        "start": 0.0015,
        "end": 0.0015,
        "brightness": 0.02,
        "contrast": 0.02,
        "duration": 0.05,
        "frame_rate": 0.05,
    }
    if name in fixed:
        return fixed[name]
    if name == "band":
        return _as_written(old)
    if name in ("size", "sharpness"):
        return abs(float(old)) * (0.03 if name == "size" else 0.2) if _is_figure(old) else None
    if name == "box":
        return max(2.0, 0.03 * float(abs(old[3] - old[1])))
    return None


def _as_written(band: Any) -> float:
    """How far rounding moves the limits of an answer: by the last digit that `plain_result` writes."""
    rest = max((min(edge, 1 - edge) for edge in band or () if _is_figure(edge)), default=1.0)
    return 2e-5 * rest if 0 < rest < 1e-3 else 2e-6


def _distance(old: Any, new: Any) -> float | None:
    """Between two numbers, or two lists of as many; None for anything else."""
    if _is_figure(old) and _is_figure(new):
        return abs(float(old) - float(new))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        parts = [_distance(a, b) for a, b in zip(old, new, strict=True)]
        return max((part for part in parts if part is not None), default=0.0) if None not in parts else None
    return None


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
