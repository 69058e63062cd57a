from __future__ import annotations

import numpy as np
import pytest

from dfdetect.errors import InputError
from dfdetect.evaluate.labelled import Labelled, read_labels
from dfdetect.evaluate.report import report, shortcut_figures, spearman
from dfdetect.results import (
    Box,
    FaceQuality,
    FaceScore,
    Label,
    MediaInfo,
    MediaKind,
    Reason,
    ScanResult,
    TrackResult,
)


def scanned(
    fake: bool, logit: float, *, family: str = "swap", sharpness: float = 50.0, size: int = 1000
) -> tuple[Labelled, ScanResult]:
    """A photo with one face whose score is `logit`."""
    name = f"{fake}{logit}{family}"
    item = Labelled(name, fake, family if fake else "real", "", "s", name)
    quality = FaceQuality(100.0, sharpness, 0.5, 0.2)
    face = FaceScore(0.0, 0, Box(0, 0, 9, 9), 1.0, quality, logit, (logit,))
    probability = 1 / (1 + np.exp(-logit))
    label = Label.FAKE if logit > 0 else Label.REAL
    track = TrackResult(1, label, None, probability, logit, 0, 0, (face,), 1)
    media = MediaInfo(MediaKind.PHOTO, "jpeg", "jpeg", 99, 99, None, None, 0, 1, size)
    result = ScanResult(
        name, label, None, "", probability, logit, (0.5, 0.5), (track,), media, (), None, {}, "0", 0.1
    )
    return item, result


def unjudged() -> tuple[Labelled, ScanResult]:
    result = ScanResult("x", None, Reason.NO_FACE, "none", None, None, None, (), None, (), None, {}, "0", 0.1)
    return Labelled("x", False, "real", "", "s", "x"), result


def test_families_are_measured_against_all_reals_of_the_medium() -> None:
    pairs = [scanned(False, -0.1 * k - 0.1) for k in range(10)]
    pairs += [scanned(True, 0.1 * k + 0.1) for k in range(10)]
    pairs += [scanned(True, -0.1 * k - 0.15, family="lipsync") for k in range(10)]
    table = report([*pairs, unjudged()], np.random.default_rng(0), draws=50)
    assert (table["files"], table["judged"], table["not_judged"]) == (31, 30, {"no_face": 1})
    assert table["auc"]["photo/swap"]["auc"] == 1.0
    assert table["auc"]["photo/lipsync"]["auc"] == pytest.approx(0.45)
    assert table["auc"]["photo/lipsync"]["reals"] == 10
    low, high = table["auc"]["all"]["interval"]
    assert low <= table["auc"]["all"]["auc"] <= high
    assert table["decided"]["photo"]["reals"] == {"real": 1.0, "fake": 0.0, "uncertain": 0.0}


def test_a_trivial_score_is_seen_in_the_baselines_and_the_shortcuts() -> None:
    pairs = [scanned(False, -0.1 * k, sharpness=100 + 10 * k) for k in range(1, 9)]
    pairs += [scanned(True, 0.1 * k, sharpness=10 + k, size=10) for k in range(1, 9)]
    table = report(pairs, np.random.default_rng(0), draws=20)
    assert table["baselines"]["sharpness alone"]["photo"] == 1.0
    assert table["baselines"]["file size alone"]["photo"] == 1.0
    assert shortcut_figures(pairs)["sharpness"] == pytest.approx(-1.0)


def test_rank_correlation_counts_ties_by_their_mean() -> None:
    a = np.array([1.0, 2.0, 2.0, 3.0])
    assert spearman(a, a * 5) == pytest.approx(1.0)
    assert spearman(a, -a) == pytest.approx(-1.0)


def test_labels_come_from_a_table_or_from_folders(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "real").mkdir()
    (tmp_path / "fake").mkdir()
    (tmp_path / "real" / "a.jpg").touch()
    (tmp_path / "fake" / "b.jpg").touch()
    assert [item.fake for item in read_labels(tmp_path)] == [False, True]
    table = tmp_path / "labels.csv"
    table.write_text("file,label,group\nreal/a.jpg,real,\nfake/b.jpg,Fake,g\n")
    first, second = read_labels(tmp_path)
    assert (first.fake, first.group) == (False, "real/a.jpg")
    assert (second.fake, second.group) == (True, "g")
    table.write_text("file,label\na.jpg,maybe\n")
    with pytest.raises(InputError, match="line 2"):
        read_labels(table)
