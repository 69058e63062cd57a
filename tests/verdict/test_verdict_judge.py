"""The verdict: label or reason, never both; the most suspicious person speaks for the file."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_cases import GOOD, calibration, judge, person, score

from dfdetect.errors import ModelError
from dfdetect.results import FaceQuality, Label, MediaKind, Reason
from dfdetect.scoring.models import load_model
from dfdetect.settings import LEAST_PRIOR, Settings
from dfdetect.verdict.judge import Judge, TrackEvidence, Verdict

PHOTO, VIDEO = MediaKind.PHOTO, MediaKind.VIDEO
SMALL = dataclasses.replace(GOOD, size=20.0)
BLURRED = dataclasses.replace(GOOD, sharpness=1.0)
DARK = dataclasses.replace(GOOD, brightness=0.02)
FLAT = dataclasses.replace(GOOD, contrast=0.01)

logits = st.floats(-30, 30)
kinds = st.sampled_from([PHOTO, VIDEO])


@pytest.mark.parametrize(
    ("kind", "logit", "label"),
    [
        (PHOTO, 3.0, Label.FAKE),
        (PHOTO, -3.0, Label.REAL),
        (PHOTO, 0.1, Label.UNCERTAIN),
        (VIDEO, 1.3, Label.FAKE),
        (PHOTO, 1.3, Label.UNCERTAIN),  # each medium has its own band
    ],
)
def test_labels(kind: MediaKind, logit: float, label: Label) -> None:
    verdict = judge(kind, person(1, logit, logit))
    assert verdict.label is label
    assert verdict.reason is None
    assert verdict.logit == pytest.approx(logit)
    assert verdict.band == ((0.2, 0.8) if kind is PHOTO else (0.25, 0.7))
    assert verdict.tracks[0].label is label


def test_probability_is_the_calibrated_one() -> None:
    verdict = judge(VIDEO, person(1, 1.0, 2.0))
    assert verdict.fake_probability == pytest.approx(1 / (1 + math.exp(-(0.8 * 1.5 - 0.1))))


def test_threshold_replaces_the_band() -> None:
    for logit, label in ((0.1, Label.FAKE), (-0.1, Label.REAL)):
        verdict = judge(PHOTO, person(1, logit), threshold=0.5)
        assert verdict.label is label
        assert verdict.band == (0.5, 0.5)


def test_real_bystander_does_not_hide_a_fake() -> None:
    alone = judge(VIDEO, person(1, *[3.0] * 5))
    both = judge(VIDEO, person(1, *[3.0] * 5), person(2, *[-6.0] * 16))
    assert both.label is Label.FAKE
    assert both.fake_probability == alone.fake_probability
    assert [t.label for t in both.tracks] == [Label.FAKE, Label.REAL]
    assert "Person 1 of 2 looks fake" in both.message


def test_crowd_is_not_fake_by_chance() -> None:
    values = calibration(file={"kind": "max", "track_penalty": 1.0})
    crowd = [person(i, 1.6) for i in range(1, 9)]
    one, many = judge(PHOTO, crowd[0], values=values), judge(PHOTO, *crowd, values=values)
    assert one.label is Label.FAKE
    assert many.label is Label.UNCERTAIN
    assert many.logit == pytest.approx(1.6 - math.log(8))
    # The file's answer is always that of a person in it.
    assert many.fake_probability == max(t.fake_probability or 0 for t in many.tracks)


@pytest.mark.parametrize("kind", [PHOTO, VIDEO])
@pytest.mark.parametrize("persons", [[], [TrackEvidence(1, (), 0)]])
def test_no_face(kind: MediaKind, persons: list[TrackEvidence]) -> None:
    verdict = judge(kind, *persons)
    assert verdict.reason is Reason.NO_FACE
    assert verdict.fake_probability is None
    assert "No face" in verdict.message


@pytest.mark.parametrize(
    ("quality", "reason", "word"),
    [
        (SMALL, Reason.FACE_TOO_SMALL, "40 pixels"),
        (BLURRED, Reason.FACE_TOO_BLURRED, "sharper"),
        (DARK, Reason.FACE_TOO_DARK, "brighter"),
        (FLAT, Reason.FACE_TOO_BLURRED, "sharper"),
        (dataclasses.replace(FLAT, brightness=0.1), Reason.FACE_TOO_DARK, "brighter"),
    ],
)
def test_faces_that_all_fail_give_their_reason(quality: FaceQuality, reason: Reason, word: str) -> None:
    for kind in (PHOTO, VIDEO):
        verdict = judge(kind, person(1, *[5.0] * (1 if kind is PHOTO else 9), quality=quality))
        assert verdict.label is None
        assert verdict.reason is reason
        assert word in verdict.message
        assert verdict.tracks[0].reason is reason
        assert [face.logit for face in verdict.tracks[0].faces] == [5.0] * len(verdict.tracks[0].faces)
        assert verdict.tracks[0].faces_found >= 1


def test_counted_faces_weigh_as_scored_ones() -> None:
    failed = {Reason.FACE_TOO_SMALL: 2, Reason.FACE_TOO_BLURRED: 1, Reason.FACE_TOO_DARK: 4}
    verdict = judge(VIDEO, TrackEvidence(1, (), 7, failed=failed, times=(1.0, 5.0)))
    assert verdict.reason is Reason.FACE_TOO_DARK
    assert (verdict.tracks[0].start, verdict.tracks[0].end) == (1.0, 5.0)


def test_the_size_that_is_told_is_of_a_face_that_is_too_small() -> None:
    def said(*persons: TrackEvidence) -> str:
        verdict = judge(PHOTO, *persons)
        assert verdict.reason is Reason.FACE_TOO_SMALL
        return verdict.message

    tiny, almost = (
        TrackEvidence(number, (), 1, failed={Reason.FACE_TOO_SMALL: 1}, largest=size)
        for number, size in ((1, 20.4), (2, 39.6))
    )
    blurred = TrackEvidence(3, (), 1, failed={Reason.FACE_TOO_BLURRED: 1}, largest=210.0)
    assert "The face is too small to be judged (39 pixels high at most): at least 40" in said(almost)
    assert "(20 pixels high at most): at least 40" in said(tiny, blurred)
    assert "(39 pixels high at most): at least 40" in said(tiny, almost, blurred)
    # Of somebody who comes nearer only the largest face was measured.
    failed = {Reason.FACE_TOO_SMALL: 2, Reason.FACE_TOO_BLURRED: 1}
    comes = TrackEvidence(4, (), 3, failed=failed, largest=210.0)
    assert "The faces are too small to be judged: at least 40" in said(tiny, comes)


def test_bad_frames_are_left_out() -> None:
    good = [score(-4.0, t) for t in (0.0, 1.0, 2.0)]
    bad = [score(25.0, t + 0.5, BLURRED) for t in (0.0, 1.0, 2.0)]
    verdict = judge(VIDEO, TrackEvidence(1, (*good, *bad), 6))
    assert verdict.label is Label.REAL
    assert verdict.logit == pytest.approx(-4.0)
    assert [f.time for f in verdict.tracks[0].faces] == sorted(f.time for f in (*good, *bad))


def test_person_in_one_frame_of_many_is_not_judged() -> None:
    verdict = judge(VIDEO, person(1, 9.0), frames=16)
    assert verdict.reason is Reason.TOO_FEW_FRAMES
    assert "1 of 16 frames" in verdict.message
    assert judge(VIDEO, person(1, 9.0), frames=16, min_frames=1).label is Label.FAKE


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clip_is_judged(frames: int) -> None:
    assert judge(VIDEO, person(1, *[3.0] * frames), frames=frames, min_frames=5).label is Label.FAKE


def test_unjudged_person_beside_a_judged_one_is_a_note() -> None:
    verdict = judge(VIDEO, person(1, 9.0), person(2, *[-3.0] * 9), person(3, *[9.0] * 9, quality=SMALL))
    assert verdict.label is Label.REAL
    assert [t.label for t in verdict.tracks] == [None, Label.REAL, None]
    (note,) = verdict.notes
    assert note.code == "persons_unjudged"
    assert "2 of 3" in note.text
    assert "person 3 (too small)" in note.text
    assert "The one person that can be judged" in verdict.message


def test_of_persons_of_one_probability_the_same_speaks_everywhere() -> None:
    isotonic = {"kind": "isotonic", "x": [-1.0, 1.0], "y": [0.05, 0.95]}
    values = calibration(calibrator={"photo": isotonic, "video": isotonic})
    verdict = judge(PHOTO, person(1, 2.0), person(2, 9.0), values=values)
    assert verdict.tracks[0].fake_probability == verdict.tracks[1].fake_probability
    assert verdict.logit == 9.0
    assert "Both persons look fake, most of all person 2:" in verdict.message
    three = judge(PHOTO, person(1, 2.0), person(2, -9.0), person(3, 9.0), values=values)
    assert "Persons 1 and 3 of 3 look fake, most of all person 3:" in three.message


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        ((0.1,), "whether the face is real or fake: the"),
        ((0.1, -9.0), "whether person 1 of 2 is real or fake: the"),
        ((-0.1, 0.1), "the two persons are real or fake; person 2 is the more suspicious one: the"),
        ((0.1, -9.0, 0.0), "persons 1 and 3 of 3 are real or fake; person 1 is the more suspicious one: the"),
        ((0.1, 0.2, 0.0), "persons 1, 2 and 3 of 3 are real or fake; person 2 is the most suspicious one: "),
        ((0.1, 9.0, 0.0), "Person 2 of 3 looks fake: the"),
    ],
)
def test_all_who_are_uncertain_are_named(logits: tuple[float, ...], said: str) -> None:
    assert said in judge(PHOTO, *(person(i, value) for i, value in enumerate(logits, 1))).message


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        ((9.0,), "The one face looked at looks fake"),
        ((9.0, 9.5), "Persons 1 and 2 of the 2 looked at look fake"),
        ((9.0, -9.0), "Person 1 of the 2 looked at looks fake"),
        ((-9.0,), "The one face looked at looks real"),
        ((-9.0, -9.0), "The 2 persons looked at look real"),
        ((0.1,), "whether the one face looked at is real or fake"),
        ((0.1, 0.0), "whether persons 1 and 2 of the 2 looked at are real or fake"),
    ],
)
def test_faces_that_nobody_looked_at_are_not_spoken_for(logits: tuple[float, ...], said: str) -> None:
    persons = [person(i, value) for i, value in enumerate(logits, 1)]
    assert said in Judge(calibration(), Settings()).judge(PHOTO, persons, 1, beyond=True).message


def test_prior_is_named() -> None:
    verdict = judge(PHOTO, person(1, 0.0), prior=0.01)
    assert verdict.fake_probability == pytest.approx(0.01)
    assert "1 % of such files are fake" in verdict.message


def test_rare_fakes_lower_the_probability_and_not_the_answer() -> None:
    verdict = judge(PHOTO, person(1, 2.0), prior=0.01)
    assert verdict.label is Label.FAKE
    assert verdict.fake_probability == pytest.approx(1 / (1 + math.exp(-2.0) * 99))
    assert verdict.band == pytest.approx((0.25 / 99 / (1 + 0.25 / 99), 4 / 99 / (1 + 4 / 99)))
    assert "7 %, if 1 % of such files are fake (the answer itself goes by the evidence" in verdict.message
    assert "evidence" not in judge(PHOTO, person(1, 2.0), prior=0.5).message


def test_threshold_is_for_the_probability_at_the_prior() -> None:
    assert judge(PHOTO, person(1, 2.0), prior=0.01, threshold=0.5).label is Label.REAL
    assert judge(PHOTO, person(1, 6.0), prior=0.01, threshold=0.5).label is Label.FAKE


def test_each_medium_may_weigh_the_experts_in_its_own_way() -> None:
    values = calibration(fusion={"weights": [0.5, 0.5], "media": {"video": [0.0, 1.0]}})
    faces = tuple(
        dataclasses.replace(score(0.5 * (a + b), float(t)), experts=(a, b))
        for t, (a, b) in enumerate([(-3.0, 3.0), (-4.0, 4.0), (-5.0, 5.0)])
    )
    photo = judge(PHOTO, TrackEvidence(1, faces[:1], 1), values=values)
    video = judge(VIDEO, TrackEvidence(1, faces, 3), values=values)
    assert photo.logit == 0.0
    assert video.logit == pytest.approx(4.0)
    assert [face.logit for face in video.tracks[0].faces] == [3.0, 4.0, 5.0]
    values["fusion"]["bias"] = 0.5
    assert judge(VIDEO, TrackEvidence(1, faces, 3), values=values).logit == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("fitted", "told"), [(None, True), ({"files": 0}, True), ({"files": 30}, False), ({"source": "x"}, False)]
)
def test_a_calibration_that_was_fitted_on_nothing_says_so(fitted: dict[str, Any] | None, told: bool) -> None:
    values = calibration(fitted_on=fitted)
    if fitted is None:
        del values["fitted_on"]
    notes = judge(PHOTO, person(1, 2.0), values=values).notes
    assert [note.code for note in notes] == ["uncalibrated"] * told


def test_same_person_twice_is_wrong_use() -> None:
    with pytest.raises(ValueError, match="same person"):
        judge(PHOTO, person(1, 0.0), person(1, 1.0))


def test_unusable_calibration_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match="format"):
        Judge({}, Settings())


@pytest.mark.parametrize("kind", ["mean", "median"])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_logit_that_is_no_number_is_refused(kind: str, value: float) -> None:
    values = calibration(aggregator={"kind": kind})
    with pytest.raises(ModelError, match="person 2 come to a logit that is not a finite number"):
        judge(PHOTO, person(1, 0.5), person(2, 1.0, 2.0, value), values=values)


def consistent(verdict: Verdict) -> bool:
    pairs = [(verdict.label, verdict.reason, verdict.fake_probability, verdict.logit)]
    pairs += [(t.label, t.reason, t.fake_probability, t.logit) for t in verdict.tracks]
    return all(
        (label is None) == (reason is not None) == (p is None) == (logit is None)
        and (p is None or 0.0 < p < 1.0)
        for label, reason, p, logit in pairs
    ) and bool(verdict.message)


qualities = st.sampled_from([GOOD, GOOD, GOOD, SMALL, BLURRED, DARK, FLAT])
crowds = st.lists(st.lists(st.tuples(logits, qualities), max_size=6), max_size=5)


def evidence(crowd: list[list[tuple[float, FaceQuality]]]) -> list[TrackEvidence]:
    return [
        TrackEvidence(i, tuple(score(v, n / 2, q) for n, (v, q) in enumerate(faces)), len(faces))
        for i, faces in enumerate(crowd, start=1)
    ]


@given(kinds, crowds, st.integers(1, 20), st.floats(0, 3))
def test_label_and_reason_exclude_each_other(
    kind: MediaKind, crowd: list[list[tuple[float, FaceQuality]]], frames: int, penalty: float
) -> None:
    values = calibration(file={"kind": "max", "track_penalty": penalty})
    verdict = judge(kind, *evidence(crowd), frames=frames, values=values)
    assert consistent(verdict)
    if verdict.label is not None:
        judged = [t for t in verdict.tracks if t.label is not None]
        assert verdict.fake_probability == max(t.fake_probability or 0 for t in judged)
        assert verdict.label in {t.label for t in judged}


@given(kinds, crowds, st.randoms(use_true_random=False))
def test_order_of_persons_and_frames_is_irrelevant(
    kind: MediaKind, crowd: list[list[tuple[float, FaceQuality]]], random: np.random.Generator
) -> None:
    straight = evidence(crowd)
    mixed = [dataclasses.replace(t, scores=tuple(reversed(t.scores))) for t in straight]
    random.shuffle(mixed)  # type: ignore[arg-type]
    assert judge(kind, *straight) == judge(kind, *mixed)


@given(
    kinds,
    st.lists(st.lists(logits, min_size=2, max_size=6), min_size=1, max_size=4),
    st.integers(0, 20),
    st.floats(0, 10),
    st.sampled_from(
        [
            {"kind": "mean"},
            {"kind": "median"},
            {"kind": "top_mean", "share": 0.3},
            {"kind": "trimmed_mean", "trim": 0.2},
        ]
    ),
)
def test_more_suspicious_face_never_lowers_the_probability(
    kind: MediaKind, crowd: list[list[float]], place: int, more: float, aggregator: dict[str, object]
) -> None:
    values = calibration(aggregator=aggregator, file={"kind": "max", "track_penalty": 0.7})
    before = judge(kind, *[person(i, *v) for i, v in enumerate(crowd, 1)], values=values)
    raised = [list(v) for v in crowd]
    track = raised[place % len(raised)]
    track[place % len(track)] += more
    after = judge(kind, *[person(i, *v) for i, v in enumerate(raised, 1)], values=values)
    assert after.fake_probability is not None
    assert before.fake_probability is not None
    assert after.fake_probability >= before.fake_probability - 1e-12


@given(kinds, st.lists(logits, min_size=2, max_size=5), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_higher_prior_never_lowers_the_probability(
    kind: MediaKind, values: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    first, second = judge(kind, person(1, *values), prior=low), judge(kind, person(1, *values), prior=high)
    assert first.fake_probability is not None
    assert second.fake_probability is not None
    assert second.fake_probability >= first.fake_probability - 1e-12
    assert first.label is second.label, "the stated error rates hold at any prior, so labels do not move"
    for verdict in (first, second):
        assert verdict.band is not None
        assert verdict.fake_probability is not None
        below, above = (verdict.fake_probability - edge for edge in verdict.band)
        # The result shows why: probability and band have moved together.
        assert (below < 1e-9) >= (verdict.label is Label.REAL)
        assert (above > -1e-9) >= (verdict.label is Label.FAKE)
        assert (below > -1e-9 and above < 1e-9) >= (verdict.label is Label.UNCERTAIN)


@given(kinds, st.lists(logits, min_size=2, max_size=5))
def test_calibrated_prior_changes_nothing(kind: MediaKind, values: list[float]) -> None:
    plain, same = judge(kind, person(1, *values)), judge(kind, person(1, *values), prior=0.5)
    assert plain.fake_probability == pytest.approx(same.fake_probability)
    assert plain.label is same.label


@pytest.mark.parametrize("name", ["light", "standard"])
@given(kinds, st.floats(-60, 60), st.sampled_from([LEAST_PRIOR, 1 - LEAST_PRIOR]))
def test_shipped_models_keep_label_and_band_together_at_any_prior(
    name: str, kind: MediaKind, logit: float, prior: float
) -> None:
    verdict = judge(kind, person(1, logit, logit), values=load_model(name).calibration, prior=prior)
    assert verdict.fake_probability is not None
    assert verdict.band is not None
    low, high = verdict.band
    assert 1e-6 < low < high < 1 - 1e-6, "within the scale of probabilities"
    assert (verdict.fake_probability < low) == (verdict.label is Label.REAL)
    assert (verdict.fake_probability >= high) == (verdict.label is Label.FAKE)
