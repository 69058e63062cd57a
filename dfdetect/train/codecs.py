"""Real codecs as damage, all in memory: what compression does to a face is not imitated but done."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import cast

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dfdetect.errors import SettingsError

Image = NDArray[np.uint8]

VIDEO_CODECS = {
    "h264": ("libx264", "h264"),
    "hevc": ("libx265", "hevc"),
    "mpeg4": ("mpeg4", "mpeg4"),
    "vp9": ("libvpx-vp9", "vp9"),
}
"""Name → encoder and decoder of FFmpeg."""
_MIN_SIDE = 32  # encoders refuse less


def through_picture(image: Image, suffix: str, quality: int, offset: tuple[int, int] = (0, 0)) -> Image:
    """Encode and decode RGB uint8 ``[h, w, 3]`` as ``.jpg`` or ``.webp`` (`quality` 1–100).

    `offset` (right, down; 0–15 px) is where the picture lies in the codec's grid of blocks.
    """
    padded = _padded(image, offset)
    if suffix == ".webp":  # Pillow, since OpenCV cannot ask libwebp for its quick methods
        store = io.BytesIO()
        PIL.Image.fromarray(padded).save(store, "webp", quality=quality, method=1)
        return _cut_back(np.asarray(PIL.Image.open(store).convert("RGB"), np.uint8), image, offset)
    data = cv2.imencode(suffix, padded[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if back is None:
        raise RuntimeError(f"OpenCV cannot read its own {suffix}")
    return _cut_back(np.asarray(back[..., ::-1], np.uint8), image, offset)


def through_video(
    image: Image,
    codec: str,
    quality: int,
    *,
    preset: str = "veryfast",
    frames: int = 2,
    motion: tuple[float, float] = (0.7, 0.3),
    offset: tuple[int, int] = (0, 0),
) -> Image:
    """Encode RGB uint8 ``[h, w, 3]`` as the last frame of a tiny video and decode it.

    The frames before it show the same picture shifted by multiples of `motion` (px right, px down), so
    that from the second on it is predicted from decoded ones, as nearly all frames of a video are.
    `quality` is the constant rate factor (h264, hevc: 0–51, vp9: 0–63) or the quantiser (mpeg4: 2–31);
    `preset` is x264's.  `offset` (0–15 px) is where the picture lies in the grid of macroblocks.
    Raises `SettingsError` when this build of PyAV lacks the codec.
    """
    import av

    encoder, decoder = VIDEO_CODECS[codec]
    padded = _padded(image, offset)
    height, width = padded.shape[:2]
    try:
        into = cast("av.VideoCodecContext", av.CodecContext.create(encoder, "w"))
        out = cast("av.VideoCodecContext", av.CodecContext.create(decoder, "r"))
    except (ValueError, av.FFmpegError) as error:
        raise SettingsError(
            f"this PyAV has no codec {encoder} or {decoder}; install the wheel from PyPI"
        ) from error
    into.width, into.height, into.pix_fmt = width, height, "yuv420p"
    into.time_base, into.framerate = Fraction(1, 25), Fraction(25)
    into.thread_count = out.thread_count = 1
    into.options = _options(codec, quality, preset)
    decoded: list[av.VideoFrame] = []
    for k in range(frames):
        back = k - frames + 1
        moved = _shifted(padded, motion[0] * back, motion[1] * back)
        planes = np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = k, Fraction(1, 25)
        for packet in into.encode(frame):
            if out.extradata is None and into.extradata:
                out.extradata = into.extradata
            decoded += out.decode(packet)
    for packet in into.encode(None):
        decoded += out.decode(packet)
    decoded += out.decode(None)
    last = cv2.cvtColor(decoded[-1].to_ndarray(), cv2.COLOR_YUV2RGB_I420)
    return _cut_back(np.asarray(last, np.uint8), image, offset)


def _options(codec: str, quality: int, preset: str) -> dict[str, str]:
    """No look-ahead and one thread: for three small frames everything else costs more than coding."""
    if codec == "h264":
        return {"preset": preset, "tune": "zerolatency", "crf": str(quality)}
    if codec == "hevc":
        quiet = "log-level=none:pools=none:frame-threads=1:wpp=0"
        return {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x265-params": f"{quiet}:crf={quality}",
        }
    if codec == "mpeg4":
        return {"qmin": str(quality), "qmax": str(quality), "b": "10M"}
    return {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": str(quality), "b": "0"}


def _padded(image: Image, offset: tuple[int, int]) -> Image:
    """Room for `offset` at the left and the top, then up to even sides of at least `_MIN_SIDE`."""
    height, width = image.shape[:2]
    left, top = offset
    right = max(_MIN_SIDE - left - width, (left + width) % 2)
    bottom = max(_MIN_SIDE - top - height, (top + height) % 2)
    if not (left or top or right or bottom):
        return image
    out = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)


def _cut_back(decoded: Image, image: Image, offset: tuple[int, int]) -> Image:
    left, top = offset
    return np.ascontiguousarray(decoded[top : top + image.shape[0], left : left + image.shape[1]])


def _shifted(image: Image, right: float, down: float) -> Image:
    if not (right or down):
        return image
    matrix = np.array([[1.0, 0.0, right], [0.0, 1.0, down]])
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)
