"""The reference face detector: facenet-pytorch's own MTCNN, on torch.

Slower than `dfdetect.faces.mtcnn`, and needs torch; for comparison, and for those who have a GPU at hand.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MissingExtraError
from dfdetect.results import Box, Face, ModelStamp
from dfdetect.torch_threads import torch_threads

_PACKAGES = ("torch", "torchvision", "facenet_pytorch")


def check_installed() -> None:
    """Raise `MissingExtraError` where a package of this detector is not installed; imports none of them."""
    for name in _PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise _missing(name)


class FacenetMtcnn:
    """``facenet_pytorch.MTCNN(keep_all=True)`` with its default thresholds.

    `threads` 0 leaves torch's own choice; a number holds while faces are looked for (see `torch_threads`).
    Raises `MissingExtraError` where torch, torchvision or facenet-pytorch is not installed.
    """

    def __init__(self, threads: int = 0, device: str = "cpu") -> None:
        try:
            import torch

            from dfdetect.faces.torchvision_nms import ensure_torchvision

            ensure_torchvision()
            from facenet_pytorch import MTCNN
        except ImportError as error:
            raise _missing(error.name) from error
        self._threads = threads
        version = importlib.metadata.version("facenet-pytorch")
        self.stamp = ModelStamp("facenet-pytorch", version, {}, f"torch {torch.__version__} {device}")
        self._mtcnn = MTCNN(keep_all=True, device=torch.device(device))

    def detect(self, image: NDArray[np.uint8], min_size: float) -> list[Face]:
        """All faces of an RGB picture ``[h, w, 3]`` of at least `min_size` pixels, largest first."""
        if 12.0 / min_size * min(image.shape[:2]) < 12:
            return []  # no level in its pyramid: facenet-pytorch would raise
        self._mtcnn.min_face_size = min_size
        with torch_threads(self._threads):
            boxes, probabilities, landmarks = self._mtcnn.detect(image, landmarks=True)
        if boxes is None:
            return []
        return [
            Face(Box(*(float(v) for v in box)), np.asarray(points, np.float32), float(probability))
            for box, probability, points in zip(boxes, probabilities, landmarks, strict=True)
        ]

    def in_every_turn(self, image: NDArray[np.uint8], face: Face) -> list[Face]:
        """None: facenet-pytorch does not look at a face again."""
        return []


def _missing(name: str | None) -> MissingExtraError:
    return MissingExtraError(
        f"detector 'facenet-pytorch' needs a package that is not installed ({name}); "
        'run: pip install "dfdetect[torch]"'
    )
