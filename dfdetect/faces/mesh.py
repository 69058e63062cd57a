"""468 landmarks of a face by mediapipe's face mesh network, where five points are not enough.

The network (``face_landmark.onnx``) is not part of dfdetect: its path is given.  Training uses it to forge
faces; a scan does not need it.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import ModelError
from dfdetect.faces.crop import warp
from dfdetect.results import Face
from dfdetect.sessions import session_options

_SIDE = 192  # of the network's input
_ZOOM = 1.5  # side of the square it wants around a face, as a multiple of the box's longer side


class FaceMesh:
    """The network, loaded once.  Raises `ModelError` when `path` is not such a network."""

    def __init__(self, path: str | Path) -> None:
        import onnxruntime

        try:
            self._session = onnxruntime.InferenceSession(
                str(path), session_options(threads=1), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises many types, none of them public
            raise ModelError(f"the face mesh network {path} cannot be loaded: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].shape[1:] != [_SIDE, _SIDE, 3]:
            raise ModelError(
                f"{path} is not the face mesh network: its input must be [1, {_SIDE}, {_SIDE}, 3]"
            )
        self._input = inputs[0].name
        # The points are 468 x (x, y, z); the score is one number.
        sizes = {
            math.prod(int(n) for n in output.shape[1:]): output.name for output in self._session.get_outputs()
        }
        if 468 * 3 not in sizes or 1 not in sizes:
            raise ModelError(f"{path} is not the face mesh network: it must give 468 points and a score")
        self._outputs = [sizes[468 * 3], sizes[1]]

    def landmarks(self, image: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.float32], float]:
        """Points ``float32 [468, 2]`` in pixels of the RGB `image`, and a logit (> 0: a face is there)."""
        matrix = self.matrix(face)
        crop = warp(image, matrix, _SIDE).astype(np.float32) / 255
        points, score = self._session.run(self._outputs, {self._input: crop[None]})
        flat = points.reshape(468, 3)[:, :2].astype(np.float64)
        back = cv2.invertAffineTransform(matrix)
        return (flat @ back[:, :2].T + back[:, 2]).astype(np.float32), float(np.asarray(score).reshape(-1)[0])

    @staticmethod
    def matrix(face: Face) -> NDArray[np.float64]:
        """The similarity ``[2, 3]`` from frame to crop: 1.5 times the longer side of the box, eyes level."""
        box = face.box
        scale = _SIDE / max(_ZOOM * max(box.width, box.height), 1.0)
        across = face.landmarks[1].astype(np.float64) - face.landmarks[0]
        length = math.hypot(across[0], across[1])
        cos, sin = (across[0] / length, across[1] / length) if length > 1e-6 else (1.0, 0.0)
        turn = scale * np.array([[cos, sin], [-sin, cos]])
        centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
        return np.concatenate([turn, (_SIDE / 2 - turn @ centre)[:, None]], axis=1)
