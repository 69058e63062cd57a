"""How closely to look at each frame of a video for faces.

Searching 1080p for the smallest faces of use takes twice as long as searching it for those that are half as
large as a face of 170 px (77 against 36 ms on one thread).  So every fourth frame, and every one that shows
another scene, is searched in full; those between them are searched for faces of at least half the smallest
size that the last full search has found, and in full as soon as anybody is missing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.appearance import scene
from dfdetect.results import Face

Image = NDArray[np.uint8]

EVERY = 4
"""One full search in so many frames: twice in the eight of the default, as often as a verdict needs."""
_SHARE = 0.5  # of the smallest known face
_CUT = 0.06  # mean change of the thumbnail from one frame to the next; a slow pan stays below, a cut seldom


class Lookout:
    """Finds the faces of the frames of one video, one after the other.

    `find` searches a picture for faces of at least so many pixels, 0 for all that are of use
    (see `FaceDetector.detect`).
    """

    def __init__(self, find: Callable[[Image, float], list[Face]], saving_from: float) -> None:
        """`saving_from`: size in pixels from which on a coarser search is a cheaper one."""
        self._find, self._saving_from = find, saving_from
        self._since = EVERY
        self._scene: NDArray[np.float32] | None = None
        self._known: list[Face] = []

    def look(self, image: Image) -> list[Face]:
        """The faces of the next frame, an RGB picture ``[h, w, 3]``, largest first."""
        before, self._scene = self._scene, scene(image)
        cut = before is None or float(np.abs(self._scene - before).mean()) > _CUT
        if self._since < EVERY - 1 and self._known and not cut:
            smallest = min(max(face.box.width, face.box.height) for face in self._known)
            least = _SHARE * smallest
            faces = self._find(image, least) if least >= self._saving_from else []
            if len(faces) >= len(self._known):
                self._since += 1
                return faces
        self._known = self._find(image, 0.0)
        self._since = 0
        return self._known
