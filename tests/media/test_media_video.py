import io
import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import (
    codes,
    corners,
    failing,
    numbered,
    quarters,
    read_number,
    read_video,
    turned,
    video,
)

from dfdetect.media.reader import open_media
from dfdetect.results import Reason
from dfdetect.settings import Settings

CODECS = [
    ("libx264", "mp4", "h264", "yuv420p"),
    ("libx264", "matroska", "h264", "yuv420p"),
    ("libx264", "mpegts", "h264", "yuv420p"),
    ("libx264", "h264", "h264", "yuv420p"),
    ("libx264", "avi", "h264", "yuv420p"),
    ("libx265", "mp4", "hevc", "yuv420p10le"),
    ("libsvtav1", "mp4", "av1", "yuv420p"),
    ("libvpx", "webm", "vp8", "yuv420p"),
    ("libvpx-vp9", "webm", "vp9", "yuv420p"),
    ("prores_ks", "mov", "prores", "yuv422p10le"),
    ("mpeg2video", "mpegts", "mpeg2video", "yuv420p"),
    ("mpeg2video", "mpeg", "mpeg2video", "yuv420p"),
    ("mpeg4", "mp4", "mpeg4", "yuv420p"),
    ("mjpeg", "avi", "mjpeg", "yuvj420p"),
]


@pytest.mark.parametrize(("encoder", "form", "codec", "pix_fmt"), CODECS)
def test_codecs_and_containers(encoder, form, codec, pix_fmt):
    try:
        av.Codec(encoder, "w")
    except Exception:
        pytest.skip(f"no encoder {encoder} here")
    data = video(numbered(40), codec=encoder, form=form, pix_fmt=pix_fmt)
    frames, info = read_video(data, frames=8)
    assert info.codec == codec
    assert info.duration == pytest.approx(1.6, abs=0.05)
    assert info.frame_rate == pytest.approx(25, rel=0.05)
    assert [read_number(frame.image) for frame in frames] == [2, 7, 12, 17, 22, 27, 32, 37]
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(2, 40, 5)], abs=0.002)
    assert codes(info) == []
    everything, _ = read_video(data, frames=999)
    assert [read_number(frame.image) for frame in everything] == list(range(40))


@settings(max_examples=25, deadline=10_000)
@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 20), st.integers(0, 3), st.sampled_from([1, 3]))
def test_the_pictures_are_those_of_their_times(count, gop, wanted, b_frames, threads):
    data = video(numbered(count), gop=gop, options={"bf": str(b_frames), "preset": "ultrafast"})
    frames, _ = read_video(data, frames=wanted, threads=threads)
    assert len(frames) == min(count, wanted)
    for frame in frames:
        assert read_number(frame.image) == round(frame.time * 25)


def test_variable_frame_rate_goes_by_presentation_time():
    pts = [*range(0, 1000, 40), *range(1000, 5000, 200)]
    frames, info = read_video(video(numbered(len(pts)), form="matroska", pts=pts), frames=10)
    assert info.duration == pytest.approx(5.0, abs=0.2)
    for frame in frames:
        assert frame.time * 1000 == pytest.approx(pts[read_number(frame.image)], abs=1)
    assert np.diff([frame.time for frame in frames]) == pytest.approx(np.full(9, 0.5), abs=0.21)


def test_times_count_from_the_first_picture():
    pts = [3000 + 40 * n for n in range(20)]
    for form in ("matroska", "mp4", "mpegts"):
        frames, info = read_video(video(numbered(20), form=form, pts=pts), frames=99)
        assert frames[0].time == 0
        assert [read_number(frame.image) for frame in frames] == list(range(20))
        assert info.duration == pytest.approx(0.8, abs=0.05)


def with_sound(path: Path, form: str, late: float) -> bytes:
    """A second of pictures that begin `late` seconds after the sound."""
    with av.open(str(path), "w", format=form) as container:
        pictures, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=44100)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        tone = np.sin(np.arange(int(44100 * (late + 1))) / 20).astype(np.float32)[None]
        samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        samples.sample_rate, samples.pts = 44100, 0
        container.mux([*sound.encode(samples), *sound.encode(None)])
        for number, picture in enumerate(numbered(25)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(late * 25) + number, Fraction(1, 25)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts"])
def test_a_picture_that_begins_late_is_told_since_times_count_from_it(form, tmp_path):
    data = with_sound(tmp_path / "late", form, 5.0)
    frames, info = read_video(data)
    assert frames[0].time == pytest.approx(0.0, abs=0.1)
    told = "The picture begins 5.0 s into the file; times count from there."
    assert [tuple(note) for note in info.notes] == [("late_start", told)]
    error = failing(data, start=5.0)
    assert error.reason is Reason.NO_PICTURE
    assert error.message.endswith("earlier start (times count from the first picture, 5.0 s into the file)")


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts"])
def test_a_picture_that_begins_with_the_sound_or_little_later_is_not_told(form, tmp_path):
    for late in (0.0, 0.2):
        data = with_sound(tmp_path / "late", form, late)
        assert codes(read_video(data)[1]) == []
        assert failing(data, start=5.0).message.endswith("choose an earlier start")


def test_window_and_rate():
    data = video(numbered(100), gop=20)
    frames, _ = read_video(data, start=2.0, end=3.0, frames=4)
    assert [read_number(frame.image) for frame in frames] == [53, 59, 65, 71]
    frames, _ = read_video(data, fps=2)
    assert [read_number(frame.image) for frame in frames] == [6, 18, 31, 43, 56, 68, 81, 93]
    frames, _ = read_video(data, end=0.01)
    assert [read_number(frame.image) for frame in frames] == [0]
    error = failing(data, start=50.0)
    assert error.reason is Reason.NO_PICTURE
    assert "4.00 s" in error.message


def test_one_picture():
    frames, info = read_video(video(numbered(1)))
    assert len(frames) == 1
    assert info.duration == pytest.approx(0.04)


MATRICES = {
    "upright": (1, 0, 0, 1),
    "90": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "flipped": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transverse": (0, -1, -1, 0),
}


@pytest.mark.parametrize("name", MATRICES)
def test_display_matrix_turns_upright(name):
    a, b, c, d = MATRICES[name]
    upright = quarters(96, 64) if b == 0 else quarters(64, 96)
    # What is stored is the upright picture under the inverse (here: transposed) matrix.
    height, width = upright.shape[:2]
    stored_size = (96, 64)
    y, x = np.mgrid[0:64, 0:96]
    far = (
        a * (stored_size[0] - 1),
        c * (stored_size[1] - 1),
        b * (stored_size[0] - 1),
        d * (stored_size[1] - 1),
    )
    to_x = a * x + c * y - min(0, far[0]) - min(0, far[1])
    to_y = b * x + d * y - min(0, far[2]) - min(0, far[3])
    stored = np.ascontiguousarray(upright[to_y, to_x])
    frames, info = read_video(turned(video([stored] * 3), (a, b, c, d)))
    assert corners(frames[0].image) == ["red", "green", "blue", "white"]
    assert (info.width, info.height) == (width, height)
    if name in ("90", "180", "270"):
        assert info.rotation == int(name)
        # The stored picture turned clockwise by as much, as seen by a plain decoder.
        with av.open(io.BytesIO(video([stored] * 3))) as plain:
            raw = next(plain.decode(video=0)).to_ndarray(format="rgb24")
        assert np.array_equal(frames[0].image, np.rot90(raw, -info.rotation // 90))


def test_tags_that_are_no_utf_8_do_not_matter(tmp_path: Path):
    path = tmp_path / "tagged.mkv"
    with av.open(str(path), "w") as target:
        target.metadata["title"] = "Gruesse aus Muenchen"
        stream = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 320, 240
        for picture in numbered(3):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        target.mux(stream.encode(None))
    data = path.read_bytes().replace(b"Gruesse aus Muenchen", b"Gr\xfc\xdfe aus M\xfcnchen   ")
    assert b"\xfc\xdf" in data
    frames, info = read_video(data)
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2]
    assert codes(info) == []


def test_odd_sizes():
    frames, info = read_video(video(itertools.repeat(quarters(97, 63), 3), pix_fmt="yuv444p"))
    assert (info.width, info.height) == (97, 63)
    assert corners(frames[0].image) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize(("sar", "size"), [("2/1", (192, 64)), ("1/2", (96, 128)), ("10/11", (96, 70))])
def test_anamorphic_pictures_get_square_pixels(sar, size):
    frames, info = read_video(video([quarters()] * 3, options={"x264-params": f"sar={sar}"}))
    assert (info.width, info.height) == size
    assert corners(frames[0].image) == ["red", "green", "blue", "white"]


def test_the_size_with_square_pixels_counts():
    wide = video([quarters()] * 3, options={"x264-params": "sar=8/1"})
    error = failing(wide, max_pixels=8 * 96 * 64 - 1)
    assert error.reason is Reason.TOO_LARGE
    assert "768x64" in error.message
    read_video(wide, max_pixels=8 * 96 * 64)


def combed_pictures(count: int) -> list[np.ndarray]:
    pictures = []
    for number in range(count):
        picture = np.full((96, 128, 3), 60, np.uint8)
        picture[::2, 8 + 8 * number : 40 + 8 * number] = 220
        picture[1::2, 12 + 8 * number : 44 + 8 * number] = 220
        pictures.append(picture)
    return pictures


def test_interlaced_pictures_lose_their_combs():
    options = {"flags": "+ildct+ilme", "q": "2"}
    frames, info = read_video(video(combed_pictures(8), codec="mpeg2video", form="mpeg", options=options))
    assert codes(info) == ["interlaced"]
    for frame in frames:
        grey = frame.image[8:-8, :, 1].astype(int)
        assert np.abs(np.diff(grey, axis=0)).max() < 60
        assert grey.shape[0] == 80
        assert (grey[40] > 150).sum() == pytest.approx(32, abs=4)
    _, info = read_video(video(combed_pictures(8), codec="mpeg2video", form="mpeg", options={"q": "2"}))
    assert codes(info) == []


def test_interlaced_by_flag_only_keeps_its_detail():
    lines = np.repeat((np.arange(96) // 2 % 2 * 160 + 40).astype(np.uint8)[:, None], 128, 1)
    picture = np.repeat(lines[..., None], 3, 2)
    data = video([picture] * 4, codec="mpeg2video", form="mpeg", options={"flags": "+ildct+ilme", "q": "2"})
    frames, info = read_video(data)
    assert codes(info) == ["interlaced"]
    assert np.abs(frames[0].image.astype(int) - picture).mean() < 12


def test_high_dynamic_range_is_mapped():
    try:
        av.Codec("libx265", "w")
    except Exception:
        pytest.skip("no HEVC encoder here")
    params = "transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc:log-level=none"
    # Code 148 of 255 is 203 cd/m² in PQ: the white of paper.  Code 100 of 255 is 30 cd/m².
    grey = [np.full((64, 64, 3), value, np.uint8) for value in (148, 100, 0)]
    frames, info = read_video(
        video(grey, codec="libx265", pix_fmt="yuv420p10le", options={"x265-params": params}, gop=1)
    )
    assert codes(info) == ["hdr"]
    levels = [int(frame.image[32, 32].mean()) for frame in frames]
    assert levels[0] == pytest.approx(241, abs=6)
    assert levels[1] == pytest.approx(107, abs=6)
    assert levels[2] <= 2


@pytest.mark.parametrize(
    ("matrix", "pix_fmt", "colour"),
    [
        ("", "yuv420p", (253, 0, 0)),  # BT.601, limited range: what small pictures without marks mean
        ("bt709", "yuv420p", (255, 23, 0)),
        ("", "yuvj420p", (238, 14, 13)),
        ("bt709", "yuvj420p", (255, 35, 10)),
    ],
)
def test_colour_matrix_and_range(matrix, pix_fmt, colour):
    flat = np.concatenate([np.full(4096, 81), np.full(1024, 90), np.full(1024, 240)]).astype(np.uint8)
    options = {"x264-params": f"colormatrix={matrix}"} if matrix else {}
    frames, _ = read_video(flat_video(flat.reshape(96, 64), pix_fmt, options))
    assert np.abs(frames[0].image[32, 32].astype(int) - colour).max() <= 4


def flat_video(planes: np.ndarray, pix_fmt: str, options: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width = planes.shape[0] * 2 // 3, planes.shape[1]
        stream.pix_fmt = pix_fmt
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format=pix_fmt)))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def test_large_pictures_without_marks_are_high_definition():
    flat = np.concatenate([np.full(1280 * 720, 81), np.full(640 * 360, 90), np.full(640 * 360, 240)])
    planes = flat.astype(np.uint8).reshape(1080, 1280)
    frames, _ = read_video(flat_video(planes, "yuv420p", {"preset": "ultrafast"}))
    assert np.abs(frames[0].image[360, 640].astype(int) - (255, 23, 0)).max() <= 4  # BT.709


def test_alpha_is_laid_on_grey():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mov") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "argb"
        picture = np.full((64, 64, 4), 255, np.uint8)
        picture[:, 32:, 0] = 0  # alpha comes first
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="argb")))
        container.mux(stream.encode(None))
    frames, _ = read_video(buffer.getvalue())
    assert (frames[0].image[:, :32] == 255).all()
    assert (frames[0].image[:, 32:] == 128).all()


def test_the_same_file_gives_the_same_frames(tmp_path: Path):
    data = video(numbered(80))
    (tmp_path / "clip.txt").write_bytes(data)
    runs = [
        read_video(source, frames=7, threads=n)
        for source, n in ((data, 1), (tmp_path / "clip.txt", 4), (data, 2))
    ]
    for frames, info in runs[1:]:
        assert [f.time for f in frames] == [f.time for f in runs[0][0]]
        assert all(np.array_equal(f.image, g.image) for f, g in zip(frames, runs[0][0], strict=True))
        assert info.duration == runs[0][1].duration


def test_frames_may_be_read_again_and_left_early():
    with open_media(video(numbered(50)), Settings(frames=5)) as media:
        first = [frame.time for frame in itertools.islice(media.frames(), 2)]
        assert [frame.time for frame in media.frames()][:2] == first
        assert media.info.frames_sampled == 5
    media.close()
