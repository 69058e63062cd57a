"""What a report says of labelled results whose figures can be told by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from evaluate_samples import about, evaluation, mixture, scanned, unjudged

from dfdetect.evaluate.card_figures import card_figures
from dfdetect.evaluate.columns import Pair
from dfdetect.evaluate.report import Evaluation, as_json, report
from dfdetect.evaluate.slices import By, Level, Slice
from dfdetect.results import MediaKind
from dfdetect.settings import Settings


def measured(pairs: list[Pair], draws: int = 50) -> Evaluation:
    return report(pairs, np.random.default_rng(0), about(draws))


def part(found: Evaluation, by: By, name: str, medium: str = "photo", level: Level = Level.FILE) -> Slice:
    (one,) = [
        s for s in found.slices if (s.level, s.by, s.name) == (level, by, name) and s.medium in ("", medium)
    ]
    return one


def names(found: Evaluation, by: By, medium: str = "photo") -> list[str]:
    return [s.name for s in found.slices if s.by is by and s.medium == medium and s.level is Level.FILE]


def test_families_are_measured_against_all_reals_of_the_medium() -> None:
    pairs = [scanned(False, -0.1 * k - 0.1) for k in range(10)]
    pairs += [scanned(True, 0.1 * k + 0.1) for k in range(10)]
    pairs += [scanned(True, -0.1 * k - 0.15, family="lipsync") for k in range(10)]
    found = measured([*pairs, unjudged()])
    assert (found.files, found.judged, dict(found.not_judged)) == (31, 30, {"unreadable": 1})
    assert part(found, By.FAMILY, "swap").figures["auc"].value == 1.0
    lipsync = part(found, By.FAMILY, "lipsync")
    assert lipsync.figures["auc"].value == pytest.approx(0.45)
    assert (lipsync.reals, lipsync.fakes, lipsync.files) == (10, 10, 10)
    everything = part(found, By.ALL, "all").figures["auc"]
    assert everything.low <= everything.value <= everything.high
    assert part(found, By.ALL, "all").judged.value == pytest.approx(30 / 31)


def test_the_order_of_files_with_one_probability_changes_nothing() -> None:
    """All reals before all fakes looked like a model that never knows, for they were told apart."""
    pairs = [scanned(i % 2 == 1, 0.4 * (i % 3), name=str(i)) for i in range(90)]
    ordered = sorted(pairs, key=lambda pair: pair[0].fake)
    mixed, apart = measured(pairs), measured(ordered)
    for name in ("ece", "ece_by_chance"):
        one, other = (part(found, By.ALL, "all").figures[name].value for found in (mixed, apart))
        assert one == other
    bins = [[(b.files, b.predicted) for b in found.curves[0].reliability] for found in (mixed, apart)]
    assert bins[0] == bins[1]
    assert [files for files, _ in bins[0]] == [30, 30, 30], "one bin for each probability"


def test_answers_are_counted_by_label() -> None:
    pairs = [scanned(False, logit, name=f"r{logit}") for logit in (-3.0, -2.0, 0.0, 2.0)]
    pairs += [scanned(True, logit, name=f"f{logit}") for logit in (-2.5, 0.1, 0.2, 2.2)]
    photos = part(measured(pairs), By.MEDIUM, "photo")
    assert photos.reals_called is not None
    assert photos.fakes_called is not None
    shares = [photos.reals_called.real, photos.reals_called.uncertain, photos.reals_called.fake]
    assert [s.value for s in shares] == [0.5, 0.25, 0.25]
    assert photos.fakes_called.real.value == photos.fakes_called.fake.value == 0.25
    assert photos.figures["balanced_accuracy"].value == pytest.approx((0.5 + 0.75) / 2)


def test_methods_and_sources_need_five_files() -> None:
    pairs = [scanned(False, -0.1 * k, name=f"r{k}", source="many") for k in range(1, 6)]
    pairs += [scanned(False, -1.0, name="r9", source="few")]
    pairs += [scanned(True, 1.0 + k, name=f"a{k}", method="five", source="fakes") for k in range(5)]
    pairs += [scanned(True, -9.0, name=f"b{k}", method="four", source="others") for k in range(4)]
    found = measured(pairs)
    assert names(found, By.METHOD) == ["five"]
    assert part(found, By.METHOD, "five").figures["auc"].value == 1.0
    assert part(found, By.METHOD, "five").reals == 6
    assert names(found, By.FAKE_SOURCE) == ["fakes"]
    assert names(found, By.REAL_SOURCE) == ["many"]
    many = part(found, By.REAL_SOURCE, "many")
    assert many.figures == {}
    assert many.reals_called is not None
    assert (many.reals_called.fake.value, many.reals_called.files) == (0.0, 5)
    assert many.reals_called.fake.high == pytest.approx(1 - 0.025 ** (1 / 5))


def test_sizes_and_compression_are_cut_as_stated() -> None:
    pairs = []
    for k in range(40):
        face = (63.9, 64.0, 128.0, 256.0)[k % 4]
        pairs.append(
            scanned(k >= 20, (k % 7) - 3 + 0.01 * k, name=f"{k}", face=face, size=(1 + k % 20) * 1250)
        )
    found = measured(pairs)
    bins = ["below 64 px", "64–128 px", "128–256 px", "from 256 px"]
    assert names(found, By.FACE_SIZE) == bins
    assert {part(found, By.FACE_SIZE, name).files for name in bins} == {10}
    # 100 x 100 pixels: 1250 bytes are one bit a pixel.
    assert names(found, By.COMPRESSION) == ["below 5.75", "5.75–10.5", "10.5–15.2", "from 15.2"]
    quarters = [part(found, By.COMPRESSION, name) for name in names(found, By.COMPRESSION)]
    assert [(q.reals, q.fakes) for q in quarters] == [(5, 5)] * 4
    assert names(found, By.CODEC) == ["jpeg"]


def test_quarters_that_lie_close_together_are_listed_once_each() -> None:
    """Uncompressed pictures differ by the size of their header: all edges are 24.0 to three digits."""
    pairs = [
        scanned(k % 2 == 1, (k % 7) - 3 + 0.01 * k, name=f"{k}", size=30_000 + k // 2) for k in range(40)
    ]
    found = measured(pairs)
    listed = names(found, By.COMPRESSION)
    assert listed == ["below 24.004", "24.004–24.008", "24.008–24.011", "from 24.011"]
    assert [part(found, By.COMPRESSION, name).files for name in listed] == [10] * 4
    same = measured([scanned(k % 2 == 1, 0.01 * k, name=f"{k}") for k in range(40)])
    assert names(same, By.COMPRESSION) == ["from 0.8"]


def test_files_and_faces_are_told_apart() -> None:
    """Two long fakes that are missed weigh more by faces than by files."""
    pairs = [scanned(False, 0.01 * k, name=f"r{k}", kind=MediaKind.VIDEO, frames=2) for k in range(10)]
    for k in range(10):
        missed = k < 2
        logit, frames = (-1.0, 9) if missed else (1.0, 2)
        pairs.append(scanned(True, logit, name=f"f{k}", kind=MediaKind.VIDEO, frames=frames))
    found = measured(pairs)
    assert part(found, By.MEDIUM, "video", "video").figures["auc"].value == pytest.approx(0.8)
    faces = part(found, By.MEDIUM, "video", "video", Level.FACE)
    assert (faces.reals, faces.fakes) == (20, 34)
    assert faces.figures["auc"].value == pytest.approx(16 / 34)
    assert "ece" not in faces.figures
    assert faces.groups == 20


def test_a_trivial_score_is_seen_in_the_baselines_and_the_shortcuts() -> None:
    pairs = [scanned(False, -0.1 * k, sharpness=100 + 10 * k) for k in range(1, 9)]
    pairs += [scanned(True, 0.1 * k, sharpness=10 + k, size=10) for k in range(1, 9)]
    found = measured(pairs)
    alone = {b.name: b.auc for b in found.baselines}
    assert alone["sharpness alone"].value == alone["file size alone"].value == 1.0
    sharpness = next(s for s in found.shortcuts if s.measure == "sharpness")
    assert sharpness.correlation is not None
    assert sharpness.correlation.value == pytest.approx(-1.0)
    assert [(q.reals, q.fakes, q.auc) for q in sharpness.quarters] == [
        (0, 4, None),
        (0, 4, None),
        (4, 0, None),
        (4, 0, None),
    ]


def test_a_baseline_gets_its_better_direction() -> None:
    pairs = [scanned(False, -0.1 * k, size=100 + k) for k in range(8)]
    pairs += [scanned(True, 0.1 * k, size=5000 + k) for k in range(8)]
    sizes = next(b for b in measured(pairs).baselines if b.name == "file size alone")
    assert sizes.auc.value == 1.0


def test_within_a_quarter_the_shortcut_does_not_help() -> None:
    """The score is the sharpness: a good AUC over all, none within quarters."""
    rng = np.random.default_rng(0)
    pairs = []
    for k in range(400):
        fake = k % 2 == 1
        sharp = float(rng.normal(100 if fake else 140, 20))
        pairs.append(scanned(fake, (120 - sharp) / 20, name=str(k), sharpness=sharp))
    found = measured(pairs)
    whole = part(found, By.MEDIUM, "photo").figures["auc"].value
    sharpness = next(s for s in found.shortcuts if s.measure == "sharpness")
    within = [q.auc.value for q in sharpness.quarters if q.auc is not None]
    assert whole > 0.85
    assert len(within) == 4
    assert np.mean(within) < whole - 0.15


def test_unreadable_files_count_nowhere_but_in_all() -> None:
    found = measured([*mixture(10), unjudged(), unjudged("y", fake=True)])
    assert part(found, By.ALL, "all").files == 22
    assert part(found, By.MEDIUM, "photo").files == 10
    only = measured([unjudged("a"), unjudged("b", fake=True)])
    assert only.judged == 0
    assert part(only, By.ALL, "all").figures == {}
    assert only.curves == only.baselines == only.shortcuts == ()


def test_curves_end_where_they_must() -> None:
    for found in evaluation().curves:
        assert (found.roc.fpr[0], found.roc.fpr[-1], found.roc.tpr[-1]) == (0.0, 1.0, 1.0)
        assert list(found.roc.tpr) == sorted(found.roc.tpr)
        assert all(a <= b for a, b in zip(found.roc.low, found.roc.high, strict=True))
        assert sum(found.distribution.reals) == pytest.approx(1)
        assert sum(found.distribution.fakes) == pytest.approx(1)
        assert sum(b.files for b in found.reliability) == 40
        predicted = [b.predicted for b in found.reliability]
        assert predicted == sorted(predicted)
        assert found.band == (0.3, 0.7)


def test_the_worst_mistakes_come_first() -> None:
    pairs = [scanned(False, 1.0 + k, name=f"r{k}") for k in range(12)]
    pairs += [scanned(True, -1.0 - k, name=f"f{k}") for k in range(3)]
    pairs += [scanned(True, 3.0, name="right")]
    found = measured(pairs)
    assert [m.file for m in found.mistakes] == [f"r{k}" for k in range(11, 3, -1)] + ["f2", "f1", "f0"]


def test_the_same_seed_gives_the_same_report() -> None:
    assert as_json(evaluation()) == as_json(evaluation())


def test_json_has_no_nan_and_all_figures() -> None:
    table = as_json(evaluation((unjudged(),), ("gone.jpg",)))
    text = json.dumps(table, allow_nan=False)
    assert json.loads(text) == table
    assert table["missing"] == ["gone.jpg"]
    first = table["slices"][0]
    assert set(first["figures"]) == set(table["figures"])
    assert set(first["figures"]["auc"]) == {"value", "low", "high", "groups"}


def test_an_ece_stands_beside_what_chance_makes_of_it() -> None:
    """A calibrated model: its ECE is all chance, and no interval says that it is more."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 300)
    fakes = rng.random(300) < 1 / (1 + np.exp(-logits))
    pairs = [
        scanned(bool(fake), float(logit), name=str(k))
        for k, (fake, logit) in enumerate(zip(fakes, logits, strict=True))
    ]
    figures = part(measured(pairs), By.MEDIUM, "photo").figures
    assert figures["ece"].value == pytest.approx(figures["ece_by_chance"].value, rel=0.25)
    written = as_json(measured(pairs))["slices"][0]["figures"]
    assert (written["ece"]["low"], written["ece"]["high"]) == (None, None)
    assert written["ece_by_chance"]["value"] > 0.03


def test_a_card_keeps_the_main_figures() -> None:
    found = evaluation((unjudged(),))
    usual = Settings().as_dict()
    assert card_figures(found, [usual, {}])["settings"] == {}
    card = card_figures(found, [{**usual, "frames": 32, "prior": 0.1, "evidence": True}] * 2)
    assert card["settings"] == {"frames": 32, "prior": 0.1}
    several = card_figures(found, [usual, {**usual, "fps": 2.5, "threshold": float("nan")}])
    assert several["settings"] == {"fps": ["default", 2.5]}
    assert (card["files"], card["judged"], card["not_judged"]) == (81, 80, {"unreadable": 1})
    assert set(card["auc"]) == {
        "all", "photo", "photo/lipsync", "photo/swap", "video", "video/lipsync", "video/swap"
    }  # fmt: skip
    swap = card["auc"]["photo/swap"]
    assert swap["auc"] == round(part(found, By.FAMILY, "swap").figures["auc"].value, 3)
    assert swap["interval"][0] <= swap["auc"] <= swap["interval"][1]
    assert (swap["fakes"], swap["reals"]) == (10, 20)
    assert sum(card["decided"]["video"]["reals"].values()) == pytest.approx(1, abs=0.002)
    assert card["decided"]["photo"]["ece"] > 0
    assert card["decided"]["photo"]["ece_by_chance"] > 0
    assert set(card["baselines"]) == {"sharpness alone", "file size alone", "bit rate alone"}
    assert set(card["score_on_reals_correlates_with"]["sharpness"]) == {"photo", "video"}
    assert len(card["auc_within_quarters"]["compression"]["photo"]) == 4
    json.dumps(card, allow_nan=False)


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        measured([])


def test_figures_of_both_classes_count_the_groups_of_the_rarer_one() -> None:
    pairs = [scanned(False, -1.0 + 0.01 * i, name=f"r{i}") for i in range(30)]
    pairs += [scanned(True, 0.5 - 0.3 * i, name=f"f{i}", group=f"f{i // 2}") for i in range(6)]
    (whole, *_) = measured(pairs).slices
    assert whole.groups == 33
    assert {found.groups for found in whole.figures.values()} == {3}
    assert whole.judged.groups == 33
    # Of fakes of one group no draw tells how others would do.
    one = measured([*pairs[:30], *(scanned(True, 0.1 * i, name=f"f{i}", group="f") for i in range(6))])
    assert math.isnan(one.slices[0].figures["auc"].low)
