"""The sentences of the report that are not in the result: what an answer means and what it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dfdetect.numbers import whole_percent
from dfdetect.reports.spacing import sparse_words
from dfdetect.results import Credentials, Evidence, FaceScore, Label, Reason, ScanResult
from dfdetect.verdict.messages import decimals_apart, exact_percent, given_percent, limit_percents

SMALL_FACTOR = 2
"""A face is called small below this many times the least height that is judged."""
BLURRED = 20.0
"""Variance of the Laplacian (see `FaceQuality.sharpness`) below which a face is called blurred."""
DARK = 0.2
"""Mean luma below which a face is called dark."""
UNCALIBRATED = "uncalibrated"
"""Code of the note on a model without calibration."""


def meaning(result: ScanResult) -> str:
    """What the answer and its probability say, and what not, in a few sentences."""
    said = _meaning(result)
    # A fake stays one whatever lies between the looks.
    between = "" if result.label in (Label.FAKE, None) else sparse_words(result)
    return f"{said} {between}" if between else said


def _meaning(result: ScanResult) -> str:
    if result.fake_probability is None:
        return _no_answer(result.reason)
    if any(note.code == UNCALIBRATED for note in result.notes):
        return "The model has not been calibrated: its figures rank files and are no probabilities."
    share = f"{_odds(result.fake_probability)}{_assumption(result)}"
    if (result.label, result.fake_probability >= 0.5) in ((Label.FAKE, False), (Label.REAL, True)):
        return f"{share} {_despite(result)}"
    if result.label is Label.FAKE:
        return f"{share} That is good reason to doubt the file and to check where it is from; it is no proof."
    if result.label is Label.REAL:
        return (
            f"{share} The model found too little of the traces that it knows to call it a fake; "
            "a skilful or a new kind of fake can look the same to it."
        )
    return f"{share} That settles nothing either way: take the file as unchecked and look for other evidence."


def _odds(probability: float) -> str:
    subject = "Of 100 files that score like this one"
    whole = whole_percent(probability)
    if whole < 1:
        return f"{subject}, hardly any is expected to be a fake"
    if whole > 99:
        return f"{subject}, nearly all are expected to be fakes"
    return (
        f"{subject}, about {whole} {'is expected to be a fake' if whole == 1 else 'are expected to be fakes'}"
    )


def _despite(result: ScanResult) -> str:
    """Why the answer is not on the side of its probability; a prior or a threshold can bring that about."""
    by_threshold = result.settings.get("threshold") is not None
    basis = "the threshold that was set for this scan" if by_threshold else "the evidence of the face alone"
    if result.label is Label.FAKE:
        return (
            f"The answer itself goes by {basis}: a reason to check where the file is from, "
            "though most files like it are genuine."
        )
    return (
        f"The answer itself goes by {basis}: the file is not cleared by it, "
        "since at least half of the files like it are fakes."
    )


def _assumption(result: ScanResult) -> str:
    prior = result.settings.get("prior")
    if isinstance(prior, float):
        return f", if {given_percent(prior)} of all files are fake, as was assumed."
    return ", if they are like those that the model was calibrated on, half of which count as fakes."


def _no_answer(reason: Reason | None) -> str:
    if reason is not None and reason.is_file_fault:
        return "The file could not be read, so nothing is known about what it shows."
    return "No answer is not a clean bill: nothing is known about whether this file is genuine."


def limits_words(result: ScanResult) -> str:
    """Where *real* ends and *fake* begins, and who said so."""
    if result.band is None:
        return ""
    digits, here = 0, ""
    if result.fake_probability is not None:
        digits = decimals_apart(result.fake_probability, result.band)
        here = f" This file is at {exact_percent(result.fake_probability, digits)}." if digits else ""
    if result.band[0] == result.band[1]:
        set_now = result.settings.get("threshold") is not None
        basis = "by the threshold that was set for this scan" if set_now else "real below"
        return f"Fake from {given_percent(result.band[1])} on, {basis}.{here}"
    low, high = limit_percents(result.band, digits)
    return f"Real below {low}, fake from {high} on, uncertain between them.{here}"


def credentials_rows(evidence: Evidence | None) -> tuple[str, list[tuple[str, str]]]:
    """A sentence on the Content Credentials, and what they say."""
    if evidence is None:
        return "Not recorded.", []
    found = evidence.credentials
    if found is None:
        return (
            'Not looked for: that needs, in dfdetect\'s folder, python -m pip install ".[c2pa]". '
            "Whether the file carries any is not known.",
            [],
        )
    if not found.present:
        return "None found. Most files carry none, fakes and genuine ones alike.", []
    return _seal(found), [
        ("Signature", _yes(found.valid, "holds", "does not hold", "not checked")),
        ("Signer trusted", _yes(found.trusted, "yes", "no", "not checked")),
        ("Signed by", found.signer or "not stated"),
        ("Made with", found.generator or "not stated"),
        (
            "Declares generated media",
            _yes(found.declares_generated, "yes, made or composed by a model", "no", "says nothing of it"),
        ),
        *([("Problems", ", ".join(found.problems))] if found.problems else []),
    ]


def _seal(found: Credentials) -> str:
    if found.valid is False:
        return "Present, but the signature or the hashes do not hold: what they state cannot be relied on."
    if found.declares_generated:
        return "Present: they declare that a model generated or composed this media."
    return "Present. They say who signed the file and with what, not whether its content is true."


def _yes(value: bool | None, yes: str, no: str, unknown: str) -> str:
    return unknown if value is None else yes if value else no


def quality_flags(faces: Sequence[FaceScore], min_face: float) -> list[str]:
    """Which of a person's judged faces are small, blurred or dark, in words; empty when all are good."""
    small = SMALL_FACTOR * min_face
    counts = (
        (f"small (under {small:.0f} pixels high)", sum(f.quality.size < small for f in faces)),
        ("blurred", sum(f.quality.sharpness < BLURRED for f in faces)),
        ("dark", sum(f.quality.brightness < DARK for f in faces)),
    )
    return [f"{_share(count, len(faces))} {what}" for what, count in counts if count]


def _share(count: int, total: int) -> str:
    if total == 1:
        return "The face is"
    if count == total:
        return f"All {total} faces are"
    return f"{count} of {total} faces {'is' if count == 1 else 'are'}"


def quality_range(faces: Sequence[FaceScore]) -> str:
    """Ranges of the measured figures: ``96–140 pixels high, sharpness 210–340, brightness 0.51``."""
    if not faces:
        return ""
    figures = [face.quality for face in faces]
    return (
        f"{_range([q.size for q in figures], 0)} pixels high, "
        f"sharpness {_range([q.sharpness for q in figures], 0)}, "
        f"brightness {_range([q.brightness for q in figures], 2)}, "
        f"contrast {_range([q.contrast for q in figures], 2)}"
    )


def _range(values: list[float], digits: int) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low}–{high}"


def signed(value: float) -> str:
    """A raw score with its sign: ``+2.5``, ``−0.3``; a dash for one that is no number."""
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.1f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "−") + text
