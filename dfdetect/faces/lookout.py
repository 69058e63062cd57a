"""How closely to look at each frame of a video for faces.

Searching 1080p for the smallest faces of use takes twice as long as searching it for those that are half as
large as a face of 170 px (77 against 36 ms on one thread).  So every fourth frame, and every one that shows
another scene, is searched in full; those between them are searched for faces of at least half the smallest
size that the last full search has found, and in full as soon as anybody is missing.

Where nobody has been found, a full search goes on to faces that lie on their side, and then to those that are
too small to be judged.  The last is half of the work and no more than a reason for not judging: it is done in
every fourth frame only.  Beside upright faces that are small in the picture it looks for a large one on its
side as well; while that one is known every frame is searched in full, since nothing less shows it.
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

    `find` is `FaceDetector.detect`.
    """

    def __init__(self, find: Callable[[Image, float, bool], list[Face]], saving_from: float) -> None:
        """`saving_from`: size in pixels from which on a coarser search is a cheaper one."""
        self._find, self._saving_from = find, saving_from
        self._since = EVERY
        self._scene: NDArray[np.float32] | None = None
        self._known: list[Face] = []

    def look(self, image: Image) -> list[Face]:
        """The faces of the next frame, an RGB picture ``[h, w, 3]``, largest first."""
        before, self._scene = self._scene, scene(image)
        cut = before is None or float(np.abs(self._scene - before).mean()) > _CUT
        if self._since < EVERY - 1:
            if not self._known:
                return self._glanced(image)
            faces = [] if cut else self._compared(image)
            if len(faces) >= len(self._known):
                self._since += 1
                return faces
        self._known = self._find(image, 0.0, True)
        self._since = 0
        return self._known

    def _glanced(self, image: Image) -> list[Face]:
        """Faces that can be judged where nobody is known."""
        self._known = self._find(image, 0.0, False)
        self._since = 0 if self._known else self._since + 1
        return self._known

    def _compared(self, image: Image) -> list[Face]:
        """Faces of about the size of those known; none where looking for them saves nothing."""
        smallest = min(max(face.box.width, face.box.height) for face in self._known)
        least = _SHARE * smallest
        return self._find(image, least, False) if least >= self._saving_from else []
