"""Degraded copies, the draw of files, the figures and their forms."""

from __future__ import annotations

import json
import math
import tempfile
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfdetect.detector import Detector
from dfdetect.errors import InputError, MediaError
from dfdetect.evaluate.degrade import LEVELS, Damage, Level, damage_picture, write_copy
from dfdetect.evaluate.labelled import Labelled
from dfdetect.evaluate.robustness import (
    Files,
    Point,
    Robustness,
    choose_files,
    measure_point,
    measure_robustness,
)
from dfdetect.evaluate.robustness_report import render_json, render_markdown, render_svg
from dfdetect.evaluate.weighted import Interval
from dfdetect.media.reader import open_media
from dfdetect.results import Label, MediaInfo, MediaKind
from dfdetect.settings import Settings

DATA = Path(__file__).resolve().parents[2] / "data"
ALL = Settings(frames=1000)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def texture(height: int, width: int, shift: int = 0) -> NDArray[np.uint8]:
    """Smooth colour with fine detail on it, so that every damage shows."""
    y, x = np.mgrid[:height, :width]
    fine = 30 * ((x + y + shift) % 4 < 2)
    return np.stack([60 + x % 100 + fine, 90 + y % 80 + fine, 120 + 0 * x + fine], axis=2).astype(np.uint8)


def read(path: Path, settings: Settings = ALL) -> tuple[list[float], list[NDArray[np.uint8]], MediaInfo]:
    with open_media(path, settings) as media:
        frames = list(media.frames())
        return [f.time for f in frames], [f.image for f in frames], media.info


def error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Nine pictures of 97 x 65 at uneven times, the last one at half a second."""
    path = tmp_path / "video.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 97, 65, "bgr0"
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, time in enumerate((0, 40, 80, 120, 160, 280, 320, 360, 500)):
            frame = av.VideoFrame.from_ndarray(texture(65, 97, k), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A PNG that a tag turns: 80 x 60 when upright."""
    path = tmp_path / "photo.png"
    tags = PIL.Image.Exif()
    tags[0x0112] = 6
    PIL.Image.fromarray(np.rot90(texture(60, 80)).copy()).save(path, exif=tags)
    return path


def test_every_kind_goes_from_mild_to_strong() -> None:
    for damage in Damage:
        amounts = [level.amount for level in LEVELS if level.damage is damage]
        falling = damage in (Damage.JPEG, Damage.SCALE)
        assert len(amounts) >= 3
        assert amounts == sorted(set(amounts), reverse=falling)


def test_pictures_are_damaged_as_the_level_says() -> None:
    image = texture(120, 160)
    assert damage_picture(image, Level(Damage.SCALE, 0.33), rng()).shape == (40, 53, 3)
    assert damage_picture(image[:1, :1], Level(Damage.SCALE, 0.1), rng()).shape == (1, 1, 3)
    blurred = [damage_picture(image, Level(Damage.BLUR, sigma), rng()) for sigma in (1, 2, 3)]
    detail = [float(np.diff(each.astype(float), axis=1).std()) for each in (image, *blurred)]
    assert detail == sorted(detail, reverse=True)
    assert len(set(detail)) == 4
    grey = np.full((200, 200, 3), 128, np.uint8)
    for sigma in (5, 10, 20):
        noisy = damage_picture(grey, Level(Damage.NOISE, sigma), rng()).astype(float)
        assert noisy.std() == pytest.approx(sigma, rel=0.02)
        assert noisy.mean() == pytest.approx(128, abs=0.2)
        assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.02
    for damage in (Damage.JPEG, Damage.H264):
        assert damage_picture(image, Level(damage, 30), rng()) is image


def test_photos_become_upright_jpeg_or_png(photo: Path, tmp_path: Path) -> None:
    original = texture(60, 80)
    errors, sizes = [], []
    for quality in (95, 60, 20):
        copy = write_copy(str(photo), tmp_path / "copy", Level(Damage.JPEG, quality), Settings(), rng())
        _, (image,), info = read(copy)
        assert (info.container, info.width, info.height, info.rotation) == ("jpeg", 80, 60, 0)
        errors.append(error(image, original))
        sizes.append(copy.stat().st_size)
    assert errors == sorted(errors)
    assert sizes == sorted(sizes, reverse=True)
    level = Level(Damage.NOISE, 10)
    copy = write_copy(str(photo), tmp_path / "copy", level, Settings(), rng())
    _, (image,), info = read(copy)
    assert info.container == "png"
    np.testing.assert_array_equal(image, damage_picture(original, level, rng()))


def test_videos_keep_their_times_and_lose_what_the_rate_factor_says(video: Path, tmp_path: Path) -> None:
    times, images, before = read(video)
    errors, sizes = [], []
    for crf in (5, 28, 45):
        copy = write_copy(str(video), tmp_path / f"crf{crf}", Level(Damage.H264, crf), Settings(), rng())
        found, pictures, info = read(copy)
        assert found == pytest.approx(times, abs=1e-3)
        assert (info.kind, info.codec, info.width, info.height) == (MediaKind.VIDEO, "h264", 96, 64)
        assert info.frame_rate == pytest.approx(before.frame_rate, rel=0.05)
        errors.append(np.mean([error(p, i[:64, :96]) for p, i in zip(pictures, images, strict=True)]))
        sizes.append(copy.stat().st_size)
    assert errors == sorted(errors)
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("height", [360, 720])
def test_videos_keep_their_colours_at_any_height(height: int, tmp_path: Path) -> None:
    """Readers guess the matrix from the height when a file does not name it."""
    path = tmp_path / "flat.gif"
    colours = [(200, 40, 40), (200, 40, 44)]  # two, or it would be no animation
    first, second = (PIL.Image.new("RGB", (64, height), colour) for colour in colours)
    first.save(path, save_all=True, append_images=[second], duration=100)
    copy = write_copy(str(path), tmp_path / "copy", Level(Damage.H264, 10), Settings(), rng())
    times, images, _ = read(copy)
    assert times == pytest.approx([0.0, 0.1], abs=1e-3)
    np.testing.assert_allclose(images[0].mean(axis=(0, 1)), colours[0], atol=4)


def test_a_copy_is_reproducible_and_holds_the_asked_part(video: Path, tmp_path: Path) -> None:
    part = Settings(start=0.1, end=0.33)
    level = Level(Damage.NOISE, 20)
    a = write_copy(str(video), tmp_path / "a", level, part, rng())
    b = write_copy(str(video), tmp_path / "b", level, part, rng())
    assert a.read_bytes() == b.read_bytes()
    # From 0.12 on, the first picture that begins inside.
    assert read(a)[0] == pytest.approx([0.0, 0.04, 0.16, 0.2], abs=1e-3)


def test_what_cannot_be_copied_is_said(video: Path, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JPEG 60 is not for a video"):
        write_copy(str(video), tmp_path / "copy", Level(Damage.JPEG, 60), Settings(), rng())
    with pytest.raises(ValueError, match="CRF 28 is not for a photo"):
        write_copy(str(photo), tmp_path / "copy", Level(Damage.H264, 28), Settings(), rng())
    with pytest.raises(MediaError):
        write_copy(str(tmp_path / "gone"), tmp_path / "copy", Level(Damage.BLUR, 1), Settings(), rng())
    PIL.Image.new("RGB", (65_501, 2)).save(tmp_path / "wide.png")
    with pytest.raises(MediaError, match="cannot be written as JPEG"):
        write_copy(str(tmp_path / "wide.png"), tmp_path / "copy", Level(Damage.JPEG, 60), Settings(), rng())


FILES = st.lists(
    st.tuples(st.booleans(), st.sampled_from(list(MediaKind)), st.integers(0, 5)), min_size=1, max_size=60
)


def labelled(rows: list[tuple[bool, MediaKind, int]]) -> list[tuple[Labelled, MediaKind]]:
    return [
        (Labelled(f"{number}", fake, "", "", "", f"group {group}"), kind)
        for number, (fake, kind, group) in enumerate(rows)
    ]


@given(FILES, st.integers(1, 70), st.integers(0, 3))
def test_the_draw_is_balanced_and_prefers_new_groups(
    rows: list[tuple[bool, MediaKind, int]], limit: int, seed: int
) -> None:
    files = labelled(rows)
    chosen = choose_files(files, limit, np.random.default_rng(seed))
    assert chosen == choose_files(files, limit, np.random.default_rng(seed))
    assert len(chosen) == min(limit, len(files)) == len({item.path for item, _ in chosen})
    most = 0
    left: list[int] = []  # numbers drawn of strata that had more to give
    for fake in (False, True):
        for kind in MediaKind:
            own = [item for item, k in chosen if item.fake == fake and k is kind]
            there = [item for item, k in files if item.fake == fake and k is kind]
            most = max(most, len(own))
            if len(own) < len(there):
                left.append(len(own))
            groups = {item.group for item in there}
            assert len({item.group for item in own}) == min(len(own), len(groups))
    assert all(count >= most - 1 for count in left)


def files_of(before: list[float], after: list[float], fake: list[bool]) -> Files:
    return Files(
        np.array(fake),
        tuple(f"g{i // 2}" for i in range(len(fake))),
        np.array(before),
        np.array(after),
        np.array(after) > 0.5,
    )


def test_an_equal_shift_changes_nothing_and_the_change_knows_it() -> None:
    generator = rng()
    fake = [bool(i % 2) for i in range(60)]
    before = [float(generator.normal(0.3 * f, 0.3)) for f in fake]
    level = Level(Damage.BLUR, 1)
    point = measure_point(MediaKind.PHOTO, level, files_of(before, [b + 1 for b in before], fake), seed=0)
    assert 0.5 < point.auc.low < point.auc.value < point.auc.high < 1
    assert point.change.value == 0.0
    assert math.isnan(point.change.low)  # the draws do not differ: that is no interval
    assert point.auc.groups == 30


def test_files_without_an_answer_leave_the_figures_and_the_counts() -> None:
    none = math.nan
    files = files_of([0.1, 0.9, 0.2, 0.1, 0.3, 0.8], [0.1, none, 0.7, 0.6, none, 0.9], [False, True] * 3)
    point = measure_point(MediaKind.VIDEO, Level(Damage.SCALE, 0.5), files, seed=0)
    assert (point.files, point.judged, point.reals, point.fakes) == (6, 4, 2, 2)
    # Kept are the reals .1 and .7 and the fakes .6 and .9; untouched .1, .2 and .1, .8.
    assert point.auc.value == 0.75
    assert point.change.value == pytest.approx(0.75 - 0.625)
    assert (point.reals_called_fake, point.fakes_called_fake) == (0.5, 1.0)
    gone = measure_point(MediaKind.VIDEO, None, files_of([0.1, 0.9], [none, none], [False, True]), seed=0)
    assert gone.judged == 0
    assert math.isnan(gone.auc.value)
    assert math.isnan(gone.reals_called_fake)


JPEG, CRF, SMALL = Level(Damage.JPEG, 20), Level(Damage.H264, 35), Level(Damage.SCALE, 0.2)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Robustness, Path]:
    """The samples at a level of each medium and one that leaves no face; and the temporary folder."""
    place = tmp_path_factory.mktemp("robustness")
    names = (
        "astronaut.jpg",
        "astronaut_forged.jpg",
        "coffee.jpg",
        "moving.mp4",
        "moving_forged.mp4",
        "gone.jpg",
    )
    rows = [f"{DATA / name},{'fake' if 'forged' in name else 'real'}\n" for name in names]
    (place / "labels.csv").write_text("file,label\n" + "".join(rows))
    with pytest.MonkeyPatch.context() as patch:
        (place / "tmp").mkdir()
        patch.setattr(tempfile, "tempdir", str(place / "tmp"))
        found = measure_robustness(
            place / "labels.csv",
            Settings(frames=2, model="light"),
            jobs=0,
            levels=(JPEG, CRF, SMALL),
        )
    return found, place / "tmp"


def test_all_levels_are_measured_on_the_files_with_an_answer(measured: tuple[Robustness, Path]) -> None:
    found, temporary = measured
    assert (found.drawn, found.not_judged, found.unreadable) == (5, 1, 1)
    photo, video = MediaKind.PHOTO, MediaKind.VIDEO
    assert [(p.medium, p.level, p.files, p.judged) for p in found.points] == [
        (photo, None, 2, 2),
        (video, None, 2, 2),
        (photo, JPEG, 2, 2),
        (video, CRF, 2, 2),
        (photo, SMALL, 2, 0),
        (video, SMALL, 2, 0),
    ]
    assert all(p.change.value == 0 for p in found.points if p.level is None)
    assert list(temporary.iterdir()) == []


def test_figures_are_those_of_a_scan_of_the_copies(measured: tuple[Robustness, Path], tmp_path: Path) -> None:
    detector = Detector(frames=2, model="light")
    for level, suffix in ((JPEG, "jpg"), (CRF, "mp4")):
        name = "astronaut" if level is JPEG else "moving"
        real, fake = (
            detector.scan(write_copy(str(DATA / f"{name}{end}.{suffix}"), tmp_path / end, level, ALL, rng()))
            for end in ("", "_forged")
        )
        point = next(p for p in measured[0].points if p.level == level)
        assert real.logit is not None
        assert fake.logit is not None
        assert point.auc.value == (np.sign(fake.logit - real.logit) + 1) / 2
        assert point.reals_called_fake == (real.label is Label.FAKE)
        assert point.fakes_called_fake == (fake.label is Label.FAKE)


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"file,label\n{DATA / 'coffee.jpg'},real\n")
    with pytest.raises(InputError, match="none of the 1 files drawn"):
        measure_robustness(tmp_path, Settings(), jobs=0)
    (tmp_path / "labels.csv").write_text("file,label\ngone.jpg,real\nlost.jpg,fake\n")
    with pytest.raises(InputError, match=r"none of the 2 files .* can be opened .*gone\.jpg"):
        measure_robustness(tmp_path, Settings(), jobs=0)


NAN = math.nan
FOUND = Robustness(
    labels="my`<b>.csv",
    model="light",
    model_version="2",
    tool_version="0.1.0",
    seed=3,
    draws=500,
    drawn=42,
    not_judged=2,
    unreadable=1,
    points=(
        Point(
            MediaKind.PHOTO, None, 40, 20, 20, Interval(0.9, 0.8, 0.95, 30), Interval(0, 0, 0, 30), 0.05, 0.7
        ),
        Point(
            MediaKind.PHOTO,
            Level(Damage.JPEG, 60),
            40,
            19,
            20,
            Interval(0.85, 0.7, 0.9, 30),
            Interval(-0.05, -0.08, 0.01, 30),
            0.1,
            0.6,
        ),
        Point(
            MediaKind.PHOTO,
            Level(Damage.SCALE, 0.33),
            40,
            0,
            2,
            Interval(NAN, NAN, NAN, 30),
            Interval(NAN, NAN, NAN, 30),
            NAN,
            0.5,
        ),
    ),
)


def test_json_is_strict_and_says_null_for_what_is_not_known() -> None:
    document = json.loads(render_json(FOUND))
    assert (document["format"], document["version"]) == ("dfdetect robustness", "1.0")
    untouched, jpeg, scale = document["points"]
    assert untouched["level"] is None
    assert jpeg["level"] == {"damage": "jpeg", "amount": 60}
    assert jpeg["change"] == {"value": -0.05, "low": -0.08, "high": 0.01, "groups": 30}
    assert scale["auc"]["value"] is None
    assert scale["reals_called_fake"] is None
    assert jpeg["level"]["damage"] in document["units"]


def test_markdown() -> None:
    assert (
        render_markdown(FOUND)
        == """\
# Robustness

- **labels**: `my'<b>.csv`, 42 files drawn with seed 3
- **model**: `light 2`, dfdetect 0.1.0
- **left out**: 2 drawn without an answer even untouched, 1 that could not be opened
- **intervals**: 95 %, 500 draws of whole groups, the same for all levels; none where draws agree

## Photos

| damage | judged | AUC | change of AUC | reals called fake | fakes called fake |
| --- | ---: | ---: | ---: | ---: | ---: |
| none | 40 of 40 | 0.900 (0.800 to 0.950) |  | 5 % of 20 | 70 % of 20 |
| JPEG 60 | 39 of 40 | 0.850 (0.700 to 0.900) | -0.050 (-0.080 to +0.010) | 10 % of 19 | 60 % of 20 |
| scale 0.33 | 2 of 40 | – | – | – | 50 % of 2 |

The change is over the files that were judged both untouched and damaged: where fewer were judged it is \
not the difference of the two figures.

## What the levels mean

- **jpeg**: JPEG quality
- **scale**: scale of both sides
"""
    )


def test_svg_is_well_formed_and_reproducible() -> None:
    pytest.importorskip("matplotlib")
    text = render_svg(FOUND)
    assert text == render_svg(FOUND)
    words = "".join(ElementTree.fromstring(text).itertext())
    assert "JPEG quality" in words
    assert "photos" in words
    assert "H.264" not in words, "no level of it was measured"
