"""The chain as a whole, through `Detector`, with the shipped model."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import os
import pydoc
import shutil
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import dfdetect
from dfdetect import Detector, Label, Reason, ScanResult
from dfdetect.errors import ModelError, SettingsError
from dfdetect.media.video import VideoMedia
from dfdetect.record.parse import parse_result
from dfdetect.record.plain import plain_result
from dfdetect.results import Face
from dfdetect.scoring.models import find_folder

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def test_a_photo_is_judged(detector: Detector) -> None:
    result = detector.scan(DATA / "astronaut.jpg")
    assert result.label in set(Label)
    assert result.reason is None
    assert 0 < (result.fake_probability or 0) < 1
    assert [track.id for track in result.tracks] == [1]
    assert result.media is not None
    assert result.media.kind == "photo"
    assert result.model is not None
    assert set(result.model.sha256) >= {"card.json", "calibration.json", "model.onnx"}


def test_a_video_says_who_and_when(detector: Detector) -> None:
    result = detector.scan(DATA / "moving_forged.mp4")
    (track,) = result.tracks
    times = [face.time for face in track.faces]
    assert len(times) == detector.settings.frames
    assert times == sorted(times)
    assert 0 <= track.start <= times[0]
    assert times[-1] <= track.end <= 3


def test_the_forged_half_scores_higher_than_the_real_half(detector: Detector) -> None:
    (track,) = detector.scan(DATA / "moving_forged.mp4").tracks
    real = [face.logit for face in track.faces if face.time < 1.45]
    forged = [face.logit for face in track.faces if face.time > 1.55]
    assert np.mean(forged) > np.mean(real)


def test_path_bytes_file_array_and_image_agree(detector: Detector) -> None:
    path = DATA / "astronaut.jpg"
    picture = Image.open(path).convert("RGB")
    sources = [str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), np.asarray(picture), picture]
    logits = [detector.scan(source).logit for source in sources]
    assert logits == pytest.approx([detector.scan(path).logit] * len(logits), abs=1e-5)


def test_no_face_is_a_reason_and_never_a_probability(detector: Detector) -> None:
    result = detector.scan(DATA / "coffee.jpg")
    assert (result.label, result.reason, result.fake_probability) == (None, Reason.NO_FACE, None)


def test_small_faces_are_too_small(detector: Detector) -> None:
    small = Image.open(DATA / "astronaut.jpg").resize((100, 100))
    assert detector.scan(small).reason is Reason.FACE_TOO_SMALL


def test_dark_faces_are_too_dark(detector: Detector) -> None:
    picture = np.asarray(Image.open(DATA / "astronaut.jpg").convert("RGB"))
    assert detector.scan((picture * 0.1).astype(np.uint8)).reason is Reason.FACE_TOO_DARK


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", Reason.EMPTY), (b"hello, this is no picture at all " * 10, Reason.NOT_MEDIA)],
)
def test_bad_content_is_a_reason(detector: Detector, content: bytes, reason: Reason) -> None:
    assert detector.scan(content).reason is reason


def test_a_missing_file_is_a_reason_and_wrong_use_raises(detector: Detector, tmp_path: Path) -> None:
    assert detector.scan(tmp_path / "none.jpg").reason is Reason.MISSING
    with pytest.raises(TypeError):
        detector.scan(3)  # type: ignore[arg-type]


def test_two_people_are_two_tracks(detector: Detector) -> None:
    picture = np.asarray(Image.open(DATA / "astronaut.jpg").convert("RGB"))[:300, 60:400]
    pair = np.concatenate([picture, picture[:, ::-1]], axis=1)
    result = detector.scan(pair)
    assert [track.id for track in result.tracks] == [1, 2]
    assert result.fake_probability == max(track.fake_probability or 0 for track in result.tracks)


def test_a_result_repeats_exactly(detector: Detector) -> None:
    def without_time(result: ScanResult) -> tuple[object, ...]:
        return (result.label, result.logit, result.tracks, result.media, result.notes)

    first = detector.scan(DATA / "moving.mp4")
    assert without_time(first) == without_time(Detector().scan(DATA / "moving.mp4"))


def test_a_prior_moves_the_probability(detector: Detector) -> None:
    low = Detector(prior=0.01).scan(DATA / "astronaut.jpg").fake_probability
    high = Detector(prior=0.9).scan(DATA / "astronaut.jpg").fake_probability
    assert low is not None
    assert high is not None
    assert low < high


def test_heatmaps_average_to_the_logit_of_the_expert() -> None:
    result = Detector(heatmaps=True, model="light").scan(DATA / "astronaut.jpg")
    (face,) = result.tracks[0].faces
    assert face.heatmap is not None
    assert np.mean(face.heatmap) == pytest.approx(face.experts[0], abs=1e-3)


def test_frames_and_times_can_be_chosen() -> None:
    result = Detector(frames=4, start=1.0, end=2.0).scan(DATA / "moving.mp4")
    times = [face.time for face in result.tracks[0].faces]
    assert len(times) == 4
    assert min(times) >= 1.0
    assert max(times) <= 2.0


def test_wrong_settings_and_models_raise() -> None:
    with pytest.raises(SettingsError, match="did you mean 'frames'"):
        Detector(frame=3)
    with pytest.raises(ModelError, match="no-such-model"):
        Detector(model="no-such-model")
    with pytest.raises(SettingsError, match="evidence must be True or False"):
        Detector(evidence="no")
    with pytest.raises(SettingsError, match="given by name"):
        Detector("light")  # type: ignore[arg-type]


def test_odd_pictures_in_memory_are_answers(detector: Detector) -> None:
    for odd in (Image.new("RGB", (0, 0)), np.full((64, 64, 3), 200.0)):
        assert detector.scan(odd).reason is Reason.UNSUPPORTED
    assert detector.scan("a\ud800.jpg").reason is Reason.MISSING


def test_a_name_is_a_text_or_a_path(detector: Detector) -> None:
    assert detector.scan("gone.jpg", name=Path("a") / "b.jpg").path == "a/b.jpg"
    with pytest.raises(TypeError):
        detector.scan("gone.jpg", name=5)  # type: ignore[arg-type]


def test_what_has_a_name_is_called_by_it(detector: Detector, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.jpg"
    with open(odd, "wb") as file:
        file.write(b"no picture")
    with os.scandir(os.fsencode(tmp_path)) as entries:
        assert [detector.scan(entry).path for entry in entries] == [os.fsdecode(odd)]
    with open(odd, "rb") as file:
        assert detector.scan(file).path == os.fsdecode(odd)
    with os.fdopen(os.open(odd, os.O_RDONLY), "rb") as file:
        assert detector.scan(file).path == "<BufferedReader>"
    content = (DATA / "coffee.jpg").read_bytes()
    assert detector.scan(Image.open(io.BytesIO(content))).path == "<JpegImageFile>"
    assert detector.scan(Image.open(DATA / "coffee.jpg")).path == str(DATA / "coffee.jpg")
    upload = io.BufferedReader(io.BytesIO(b"no picture"))
    form = SimpleNamespace(name="field", filename="holiday.jpg", read=upload.read)
    assert detector.scan(form).path == "holiday.jpg", "not the name of the field of the form"
    with warnings.catch_warnings(), gzip.open(io.BytesIO(gzip.compress(b"no picture"))) as packed:
        warnings.simplefilter("error")
        assert detector.scan(packed).path == "<GzipFile>"


@pytest.mark.parametrize("evidence", [False, True])
def test_a_stream_that_breaks_is_a_reason(evidence: bool) -> None:
    detector = Detector(model="light", evidence=evidence)
    content = (DATA / "astronaut.jpg").read_bytes()
    with gzip.open(io.BytesIO(gzip.compress(content)[:-5000])) as cut:
        result = detector.scan(cut)
    assert result.reason is Reason.UNREADABLE
    assert "end-of-stream marker" in result.message
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.jpg", content)
    flipped = bytearray(whole.getvalue())
    flipped[len(content) // 2] ^= 1
    with zipfile.ZipFile(io.BytesIO(flipped)) as archive, archive.open("a.jpg") as member:
        member.seekable = lambda: False  # type: ignore[method-assign]  # as in an archive that is a pipe
        assert detector.scan(member).reason is Reason.UNREADABLE


def test_content_and_arrays_of_other_types_are_judged(detector: Detector) -> None:
    content = (DATA / "coffee.jpg").read_bytes()
    picture = np.asarray(Image.open(DATA / "coffee.jpg").convert("RGB"))
    assert detector.scan(bytearray(content)).reason is Reason.NO_FACE
    assert detector.scan(memoryview(content)).reason is Reason.NO_FACE
    assert detector.scan(picture / 255).reason is Reason.NO_FACE
    assert detector.scan(picture.astype(np.uint16) * 257).reason is Reason.NO_FACE


def test_a_model_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(find_folder("light"), tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    detector = Detector(model="./own")
    monkeypatch.chdir(DATA)
    result = detector.scan("astronaut.jpg")
    assert result.label is not None
    assert result.settings["model"] == "./own"


@pytest.mark.parametrize("file", ["astronaut.jpg", "no-such-file"])
def test_results_can_be_kept_in_a_set(file: str) -> None:
    detector = Detector(model="light", heatmaps=True, pictures=True, evidence=True)
    result = detector.scan(DATA / file)
    assert {result, copy.deepcopy(result)} == {result}


def test_a_scan_imports_no_torch() -> None:
    code = (
        "import sys; from dfdetect import Detector; "
        f"r = Detector().scan({str(DATA / 'astronaut.jpg')!r}); assert r.label is not None; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'sklearn', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=100).returncode == 0


def test_what_is_public_is_listed() -> None:
    assert {"Detector", "Settings", "ScanResult"} <= set(dir(dfdetect))
    assert "Detector" in pydoc.render_doc(dfdetect, renderer=pydoc.plaintext)


def test_importing_dfdetect_is_light() -> None:
    heavy = ("numpy", "cv2", "av", "PIL", "click")
    code = f"import sys, dfdetect; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_an_error_ends_the_decoding_before_the_file_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[list[str]] = []
    close = VideoMedia.close

    def noted(self: VideoMedia) -> None:
        alive.append([thread.name for thread in threading.enumerate() if thread.name == "dfdetect-decode"])
        close(self)

    monkeypatch.setattr(VideoMedia, "close", noted)
    detector = Detector(model="light")

    def broken(image: object, at_least: float = 0.0, tiny: bool = True) -> list[Face]:
        raise ModelError("broken")

    monkeypatch.setattr(detector, "find_faces", broken)
    with pytest.raises(ModelError, match="broken") as caught:
        detector.scan(DATA / "moving.mp4")
    assert caught.traceback, "it holds on to the frames of the functions, and with them to the generators"
    assert alive == [[]]


def test_what_cannot_be_opened_loads_no_network(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    detector = Detector(model="light")
    assert detector.scan(tmp_path / "empty.mp4").reason is Reason.EMPTY
    assert detector._finder is None


def write_video(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> Path:
    """A video of 10 frames a second."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_appearance(path: Path, face: NDArray[np.uint8], frames: int, first: int, last: int) -> Path:
    """A video that shows `face` from frame `first` to before `last`, else a wall."""
    wall = np.full_like(face, 120)
    return write_video(path, [face if first <= number < last else wall for number in range(frames)])


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return np.asarray(Image.open(DATA / "astronaut.jpg").convert("RGB").resize((320, 320)))


def test_a_person_seen_too_briefly_is_looked_at_more_closely(tmp_path: Path, face: NDArray[np.uint8]) -> None:
    """A face for half a second of 12: one of 16 samples shows it, the closer look finds more."""
    result = Detector(frames=16).scan(write_appearance(tmp_path / "brief.mp4", face, 120, 60, 66))
    assert result.label is not None
    times = [item.time for item in result.tracks[0].faces]
    assert len(times) >= 2
    assert min(times) >= 5.9
    assert max(times) <= 6.6


def test_who_walks_by_does_not_weigh_on_the_others(tmp_path: Path, face: NDArray[np.uint8]) -> None:
    """The closer look at the second person, there for half a second, shows the first one again."""
    one = face[:180, 60:240]
    both = np.concatenate([one, face[:180, 240:60:-1]], axis=1)
    alone = np.concatenate([one, np.full_like(one, 120)], axis=1)
    path = write_video(tmp_path / "by.mp4", [both if 5 <= i < 10 else alone for i in range(80)])
    result = Detector(frames=8, model="light", pictures=True).scan(path)
    assert result.media is not None
    assert result.media.frames_sampled > 8, "there was a closer look"
    assert {p.frame for p in result.frames} == {face.frame for track in result.tracks for face in track.faces}
    assert [item.time for item in result.tracks[0].faces] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]
    assert all(0.5 <= item.time < 1.0 for item in result.tracks[1].faces)


def test_a_face_between_the_samples_is_found(tmp_path: Path, face: NDArray[np.uint8]) -> None:
    """Four of 12 seconds' samples show nobody; the look everywhere finds half a second of face."""
    # Samples at 1.5, 4.5, 7.5 and 10.5 s; then every 1.5 s from .75.
    path = write_appearance(tmp_path / "between.mp4", face, 120, 50, 56)
    result = Detector(frames=4, model="light").scan(path)
    assert result.label is not None
    assert all(4.9 <= item.time <= 5.6 for item in result.tracks[0].faces)


def test_a_face_from_the_end_on_that_was_asked_for_is_not_judged(
    tmp_path: Path, face: NDArray[np.uint8]
) -> None:
    result = Detector(model="light", end=1.0).scan(write_appearance(tmp_path / "late.mp4", face, 20, 10, 20))
    assert (result.reason, result.tracks) == (Reason.NO_FACE, ())


def test_somebody_who_lies_in_a_part_of_the_video_is_found(tmp_path: Path, face: NDArray[np.uint8]) -> None:
    """Samples at .5, 1.5, … s; only the second to fourth show a face, and on its side."""
    path = write_appearance(tmp_path / "lying.mp4", np.rot90(face), 80, 10, 40)
    result = Detector(frames=8, model="light").scan(path)
    assert result.label is not None
    assert [item.time for item in result.tracks[0].faces] == [1.5, 2.5, 3.5]


def test_faces_beyond_the_limit_are_mentioned() -> None:
    picture = np.asarray(Image.open(DATA / "astronaut.jpg").convert("RGB"))[:300, 60:400]
    pair = np.concatenate([picture, picture[:, ::-1]], axis=1)
    result = Detector(max_faces=1).scan(pair)
    assert len(result.tracks) == 1
    assert "faces_dropped" in {note.code for note in result.notes}
    assert result.message.startswith("The one face looked at looks real")


def test_pictures_and_evidence_are_kept_where_asked_for() -> None:
    sample = DATA / "astronaut.jpg"
    detector = Detector(model="light", pictures=True, heatmaps=True, evidence=True)
    result = detector.scan(sample)
    (face,) = result.tracks[0].faces
    assert face.picture is not None
    assert face.picture[:2] == b"\xff\xd8"
    assert face.heatmap is not None
    (frame,) = result.frames
    assert (frame.frame, frame.time) == (face.frame, face.time)
    assert result.media is not None
    assert (frame.width, frame.height) == (result.media.width, result.media.height)
    assert result.detector is not None
    assert set(result.detector.sha256) == {"pnet.onnx", "rnet.onnx", "onet.onnx"}
    assert result.evidence is not None
    assert result.evidence.sha256 == hashlib.sha256(sample.read_bytes()).hexdigest()
    assert {"python", "numpy", "av", "libavcodec"} <= set(result.evidence.versions)
    assert parse_result(plain_result(result)).evidence == result.evidence


def test_a_broken_file_has_evidence_too(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(64))
    result = Detector(evidence=True).scan(path)
    assert result.reason is not None
    assert result.evidence is not None
    assert result.evidence.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_engine_reports_to_nobody(tmp_path: Path) -> None:
    code = (
        "import os, sys; from dfdetect import Detector; "
        f"Detector(model='light').scan({str(DATA / 'astronaut.jpg')!r}); "
        "assert 'onnxruntime' in sys.modules; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100, env=env)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_written_to_during_its_scan_has_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes((DATA / "astronaut.jpg").read_bytes())

    class Disturbed(Detector):
        def find_faces(
            self, image: NDArray[np.uint8], at_least: float = 0.0, tiny: bool = True
        ) -> list[Face]:
            with path.open("ab") as file:
                file.write(b"more")
            return super().find_faces(image, at_least, tiny)

    result = Disturbed(evidence=True).scan(path)
    assert result.reason is Reason.UNREADABLE
    assert "changed while it was scanned: scan it again" in (result.message or "")
    assert Disturbed().scan(path).reason is None, "without a hash nothing is claimed about the bytes"
