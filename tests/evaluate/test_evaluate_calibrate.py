"""Fitting a calibration: deterministic, honest about its error, and what a verdict then applies."""

from __future__ import annotations

import dataclasses
import json
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from dfdetect.errors import InputError
from dfdetect.evaluate.calibrate import Options, fit_calibration, open_sides
from dfdetect.evaluate.pipeline import CANDIDATES
from dfdetect.evaluate.records import Record, record_from_result
from dfdetect.results import (
    Box,
    FaceQuality,
    FaceScore,
    Label,
    MediaInfo,
    MediaKind,
    Reason,
    ScanResult,
)
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge, TrackEvidence
from dfdetect.verdict.track import TrackScores

GOOD = FaceQuality(100.0, 50.0, 0.5, 0.2)
QUICK = Options(folds=3, candidates=("mean", "linear_shape"))


def scored(experts: np.ndarray, quality: FaceQuality = GOOD) -> TrackScores:
    """Faces ``[frames, experts]`` half a second apart, fused with equal weights."""
    return TrackScores.from_faces(
        [
            FaceScore(
                t / 2, t, Box(0, 0, 9, 9), 1.0, quality, float(row.mean()), tuple(float(v) for v in row)
            )
            for t, row in enumerate(experts)
        ]
    )


def records(
    count: int,
    seed: int = 0,
    experts: int = 1,
    crowds: float = 0.0,
    short_edits: bool = False,
    groups: int = 1000,
) -> list[Record]:
    """Files in which the first person may be fake; videos are offset, the second expert is noise."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        label, video = i % 2, bool(i // 2 % 2)
        tracks = []
        for person in range(1 + 2 * (rng.random() < crowds)):
            frames = 10 if video else 1
            base = rng.normal(1.5 if label and person == 0 and not short_edits else -1.5, 1.0) + 1.0 * video
            logits = (
                base + rng.normal(0, 0.5, (frames, experts)) + rng.normal(0, 4, experts) * np.arange(experts)
            )
            if short_edits and label:
                logits[: max(1, frames // 4)] += 5
            size = float(np.exp(rng.normal(5.0, 0.3)))
            tracks.append(scored(logits, FaceQuality(size, 50.0 + size / 9, rng.uniform(0.3, 0.7), 0.2)))
        medium = MediaKind.VIDEO if video else MediaKind.PHOTO
        made.append(Record(label, medium, f"g{i // 4 % groups}", f"s{i // 4 % 12}", tuple(tracks)))
    return made


def fit(data: list[Record], options: Options = QUICK, seed: int = 3) -> dict[str, Any]:
    return fit_calibration(data, np.random.default_rng(seed), options, source="made up").calibration


def evidence(record: Record, weights: list[float]) -> list[TrackEvidence]:
    found = []
    for number, track in enumerate(record.tracks, 1):
        rows = zip(track.fused(weights).logits, track.experts, track.quality, strict=True)
        scores = tuple(
            FaceScore(t / 2, t, Box(0, 0, 9, 9), 1.0, FaceQuality(*quality), float(logit), tuple(experts))
            for t, (logit, experts, quality) in enumerate(rows)
        )
        found.append(TrackEvidence(number, scores, len(scores)))
    return found


def test_same_records_and_seed_give_the_same_bytes() -> None:
    data = records(80)
    assert json.dumps(fit(data)) == json.dumps(fit(data))


def test_judge_applies_what_was_fitted() -> None:
    """The calibration goes through the real Judge on new files and keeps its stated error."""
    calibration = json.loads(json.dumps(fit(records(240, crowds=0.3), Options(folds=3)), allow_nan=False))
    judge = Judge(calibration, Settings())
    wrong: dict[int, list[bool]] = {0: [], 1: []}
    right = []
    for record in records(300, seed=9, crowds=0.3):
        persons = evidence(record, calibration["fusion"]["weights"])
        verdict = judge.judge(record.medium, persons, max(len(t) for t in record.tracks))
        assert verdict.fake_probability is not None
        wrong[record.label].append(verdict.label is (Label.REAL if record.label else Label.FAKE))
        right.append((verdict.fake_probability > 0.5) == bool(record.label))
    assert np.mean(wrong[0]) < 0.16
    assert np.mean(wrong[1]) < 0.16
    assert np.mean(right) > 0.8
    assert calibration["file"]["track_penalty"] > 0


def test_media_are_calibrated_apart() -> None:
    found = fit(records(400))
    photo, video = found["calibrator"]["photo"], found["calibrator"]["video"]
    # Videos were made with logits one higher: at the same logit a photo must look more fake.
    assert photo["b"] > video["b"] + 0.5
    assert found["fitted_on"]["photos"] == 200


def test_medium_without_files_takes_the_common_fit() -> None:
    found = fit([r for r in records(160) if r.medium is MediaKind.PHOTO])
    assert found["calibrator"]["video"]["a"] == pytest.approx(found["calibrator"]["photo"]["a"], rel=0.01)
    assert found["band"]["video"] == found["band"]["photo"]


def test_useless_expert_gets_little_weight() -> None:
    weights = fit(records(200, experts=2))["fusion"]["weights"]
    assert sum(weights) == pytest.approx(1)
    assert weights[0] > 0.8
    assert min(weights) >= 0


def test_aggregator_is_chosen_by_what_the_data_need() -> None:
    simple = fit(records(160), Options(folds=3))
    assert simple["aggregator"]["kind"] in ("mean", "trimmed_mean", "median")
    videos = [r for r in records(320, short_edits=True) if r.medium is MediaKind.VIDEO]
    short = fit(videos, Options(folds=3))
    assert short["aggregator"]["kind"] in ("top_mean", "top_run", "linear")
    tried = {c["aggregator"] for c in short["fitted_on"]["candidates"]}
    assert tried == set(CANDIDATES)


def test_figures_are_cross_validated() -> None:
    """Labels that have nothing to do with the scores must not look learnable."""
    rng = np.random.default_rng(0)
    noise = [Record(int(rng.integers(2)), r.medium, r.group, r.source, r.tracks) for r in records(160)]
    found = fit(noise)["fitted_on"]["cross_validated"]["all"]
    assert 0.35 < found["auc"]["value"] < 0.6
    assert found["decided"] < 0.5
    assert 0 <= found["reals_called_fake"] <= 0.2


@pytest.mark.parametrize(("reals", "fakes"), [(120, 60), (60, 120)])
def test_where_the_score_says_nothing_every_answer_is_uncertain(reals: int, fakes: int) -> None:
    """Unequal classes and many groups, so that Platt's offset is fitted."""
    rng = np.random.default_rng(0)
    data = [
        Record(
            label, MediaKind.PHOTO, f"g{label}{i}", f"s{label}{i}", (scored(rng.normal(-label, 1, (1, 1))),)
        )
        for label, count in ((0, reals), (1, fakes))
        for i in range(count)
    ]
    calibration = fit(data, Options(candidates=("mean",)))
    judge = Judge(calibration, Settings())
    found = [judge.judge(r.medium, evidence(r, calibration["fusion"]["weights"]), 1) for r in data]
    assert {verdict.label for verdict in found} == {Label.UNCERTAIN}
    assert {verdict.fake_probability for verdict in found} == {0.5}


@pytest.mark.parametrize("spread", [0.01, 0.1])
def test_a_score_that_hardly_moves_decides_nothing(spread: float) -> None:
    """Few groups, so that the slope alone is fitted: it must not come from how many files a class has."""
    rng = np.random.default_rng(0)
    data = [
        Record(
            label,
            MediaKind.PHOTO,
            f"g{label}{i}",
            f"s{label}{i}",
            (scored(rng.normal(-3.3, spread, (1, 1))),),
        )
        for label, count in ((0, 60), (1, 30))
        for i in range(count)
    ]
    calibration = fit(data, Options(candidates=("mean",)))
    judge = Judge(calibration, Settings())
    found = [judge.judge(r.medium, evidence(r, calibration["fusion"]["weights"]), 1) for r in data]
    assert sum(verdict.label is not Label.UNCERTAIN for verdict in found) <= 0.2 * len(data)


def test_unjudged_files_are_left_out_and_counted() -> None:
    data = records(80)
    empty = [Record(1, MediaKind.PHOTO, "x", "y", ())] * 7
    assert fit(data + empty)["fitted_on"]["not_judged"] == 7
    assert fit(data + empty)["calibrator"] == fit(data)["calibrator"]


@pytest.mark.parametrize(
    "data",
    [
        [],
        records(12),
        [r for r in records(80) if r.label],
        [Record(r.label, r.medium, r.group, "one", r.tracks) for r in records(80)],
        [Record(r.label, r.medium, f"{r.label}{r.group}", str(r.label), r.tracks) for r in records(80)],
        [Record(r.label, r.medium, r.group, f"s{i}", r.tracks) for i, r in enumerate(records(80, groups=1))],
    ],
    ids=["none", "few", "one class", "one source", "a source per class", "one group through all sources"],
)
def test_too_little_is_refused(data: list[Record]) -> None:
    with pytest.raises(InputError, match=r"calibrating needs|separate sources"):
        fit(data)


def copies_of(data: list[Record]) -> list[Record]:
    return [dataclasses.replace(r, copy=True) for r in data]


def test_copies_do_not_make_up_for_files() -> None:
    few = records(12)
    with pytest.raises(InputError, match=r"at least 20 judged files, real and fake; there are 6 real and 6"):
        fit(few + copies_of(few))
    one_class = [r for r in records(60) if not r.label]
    with pytest.raises(InputError, match="and 0 fake ones"):
        fit(one_class + copies_of([r for r in records(60) if r.label]))


def test_an_open_side_of_the_band_is_told() -> None:
    few = fit(records(40, groups=10), Options(folds=2, error_rate=0.2, miss_rate=0.05, candidates=("mean",)))
    assert few["band"]["photo"][0] == few["band"]["video"][0] == 0
    (told,) = open_sides(few["band"])
    assert told == (
        "no photos and no videos will be called real: to promise the miss rate of 0.05 it takes 19 groups of "
        "fakes"
    )
    (other,) = open_sides({"error_rate": 0.1, "miss_rate": 0.1, "photo": [0.2, 0.7], "video": [0.2, 1.0]})
    assert (
        other == "no videos will be called fake: to promise the error rate of 0.1 it takes 9 groups of reals"
    )
    assert list(open_sides(fit(records(240))["band"])) == []


def test_a_medium_keeps_the_limit_that_it_can_promise_itself() -> None:
    """Photos have too few fakes, but reals enough, which score far higher than those of videos."""
    rng = np.random.default_rng(0)

    def made(label: int, medium: MediaKind, count: int, mean: float) -> list[Record]:
        name = f"{medium.value} {label}"
        return [
            Record(label, medium, f"{name} {i}", f"s{i % 6}", (scored(rng.normal(mean, 1.0, (1, 1))),))
            for i in range(count)
        ]

    photo, video = MediaKind.PHOTO, MediaKind.VIDEO
    data = (
        made(0, photo, 100, 0.5)
        + made(1, photo, 6, 1.5)
        + made(0, video, 200, -1.5)
        + made(1, video, 60, 1.0)
    )
    found = fit_calibration(data, np.random.default_rng(3), QUICK)
    band = found.calibration["band"]
    own = [i for i, r in enumerate(found.records) if r.medium is photo and not r.label]
    odds = np.sort(found.log_odds[own])
    assert (1 / (1 + np.exp(-odds)) >= band["photo"][1]).mean() <= 0.1
    assert band["borrowed"] == {"photo": ["miss_rate"]}
    assert 0 < band["photo"][0] <= band["photo"][1]
    assert list(open_sides(band)) == [
        "the limit where photos are called real is that of photos and videos together, so the miss rate of "
        "0.1 may not hold for photos: it takes 9 groups of fakes among photos to promise it"
    ]
    Judge(json.loads(json.dumps(found.calibration)), Settings())
    assert "borrowed" not in fit(records(240))["band"]


def test_copies_of_one_medium_alone_are_enough() -> None:
    """No copy of a video could be judged."""
    data = records(80)
    copies = [r for r in copies_of(data) if r.medium is MediaKind.PHOTO]
    seen = fit(data + copies)["fitted_on"]["cross_validated"]
    assert {"photo_copies", "photo_untouched", "video_untouched", "all_copies"} < set(seen)
    assert "video_copies" not in seen
    assert seen["all_copies"]["files"] == len(copies)


@pytest.mark.parametrize(("few", "rare"), [(1, "fake"), (0, "real")])
def test_a_class_of_one_source_is_named(few: int, rare: str) -> None:
    data = records(80)
    alone = next(r for r in data if r.label == few)
    with pytest.raises(InputError, match=f"all {rare} files come from one source; calibrating needs each"):
        fit([alone, *(r for r in data if r.label != few)])
    apart = [Record(r.label, r.medium, f"{r.label}{r.group}", str(r.label), r.tracks) for r in data]
    with pytest.raises(InputError, match="come from separate sources"):
        fit(apart)


def test_few_files_of_a_class_raise_no_warning_of_another_library() -> None:
    data = records(80)
    fakes = [r for r in data if r.label]
    two = [fakes[0], next(r for r in fakes if r.source != fakes[0].source)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit([*two, *(r for r in data if not r.label)], Options(folds=5, candidates=("mean",)))


def test_broken_records_are_wrong_use() -> None:
    with pytest.raises(ValueError, match="finite logits"):
        Record(1, MediaKind.PHOTO, "g", "s", (scored(np.array([[np.nan]])),))
    with pytest.raises(ValueError, match="label must be"):
        Record(2, MediaKind.PHOTO, "g", "s", ())


def test_record_of_a_result_holds_the_faces_that_count() -> None:
    blurred = FaceQuality(100.0, 1.0, 0.5, 0.2)
    calibration = fit(records(80))
    judge = Judge(calibration, Settings())
    faces = [
        FaceScore(t, int(t), Box(0, 0, 9, 9), 1.0, q, v, (v,))
        for t, q, v in ((0.0, GOOD, 1.0), (1.0, blurred, 9.0), (2.0, GOOD, 2.0))
    ]
    verdict = judge.judge(MediaKind.VIDEO, [TrackEvidence(1, tuple(faces), 3), TrackEvidence(2, (), 1)], 3)
    media = MediaInfo(MediaKind.VIDEO, "mp4", "h264", 640, 480, 3.0, 25.0, 0, 3, 1000)
    result = ScanResult(
        "a.mp4",
        verdict.label,
        None,
        verdict.message,
        verdict.fake_probability,
        verdict.logit,
        verdict.band,
        verdict.tracks,
        media,
        (),
        None,
        {},
        "0",
        0.1,
    )
    record = record_from_result(result, 1, "g", "s", judge.gate)
    assert record is not None
    assert [t.experts.tolist() for t in record.tracks] == [[[1.0], [2.0]]]
    assert record.tracks[0].quality.tolist() == [[100.0, 50.0, 0.5, 0.2]] * 2
    broken = ScanResult("a", None, Reason.EMPTY, "empty", None, None, None, (), None, (), None, {}, "0", 0.1)
    assert record_from_result(broken, 1, "g", "s", judge.gate) is None
