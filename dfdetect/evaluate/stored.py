"""Stored results instead of a scan: matched to the labels, and judged anew by another calibration.

The raw logits of every expert are in each record, so a new fusion, aggregator, calibrator or band can be
measured without looking at a single picture.  What cannot be redone is what the scan left out: a face that
was not good enough then has no score now, however lax the new calibration is.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from dfdetect.errors import InputError, SettingsError
from dfdetect.evaluate.columns import Pair
from dfdetect.evaluate.labelled import Labelled
from dfdetect.record.parse import read_results
from dfdetect.results import FaceScore, ScanResult, TrackResult
from dfdetect.scoring.card import CALIBRATION_FILE
from dfdetect.scoring.models import ModelFolder
from dfdetect.scoring.scorer import Fusion
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge, TrackEvidence

OF_VERDICTS = ("min_face", "min_frames", "threshold", "prior")
"""The settings that stored scores are judged by; all others were the scan's."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Labels with their stored results."""

    pairs: tuple[Pair, ...]
    missing: tuple[Labelled, ...]
    """Labelled files without a stored result, or with several that cannot be told apart."""


def match(labelled: Sequence[Labelled], results: Iterable[ScanResult]) -> Matched:
    """Find the result of each labelled file; of several for the same path the last counts.

    A result belongs to a file when its path is the same, or leads to the same place, or, for results made in
    another folder or on another machine, when it ends with the file's name as the labels write it, no other
    result does, and the file (if it is there) has the size that was scanned.  Longer names choose first, and
    no result belongs to two files.
    """
    stored = {result.path: result for result in results}
    by_place = {os.path.realpath(path): path for path in stored}
    ends = {path: PurePath(path).parts for path in stored}
    taken: set[str] = set()
    found: list[str | None] = []
    for item in labelled:
        path = item.path if item.path in stored else by_place.get(os.path.realpath(item.path))
        found.append(path)
        taken.add(path or "")
    depths = [len(PurePath(item.name).parts) for item in labelled]
    for depth in sorted({depths[i] for i, path in enumerate(found) if path is None}, reverse=True):
        free: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for path, parts in ends.items():
            if path not in taken:
                free[parts[-depth:]].append(path)
        claims: dict[str, list[int]] = defaultdict(list)
        for i, item in enumerate(labelled):
            end = PurePath(item.name)
            if found[i] is None and item.name and depths[i] == depth and not end.is_absolute():
                same = [p for p in free.get(end.parts, ()) if _same_size(item.path, stored[p])]
                if len(same) == 1:
                    claims[same[0]].append(i)
        for path, claimants in claims.items():
            taken.add(path)
            if len(claimants) == 1:
                found[claimants[0]] = path
    return Matched(
        pairs=tuple((item, stored[p]) for item, p in zip(labelled, found, strict=True) if p is not None),
        missing=tuple(item for item, p in zip(labelled, found, strict=True) if p is None),
    )


def match_stored(labelled: Sequence[Labelled], path: Path) -> Matched:
    """The same for results in a file (JSON or JSON Lines); `InputError` when it has none for any label."""
    found = match(labelled, read_results(path))
    if not found.pairs:
        raise InputError(
            f"none of the {len(labelled)} labelled files (the first is {labelled[0].path}) has a result in "
            f"{path}; these are results of other files"
        )
    return found


class Rejudge:
    """Judges stored results by a model's calibration under some settings.

    Raises `ModelError` when the calibration is not usable.
    """

    def __init__(self, model: ModelFolder, settings: Settings) -> None:
        self._model, self._settings = model, settings
        path = model.path / CALIBRATION_FILE
        self._fusion = Fusion.from_calibration(model.calibration, len(model.card.experts), path)
        self._judges = {settings: Judge(model.calibration, settings)}

    def __call__(self, result: ScanResult) -> ScanResult:
        """The result with a new verdict; unchanged when no face was scored.

        Raises `InputError` when the scores are of other networks than the model's.
        """
        faces = [face for track in result.tracks for face in track.faces]
        if result.media is None or not faces:
            return result
        self._check(result, faces)
        if not all(math.isfinite(value) for face in faces for value in face.experts):
            return result
        tracks = [self._evidence(track) for track in result.tracks]
        verdict = self._judge(result).judge(result.media.kind, tracks, result.media.frames_sampled)
        changes = {
            field.name: getattr(verdict, field.name)
            for field in dataclasses.fields(verdict)
            if field.name != "notes"
        }
        stamp = self._model.stamp(result.model.engine if result.model is not None else "")
        own = {name: getattr(self._settings, name) for name in OF_VERDICTS}
        return dataclasses.replace(result, **changes, model=stamp, settings={**result.settings, **own})

    def _judge(self, result: ScanResult) -> Judge:
        """One that knows how many frames the scan was to look at, by which it tells unusual figures."""
        looks = {name: result.settings[name] for name in ("frames", "fps") if name in result.settings}
        try:
            settings = self._settings.replace(**looks)
        except SettingsError:  # an edited record
            settings = self._settings
        if settings not in self._judges:
            self._judges[settings] = Judge(self._model.calibration, settings)
        return self._judges[settings]

    def _check(self, result: ScanResult, faces: Sequence[FaceScore]) -> None:
        experts = self._model.card.experts
        hashes = set(result.model.sha256.values()) if result.model is not None else set()
        same = all(expert.sha256 in hashes for expert in experts)
        if not same or any(len(face.experts) != len(experts) for face in faces):
            name = result.model.name if result.model is not None else "an unknown model"
            raise InputError(
                f"the stored scores of {result.path} come from other networks ({name}) than those of "
                f"'{self._model.card.name}' in {self._model.path}; name the model that made them by --model, "
                "or keep the stored verdicts by --as-stored"
            )

    def _evidence(self, track: TrackResult) -> TrackEvidence:
        fused = [self._fused(face) for face in track.faces]
        scores = tuple(dataclasses.replace(f, logit=v) for f, v in zip(track.faces, fused, strict=True))
        left_out = max(0, track.faces_found - len(scores))
        return TrackEvidence(
            id=track.id,
            scores=scores,
            faces_found=track.faces_found,
            # Why faces were left out is known of a person without an answer only; else it is no matter.
            failed={} if track.reason is None else {track.reason: left_out},
            times=(track.start, track.end),
        )

    def _fused(self, face: FaceScore) -> float:
        return float(self._fusion.apply(np.array([face.experts], np.float64))[0])


def _same_size(path: str, result: ScanResult) -> bool:
    """Whether a file may be the one that was scanned; also true when one of both sizes is not known."""
    try:
        size = os.stat(path).st_size
    except OSError:
        return True
    return result.media is None or result.media.size_bytes in (None, size)
