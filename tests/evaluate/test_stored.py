"""Stored results: matched to labels, and judged anew as a scan would judge them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from evaluate_samples import STAMP, scanned

from dfdetect.errors import InputError
from dfdetect.evaluate.labelled import Labelled
from dfdetect.evaluate.stored import Rejudge, match
from dfdetect.results import Label, MediaKind, Reason, ScanResult
from dfdetect.scoring.models import ModelFolder, load_model
from dfdetect.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def result(path: str, size: int | None = None) -> ScanResult:
    _, found = scanned(True, 1.0, size=size)
    return dataclasses.replace(found, path=path)


def label(path: str, name: str) -> Labelled:
    return Labelled(path, True, "swap", "", "s", name, name)


def matched(labels: list[Labelled], results: list[ScanResult]) -> list[str | None]:
    found = match(labels, results)
    paths = {item.name: one.path for item, one in found.pairs}
    assert {item.name for item in found.missing} == {item.name for item in labels} - set(paths)
    return [paths.get(item.name) for item in labels]


def test_paths_match_as_they_are_or_where_they_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path / "a.jpg")
    assert matched([label(here, "a.jpg")], [result(here)]) == [here]
    assert matched([label(here, "a.jpg")], [result("a.jpg")]) == ["a.jpg"]
    assert matched([label("a.jpg", "a.jpg")], [result("./x/../a.jpg")]) == ["./x/../a.jpg"]


def test_results_of_another_place_match_by_the_whole_name() -> None:
    real, fake = label("/new/real/1.jpg", "real/1.jpg"), label("/new/fake/1.jpg", "fake/1.jpg")
    assert matched([real, fake], [result("/old/fake/1.jpg")]) == [None, "/old/fake/1.jpg"]
    two = [result("/old/fake/1.jpg"), result("/older/fake/1.jpg")]
    assert matched([fake], two) == [None]  # which of both cannot be told
    assert matched([label("/new/1.jpg", "/new/1.jpg")], [result("/old/1.jpg")]) == [None]


def test_a_result_belongs_to_one_file() -> None:
    short, long = label("/new/1.jpg", "1.jpg"), label("/new/fake/1.jpg", "fake/1.jpg")
    assert matched([short, long], [result("/old/fake/1.jpg")]) == [None, "/old/fake/1.jpg"]
    both = [result("/old/fake/1.jpg"), result("/old/1.jpg")]
    assert matched([short, long], both) == ["/old/1.jpg", "/old/fake/1.jpg"]


def test_a_result_that_two_files_claim_belongs_to_neither() -> None:
    twins = [Labelled(f"/{place}/1.jpg", True, "swap", "", "s", place, "1.jpg") for place in ("a", "b")]
    found = match(twins, [result("/old/1.jpg")])
    assert (found.pairs, found.missing) == ((), tuple(twins))


def test_another_file_of_the_same_name_is_seen_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    item = label(str(tmp_path / "a.jpg"), "a.jpg")
    assert matched([item], [result("/old/a.jpg", size=6)]) == [None]
    assert matched([item], [result("/old/a.jpg", size=5)]) == ["/old/a.jpg"]


def test_of_several_results_of_a_file_the_last_counts() -> None:
    first, last = result("a.jpg"), dataclasses.replace(result("a.jpg"), message="later")
    ((_, found),) = match([label("a.jpg", "a.jpg")], [first, last]).pairs
    assert found.message == "later"


@pytest.fixture(scope="module")
def model() -> ModelFolder:
    return load_model(str(ROOT / "models" / "light"))


@pytest.fixture(scope="module")
def scans(model: ModelFolder) -> list[ScanResult]:
    from dfdetect.detector import Detector

    detector = Detector(Settings(model=str(model.path), frames=4))
    names = ("astronaut.jpg", "astronaut_forged.jpg", "moving.mp4", "coffee.jpg")
    return [detector.scan(ROOT / "data" / name) for name in names]


def test_the_same_calibration_gives_the_same_verdicts(model: ModelFolder, scans: list[ScanResult]) -> None:
    judge = Rejudge(model, Settings(model=str(model.path)))
    for before in scans:
        after = judge(before)
        assert (after.label, after.reason, after.band) == (before.label, before.reason, before.band)
        assert after.message == before.message
        assert after.settings == before.settings, "those of the scan are still those of the scan"
        assert after.logit == (before.logit if before.logit is None else pytest.approx(before.logit))
        if before.fake_probability is not None:
            assert after.fake_probability == pytest.approx(before.fake_probability)
        assert [t.label for t in after.tracks] == [t.label for t in before.tracks]


def recalibrated(model: ModelFolder, **parts: Any) -> ModelFolder:
    """The model with other parts in its calibration, in memory only."""
    values = json.loads(json.dumps(dict(model.calibration)))
    return dataclasses.replace(model, calibration={**values, **parts})


def test_another_calibration_gives_other_verdicts(model: ModelFolder, scans: list[ScanResult]) -> None:
    band = {"photo": [0.0, 1e-6], "video": [0.0, 1e-6], "error_rate": 0.1}
    fusion = {"weights": [1.0], "bias": 3.0}
    settings = Settings(model=str(model.path))
    all_fake = [Rejudge(recalibrated(model, band=band), settings)(r) for r in scans]
    assert [r.label for r in all_fake] == [Label.FAKE, Label.FAKE, Label.FAKE, None]
    shifted = [Rejudge(recalibrated(model, fusion=fusion), settings)(r) for r in scans]
    for before, after in zip(scans, shifted, strict=True):
        if before.fake_probability is not None and after.fake_probability is not None:
            assert after.fake_probability > before.fake_probability
            assert after.tracks[0].faces[0].logit == pytest.approx(before.tracks[0].faces[0].logit + 3.0)


def test_settings_of_the_verdict_apply(model: ModelFolder, scans: list[ScanResult]) -> None:
    large = Rejudge(model, Settings(model=str(model.path), min_face=2000))(scans[0])
    assert (large.label, large.reason) == (None, Reason.FACE_TOO_SMALL)
    certain = Rejudge(model, Settings(model=str(model.path), threshold=1e-6))(scans[0])
    assert certain.label is Label.FAKE


def test_what_was_not_scored_stays_as_it_is(model: ModelFolder) -> None:
    judge = Rejudge(model, Settings(model=str(model.path)))
    failed = ScanResult.failed("a.jpg", Reason.EMPTY, "empty", {})
    assert judge(failed) is failed
    _, found = scanned(True, 1.0, kind=MediaKind.VIDEO, frames=2)
    track = found.tracks[0]
    nothing = dataclasses.replace(track.faces[0], experts=(float("nan"),))
    lost = dataclasses.replace(
        found,
        tracks=(dataclasses.replace(track, faces=(nothing, *track.faces[1:])),),
        model=dataclasses.replace(STAMP, sha256=dict(model.hashes)),
    )
    assert judge(lost) is lost
    assert judge(dataclasses.replace(lost, tracks=found.tracks)) is not lost


def test_scores_of_other_networks_are_refused(model: ModelFolder) -> None:
    judge = Rejudge(model, Settings(model=str(model.path)))
    _, foreign = scanned(True, 1.0)
    with pytest.raises(InputError, match="other networks"):
        judge(foreign)
    with pytest.raises(InputError, match="as-stored"):
        judge(dataclasses.replace(foreign, model=None))
