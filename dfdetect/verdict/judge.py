"""The verdict on a file: logits per person in, label or reason, probability and one sentence out."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dfdetect.errors import ModelError
from dfdetect.results import FaceQuality, FaceScore, Label, MediaKind, Note, Reason, TrackResult
from dfdetect.settings import DEFAULT_FRAMES, Settings
from dfdetect.verdict.calibration import Calibration, to_probability
from dfdetect.verdict.messages import (
    JudgedPerson,
    Limits,
    clearest,
    judged_message,
    person_note,
    unjudged_message,
)
from dfdetect.verdict.novelty import novelty_figures, novelty_note
from dfdetect.verdict.track import Floats, TrackScores

# Which reason is named when several hold for equally many faces: the one that is easiest to mend first.
_ORDER = (Reason.FACE_TOO_SMALL, Reason.FACE_TOO_DARK, Reason.FACE_TOO_BLURRED)
# Who is seen in this share of the frames is in all that was looked at: a turned head may be missed.
_ALL_ALONG = 0.9


@dataclass(frozen=True, slots=True)
class TrackEvidence:
    """Everything that was found of one person.

    A face that fails `Judge.gate` may be scored all the same (it is gated again) or only be counted.
    """

    id: int
    """Number of the person, from 1."""
    scores: tuple[FaceScore, ...]
    """The scored faces, in any order."""
    faces_found: int
    """All faces of this person, scored or not."""
    failed: Mapping[Reason, int] = field(default_factory=dict, hash=False)
    """Why `Judge.gate` let faces go unscored → how many of them."""
    largest: float | None = None
    """Height in pixels of the largest face found, scored or not."""
    times: tuple[float, ...] = ()
    """Times of all faces found, in seconds; the scores' own times are added."""
    frames: int | None = None
    """Frames that were looked at for these faces; None: all that were looked at."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for a file; the fields are those of `ScanResult`."""

    label: Label | None
    reason: Reason | None
    message: str
    fake_probability: float | None
    logit: float | None
    band: tuple[float, float] | None
    tracks: tuple[TrackResult, ...]
    notes: tuple[Note, ...] = ()
    novelty: float | None = None


@dataclass(frozen=True, slots=True)
class _Sorted:
    """One person's evidence after the quality gate."""

    evidence: TrackEvidence
    faces: tuple[FaceScore, ...]
    """All scored ones in order of time."""
    usable: tuple[FaceScore, ...]
    failed: Counter[Reason]


class Judge:
    """Applies a calibration under some settings.

    Raises `ModelError` at once when `calibration` (the content of ``calibration.json``) is not usable.
    """

    def __init__(self, calibration: Mapping[str, Any], settings: Settings) -> None:
        self._calibration = Calibration.from_mapping(calibration)
        self._settings = settings
        fitted = calibration.get("fitted_on")
        self._fitted = bool(fitted.get("files", True) if isinstance(fitted, Mapping) else fitted)

    def gate(self, quality: FaceQuality) -> Reason | None:
        """Why a face cannot be judged, None when it can; lets a scan skip scoring what will not count."""
        return self._calibration.gate.check(quality, self._settings.min_face)

    def band(self, kind: MediaKind) -> tuple[float, float]:
        """Below the first probability a file is real, from the second on fake.

        The calibrated band moves with `Settings.prior` as the probabilities do, so that a prior changes no
        label and the stated error rates stay true.  `Settings.threshold` is a limit for the probability at
        that prior and does not move: with it, the prior does change labels.
        """
        threshold = self._settings.threshold
        if threshold is not None:
            return threshold, threshold
        return self._calibration.band(kind, self._settings.prior)

    def judge(
        self, kind: MediaKind, tracks: Sequence[TrackEvidence], frames_sampled: int, *, beyond: bool = False
    ) -> Verdict:
        """Judge a file by its persons.

        The file is as suspicious as its most suspicious person, less a penalty that grows with the number of
        judged persons, so that a crowd is not fake by chance.  A person's probability holds the same penalty,
        so that the file's answer is always that of a person in it.  `frames_sampled` is the number of frames
        that were searched for faces; `beyond` says that they hold more faces than were looked at.  Raises
        `ModelError` for a logit that is not a finite number.
        """
        if len({t.id for t in tracks}) != len(tracks):
            raise ValueError("two tracks have the same person number")
        seen = (self._fused(kind, t) for t in sorted(tracks, key=lambda t: t.id))
        found = [self._sort(t) for t in seen if t.faces_found or t.scores]
        need = self._frames_needed(kind, frames_sampled)
        judged = [s for s in found if len(s.usable) >= need]
        if not judged:
            return self._unjudged(kind, found, need, frames_sampled)
        penalty = self._calibration.track_penalty * math.log(len(judged))
        results, persons = [], []
        for person in found:
            if len(person.usable) < need:
                results.append(_unjudged_track(person))
                continue
            result = self._judge_track(kind, person, penalty)
            results.append(result)
            persons.append(self._describe(kind, person, result, penalty, frames_sampled))
        usable = {s.evidence.id: s.usable for s in judged}
        return self._answer(kind, results, persons, usable, penalty, beyond)

    def _fused(self, kind: MediaKind, evidence: TrackEvidence) -> TrackEvidence:
        """The evidence with the logits fused as this medium wants it."""
        weights = self._calibration.fusion.get(kind)
        if weights is None:
            return evidence
        bias = self._calibration.fusion_bias
        scores = tuple(
            dataclasses.replace(s, logit=bias + sum(w * v for w, v in zip(weights, s.experts, strict=True)))
            for s in evidence.scores
        )
        return dataclasses.replace(evidence, scores=scores)

    def _novelty(self, kind: MediaKind, faces: Sequence[FaceScore]) -> tuple[float | None, list[Note]]:
        """How unusual the faces that speak for a file are, and the note on it; None where it is not known."""
        usual = self._calibration.novelty.get(kind)
        if usual is None:
            return None, []
        figures = novelty_figures(TrackScores.from_faces(faces))
        if self._settings.fps is not None or self._settings.frames > DEFAULT_FRAMES:
            # Who asks for more frames than calibrating looks at must not be told to trust the answer less.
            figures = usual.without_surplus(figures)
        share = usual.share(figures)
        return share, [novelty_note(kind, usual.words(figures))] if share >= self._calibration.alarm else []

    def _sort(self, evidence: TrackEvidence) -> _Sorted:
        failed = Counter({reason: evidence.failed.get(reason, 0) for reason in _ORDER})
        faces = tuple(sorted(evidence.scores, key=lambda s: (s.time, s.frame)))
        usable = []
        for score in faces:
            reason = self.gate(score.quality)
            if reason is None:
                usable.append(score)
            else:
                failed[reason] += 1
        return _Sorted(evidence, faces, tuple(usable), failed)

    def _frames_needed(self, kind: MediaKind, frames_sampled: int) -> int:
        if kind is MediaKind.PHOTO:
            return 1
        # A clip of which only a frame or two exist, or are looked at, must not fail for having so few.
        return max(1, min(self._settings.min_frames, frames_sampled))

    def _judge_track(self, kind: MediaKind, person: _Sorted, penalty: float) -> TrackResult:
        logit = self._calibration.aggregator(TrackScores.from_faces(person.usable))
        # An infinite one of a face, too: a median passes over it.
        if not all(math.isfinite(value) for value in (logit, *(s.logit for s in person.usable))):
            raise ModelError(
                f"the scores of person {person.evidence.id} come to a logit that is not a finite number: "
                "network and calibration do not fit together; calibrate again or name another model"
            )
        odds = self._calibration.log_odds(logit - penalty, kind, self._settings.prior)
        return dataclasses.replace(
            _unjudged_track(person),
            label=self._label(kind, logit - penalty),
            reason=None,
            fake_probability=to_probability(odds),
            logit=logit,
        )

    def _label(self, kind: MediaKind, logit: float) -> Label:
        low, high = self.band(kind)
        prior = self._settings.prior
        if self._settings.threshold is None:
            # Just as good at any prior (see `band`), but free of rounding at the calibrated one.
            low, high = self._calibration.bands[kind]
            prior = None
        probability = to_probability(self._calibration.log_odds(logit, kind, prior))
        if probability >= high:
            return Label.FAKE
        return Label.REAL if probability < low else Label.UNCERTAIN

    def _describe(
        self, kind: MediaKind, person: _Sorted, result: TrackResult, penalty: float, frames_sampled: int
    ) -> JudgedPerson:
        """What the message needs of a person: among others when its frames look fake on their own."""
        alone = self._alone(TrackScores.from_faces(person.usable)) - penalty
        frames = frames_sampled if person.evidence.frames is None else person.evidence.frames
        always = result.faces_found >= _ALL_ALONG * frames
        return JudgedPerson(
            id=result.id,
            label=result.label or Label.UNCERTAIN,
            probability=result.fake_probability or 0.0,
            suspicious=tuple(self._label(kind, float(logit)) is Label.FAKE for logit in alone),
            clearest=clearest(result.faces),
            seen=None if always else (result.start, result.end),
        )

    def _alone(self, track: TrackScores) -> Floats:
        """For each face the logit of a person all of whose faces had its score: what calibrators speak of.

        It is the face's own but for a learned aggregator.  All of them are straight lines there.
        """
        still, one = (
            self._calibration.aggregator(dataclasses.replace(track, logits=np.full(len(track), value)))
            for value in (0.0, 1.0)
        )
        return still + (one - still) * track.logits

    def _answer(
        self,
        kind: MediaKind,
        tracks: list[TrackResult],
        persons: list[JudgedPerson],
        usable: Mapping[int, Sequence[FaceScore]],
        penalty: float,
        beyond: bool,
    ) -> Verdict:
        top = max(
            (t for t in tracks if t.logit is not None and t.label is not None),
            key=lambda t: (t.logit if t.logit is not None else -math.inf, -t.id),
        )
        if top.logit is None or top.fake_probability is None:
            raise AssertionError("a judged person has a logit and a probability")
        band = self.band(kind)
        persons = sorted(persons, key=lambda p: p.id != top.id)
        unjudged = [(t.id, t.reason) for t in tracks if t.reason is not None]
        novelty, unusual = self._novelty(kind, usable[top.id])
        return Verdict(
            label=top.label,
            reason=None,
            message=judged_message(kind, persons, len(tracks), band, self._settings.prior, beyond),
            fake_probability=top.fake_probability,
            logit=top.logit - penalty,
            band=band,
            tracks=tuple(tracks),
            notes=(*self._notes(unjudged, len(tracks)), *unusual),
            novelty=novelty,
        )

    def _notes(self, unjudged: list[tuple[int, Reason]], persons: int) -> tuple[Note, ...]:
        notes = [person_note(unjudged, persons)] if unjudged else []
        if not self._fitted:
            text = "This model is not calibrated, so its probabilities mean nothing; run dfdetect calibrate."
            notes.append(Note("uncalibrated", text))
        return tuple(notes)

    def _unjudged(self, kind: MediaKind, found: list[_Sorted], need: int, frames_sampled: int) -> Verdict:
        tracks = tuple(_unjudged_track(person) for person in found)
        if not found:
            reason = Reason.NO_FACE
        elif any(t.reason is Reason.TOO_FEW_FRAMES for t in tracks):
            reason = Reason.TOO_FEW_FRAMES  # nearest to an answer, and mended by looking at more frames
        else:
            reason = _most(sum((person.failed for person in found), Counter()))
        limits = Limits(
            min_face=self._settings.min_face,
            largest=_largest_small(found, self._settings.min_face),
            faces=sum(_faces_found(p.evidence) for p in found),
            usable_frames=max((len(p.usable) for p in found), default=0),
            needed_frames=need,
            frames_sampled=frames_sampled,
        )
        message = unjudged_message(kind, reason, limits)
        return Verdict(None, reason, message, None, None, None, tracks)


def _reason(person: _Sorted) -> Reason:
    """Why a person cannot be judged: too few of its faces are good, or all of them failed."""
    if person.usable or not +person.failed:
        return Reason.TOO_FEW_FRAMES
    return _most(person.failed)


def _most(failed: Counter[Reason]) -> Reason:
    return max(_ORDER, key=lambda reason: (failed[reason], -_ORDER.index(reason)))


def _largest_small(found: Sequence[_Sorted], min_face: int) -> float | None:
    """Height of the largest face that is too small; None where nobody has measured it.

    Of somebody who has a larger face, too, only the size of that one is known.
    """
    sizes = [p.evidence.largest or math.inf for p in found if p.failed[Reason.FACE_TOO_SMALL]]
    largest = max(sizes, default=math.inf)
    return largest if largest < min_face else None


def _unjudged_track(person: _Sorted) -> TrackResult:
    start, end = _span(person.evidence)
    return TrackResult(
        id=person.evidence.id,
        label=None,
        reason=_reason(person),
        fake_probability=None,
        logit=None,
        start=start,
        end=end,
        faces=person.faces,
        faces_found=_faces_found(person.evidence),
    )


def _faces_found(evidence: TrackEvidence) -> int:
    return max(evidence.faces_found, len(evidence.scores))


def _span(evidence: TrackEvidence) -> tuple[float, float]:
    times = [*evidence.times, *(s.time for s in evidence.scores)]
    return (min(times), max(times)) if times else (0.0, 0.0)
