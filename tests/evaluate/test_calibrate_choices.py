"""What is chosen about a calibration, and by which files: always by those that the fit has not seen."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from dfdetect.evaluate.calibrate import Options, fit_calibration
from dfdetect.evaluate.choosing import ISOTONIC_GROUPS, Chooser, make_folds
from dfdetect.evaluate.novelty import MIN_FILES
from dfdetect.evaluate.pipeline import (
    PLATT,
    TEMPERATURE,
    Recipe,
    fit_pipeline,
    labels_of,
)
from dfdetect.evaluate.records import Record
from dfdetect.results import Box, FaceQuality, FaceScore, MediaKind
from dfdetect.settings import Settings
from dfdetect.verdict.aggregate import LOCATION, Linear
from dfdetect.verdict.calibration import Calibration, Isotonic, Platt
from dfdetect.verdict.judge import Judge, TrackEvidence
from dfdetect.verdict.track import TrackScores

PHOTO, VIDEO = MediaKind.PHOTO, MediaKind.VIDEO


def faces(
    experts: np.ndarray, size: float = 120.0, sharpness: float = 60.0, light: float = 0.5
) -> TrackScores:
    """Faces ``[n, experts]`` of one person who does not move."""
    n = len(experts)
    quality = np.tile([size, sharpness, light, 0.2], (n, 1))
    return TrackScores(experts.mean(axis=1), experts, np.tile([0.0, 0, 9, 9], (n, 1)), quality)


def files(
    count: int, rng: np.random.Generator, make: Any, per_group: int = 2, sources: int = 12
) -> list[Record]:
    """Half fakes, half videos; `make(label, medium, rng)` gives the experts' logits ``[n, experts]``."""
    made = []
    for i in range(count):
        label, medium = i % 2, VIDEO if i // 2 % 2 else PHOTO
        size, light = float(np.exp(rng.normal(5, 0.3))), float(rng.uniform(0.3, 0.7))
        track = faces(make(label, medium, rng), size, 2 * size * float(np.exp(rng.normal(0, 0.1))), light)
        made.append(Record(label, medium, f"g{i // per_group}", f"s{i // per_group % sources}", (track,)))
    return made


def plain(label: int, medium: MediaKind, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(1.5 if label else -1.5, 1.5) + rng.normal(0, 0.5, (8 if medium is VIDEO else 1, 1))


def chooser(records: list[Record]) -> Chooser:
    labels = labels_of(records)
    return Chooser(records, labels, make_folds(records, labels, 3, "source", np.random.default_rng(0)))


def test_few_groups_take_the_temperature_unless_an_offset_is_needed() -> None:
    rng = np.random.default_rng(1)
    centred = files(120, rng, plain)
    assert chooser(centred).choose(("mean",)).recipe.calibrator == TEMPERATURE
    offset = files(120, rng, lambda *a: plain(*a) + 4.0)
    assert chooser(offset).choose(("mean",)).recipe.calibrator == PLATT
    many = files(260, rng, plain)
    assert chooser(many).choose(("mean",)).recipe.calibrator == PLATT, "by rule, from 100 groups on"


def test_isotonic_needs_many_groups_and_a_reason() -> None:
    rng = np.random.default_rng(2)

    def saturated(label: int, medium: MediaKind, rng: np.random.Generator) -> np.ndarray:
        """Beyond 1 the score says ever more and means no more: a straight line cannot say so."""
        side = 1 if label ^ (rng.random() < 0.25) else -1
        return np.full((1, 1), side * np.exp(rng.normal(0, 1.5)))

    def photos(make: Any, groups: int) -> list[Record]:
        return [dataclasses.replace(r, medium=PHOTO) for r in files(groups, rng, make, per_group=1)]

    few, many = photos(saturated, 400), photos(saturated, ISOTONIC_GROUPS + 200)
    assert chooser(few).choose(("mean",)).recipe.isotonic == ()
    assert chooser(many).choose(("mean",)).recipe.isotonic == (PHOTO,)
    assert chooser(photos(plain, ISOTONIC_GROUPS + 200)).choose(("mean",)).recipe.isotonic == ()
    fitted = fit_pipeline(many, Recipe(isotonic=(PHOTO,))).calibrators
    assert isinstance(fitted[PHOTO], Isotonic)
    assert isinstance(fitted[VIDEO], Platt), "a medium without so many files keeps Platt scaling"


def test_media_weigh_the_experts_apart_only_where_it_pays() -> None:
    rng = np.random.default_rng(3)

    def one_each(label: int, medium: MediaKind, rng: np.random.Generator) -> np.ndarray:
        """The first expert knows photos, the second videos."""
        known, noise = (2.0 if label else -2.0) + rng.normal(0, 1.5), rng.normal(0, 2.5)
        pair = (known, noise) if medium is PHOTO else (noise, known)
        return np.array([pair] * (4 if medium is VIDEO else 1)) + rng.normal(0, 0.1)

    def alike(label: int, medium: MediaKind, rng: np.random.Generator) -> np.ndarray:
        return (1.0 if label else -1.0) + rng.normal(0, 1.5, (4 if medium is VIDEO else 1, 2))

    options = Options(folds=3, candidates=("mean",))
    apart = fit_calibration(files(240, rng, one_each), rng, options).calibration
    own = apart["fusion"]["media"]
    assert own["photo"][0] > 0.75
    assert own["video"][1] > 0.75
    assert sum(own["photo"]) == pytest.approx(1)
    assert Calibration.from_mapping(apart).fusion[VIDEO] == tuple(own["video"])
    together = fit_calibration(files(240, rng, alike), rng, options).calibration
    assert "media" not in together["fusion"]
    assert together["fitted_on"]["chosen"]["own_fusion"] is False


def test_learned_aggregator_uses_what_helps_and_rises_with_the_logits() -> None:
    rng = np.random.default_rng(4)

    def restless(label: int, medium: MediaKind, rng: np.random.Generator) -> np.ndarray:
        """Fakes give themselves away by flickering scores, hardly by their height."""
        n = 12 if medium is VIDEO else 1
        return rng.normal(0.4 if label else -0.4, 1.0) + rng.normal(0, 1.5 if label else 0.5, (n, 1))

    records = files(240, rng, restless)
    best = chooser(records).choose(("mean", "linear_temporal"))
    assert best.recipe.aggregator == "linear_temporal"
    aggregator = fit_pipeline(records, best.recipe).aggregator
    assert isinstance(aggregator, Linear)
    assert sum(w for name, w in aggregator.weights.items() if name in LOCATION) == pytest.approx(1)
    assert aggregator.weights["jitter"] > 0
    assert chooser(files(240, rng, plain)).choose(("mean", "linear_temporal")).recipe.aggregator == "mean"


def test_stated_rates_hold_on_sources_that_the_band_has_not_seen() -> None:
    rng = np.random.default_rng(5)
    options = Options(error_rate=0.05, miss_rate=0.2, candidates=("mean",))
    found = fit_calibration(files(1000, rng, plain, per_group=1, sources=40), rng, options).calibration
    assert (found["band"]["error_rate"], found["band"]["miss_rate"]) == (0.05, 0.2)
    seen = found["fitted_on"]["cross_validated"]["all"]
    assert 0.02 < seen["reals_called_fake"] < 0.09
    assert seen["fakes_called_real"] <= 0.24
    assert seen["decided"] > 0.5


def test_novelty_knows_the_usual_and_the_unusual() -> None:
    rng = np.random.default_rng(6)
    records = files(400, rng, plain)
    found = fit_calibration(records, rng, Options(folds=3, candidates=("mean",))).calibration
    own = Calibration.from_mapping(json.loads(json.dumps(found)))
    new = files(400, np.random.default_rng(7), plain)
    shares = np.array([own.novelty[r.medium].share(figures_of(r)) for r in new])
    assert 0.35 < shares.mean() < 0.65, "files like those it was fitted on spread evenly"
    assert (shares >= own.alarm).mean() < 0.05
    # A small and sharp face: each alone is at the edge of the usual, where large faces are sharp ones.
    odd = Record(0, PHOTO, "g", "s", (faces(np.zeros((1, 1)), size=90.0, sharpness=400.0),))
    assert own.novelty[PHOTO].share(figures_of(odd)) == 1.0
    assert "log_count" not in own.novelty[PHOTO].names, "photos have one frame each"


def test_novelty_is_silent_about_a_medium_that_it_hardly_saw() -> None:
    rng = np.random.default_rng(8)
    records = files(200, rng, plain)
    kept = [r for r in records if r.medium is PHOTO] + [r for r in records if r.medium is VIDEO][
        : MIN_FILES - 2
    ]
    found = fit_calibration(kept, rng, Options(folds=3, candidates=("mean",))).calibration
    assert set(found["novelty"]) == {"alarm", "photo"}
    Judge(found, Settings())


def test_copies_say_nothing_of_what_is_usual_or_of_crowds() -> None:
    rng = np.random.default_rng(8)
    few = files(2 * MIN_FILES - 4, rng, plain)  # half of each medium
    few = [dataclasses.replace(r, tracks=r.tracks * 2) if i < 30 else r for i, r in enumerate(few)]
    both = few + [dataclasses.replace(r, copy=True) for r in few]
    found = fit_calibration(both, rng, Options(folds=3, candidates=("mean",))).calibration
    assert set(found["novelty"]) == {"alarm"}
    # Fifteen files of each class with several persons, and as many copies.
    assert {trial["penalty"] for trial in found["fitted_on"]["candidates"]} == {1.0}


def test_a_medium_of_one_source_has_no_novelty() -> None:
    rng = np.random.default_rng(9)
    data = [
        dataclasses.replace(r, source="clips", group=f"clip {i}") if r.medium is VIDEO else r
        for i, r in enumerate(files(2 * MIN_FILES + 40, rng, plain))
    ]
    found = fit_calibration(data, rng, Options(folds=3, candidates=("mean",))).calibration
    assert set(found["novelty"]) == {"alarm", "photo"}


def test_a_medium_whose_files_are_all_alike_has_no_novelty() -> None:
    """As in a set made of copies of one clip: nothing is unusual there; all else is fitted as ever."""
    rng = np.random.default_rng(9)
    same = (faces(np.full((8, 1), 0.5)),)
    data = [
        dataclasses.replace(r, tracks=same) if r.medium is VIDEO else r
        for r in files(2 * MIN_FILES + 40, rng, plain)
    ]
    fit = fit_calibration(data, rng, Options(folds=3, candidates=("mean",)))
    found = json.loads(json.dumps(fit.calibration))
    assert set(found["novelty"]) == {"alarm", "photo"}
    quality = FaceQuality(120.0, 60.0, 0.5, 0.2)
    seen = [FaceScore(float(i), i, Box(0, 0, 9, 9), 1.0, quality, 0.5, (0.5,)) for i in range(8)]
    verdict = Judge(found, Settings()).judge(VIDEO, [TrackEvidence(1, tuple(seen), 8)], 8)
    assert verdict.novelty is None
    assert verdict.fake_probability is not None


def test_folds_of_two_sources_with_many_groups_are_found_soon() -> None:
    """The groups' names fall, so that each is the new root of all before it; once minutes went by."""
    count, half = 20_000, 10_000
    track = (faces(np.zeros((1, 1))),)
    records = [
        Record(i % 2, PHOTO, f"{i // half}-{count - i:06}", f"s{i // half}", track) for i in range(count)
    ]
    started = time.process_time()
    folds = make_folds(records, labels_of(records), 5, "source", np.random.default_rng(0))
    assert time.process_time() - started < 5
    assert sorted(fold.tolist() for fold in folds) == [list(range(half)), list(range(half, count))]


def figures_of(record: Record) -> dict[str, float]:
    from dfdetect.verdict.novelty import novelty_figures

    return novelty_figures(record.tracks[0])
