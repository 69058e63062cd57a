"""The pipeline that dfdetect's speed is compared with, as peers build it: one program, from start to exit.

OpenCV reads, facenet-pytorch's MTCNN with its defaults finds faces, timm's EfficientNet-Lite0 in torch scores
crops of 224 pixels, and the mean of the scores is the answer.  The network's weights are random: what it says
means nothing, what it costs is what counts.  It is spared what can be spared: no frame is converted that is
not looked at, it jumps where jumping is quicker, and the crops of a file go through the network together.

``python -m dfdetect.evaluate.bench_reference FILE… --frames 16``
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MissingExtraError

Image = NDArray[np.uint8]

_PACKAGES = ("torch", "torchvision", "timm", "facenet_pytorch")
_SIDE = 224
_MARGIN = 0.3
"""Of a face's width and height around it, on both sides together: usual among peers."""
_FAR = 250
"""Frames between two wanted ones from which a jump is quicker: x264's largest distance of key pictures."""


def check_reference() -> None:
    """Raise `MissingExtraError` that says what to install when the reference cannot run."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f'the reference needs {", ".join(missing)}; run: pip install "dfdetect[train]", '
            "or leave out --reference"
        )


def describe_reference() -> str:
    """Its parts with their versions."""
    versions = {name: importlib.metadata.version(name.replace("_", "-")) for name in _PACKAGES}
    return (
        f"cv2 {cv2.__version__}, MTCNN of facenet-pytorch {versions['facenet_pytorch']}, EfficientNet-Lite0 "
        f"of timm {versions['timm']}, torch {versions['torch']}"
    )


class Reference:
    """Networks loaded, ready for files."""

    def __init__(self, threads: int = 0) -> None:
        """`threads` 0 leaves torch's own choice."""
        import torch

        from dfdetect.faces.torchvision_nms import ensure_torchvision

        ensure_torchvision()
        import timm
        from facenet_pytorch import MTCNN

        if threads:
            torch.set_num_threads(threads)
        self._torch: Any = torch
        self._finder = MTCNN(keep_all=True)
        self._network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1).eval()

    def score(self, path: str, frames: int) -> tuple[float | None, int]:
        """Mean score of a photo or a video, 0–1 (None without a face), and the number of faces."""
        crops = [crop for picture in read(path, frames) for crop in self._faces(picture)]
        if not crops:
            return None, 0
        torch = self._torch
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)
        with torch.no_grad():
            return float(torch.sigmoid(self._network(batch)).mean()), len(crops)

    def _faces(self, picture: Image) -> Iterator[Image]:
        boxes, _ = self._finder.detect(picture)
        for x0, y0, x1, y1 in () if boxes is None else boxes:
            dx, dy = (x1 - x0) * _MARGIN / 2, (y1 - y0) * _MARGIN / 2
            left, top = max(0, round(x0 - dx)), max(0, round(y0 - dy))
            crop = picture[top : round(y1 + dy), left : round(x1 + dx)]
            if crop.size:
                yield np.asarray(cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def read(path: str, frames: int) -> Iterator[Image]:
    """A photo, or `frames` pictures of a video, evenly chosen, in RGB ``[h, w, 3]``."""
    photo = cv2.imread(path)
    if photo is not None:
        yield np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2RGB), np.uint8)
        return
    video = cv2.VideoCapture(path)
    try:
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        place = 0
        for wanted in sorted({int((i + 0.5) * count / frames) for i in range(frames)}):
            if wanted - place > _FAR:
                video.set(cv2.CAP_PROP_POS_FRAMES, wanted)
                place = wanted
            while place <= wanted and video.grab():
                place += 1
            done, picture = video.retrieve()
            if done:
                yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        video.release()


def main(words: Sequence[str] | None = None) -> None:
    """Score files and folders, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0)
    chosen = parser.parse_args(words)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here needs a network; nothing shall try
    reference = Reference(chosen.threads)
    for path in chosen.paths:
        names = [path]
        if os.path.isdir(path):
            names = sorted(os.path.join(path, name) for name in os.listdir(path))
        for name in names:
            score, faces = reference.score(name, chosen.frames)
            print(f"{name}\t{faces}\t{score}")


if __name__ == "__main__":
    main()
