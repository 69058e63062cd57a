"""Where to look for faces: large ones first and upright, and harder only where nothing was found.

MTCNN's cost goes with the inverse square of the smallest face searched for, and it misses faces that lie on
their side.  So a picture is first searched for faces that are large enough to be judged; only when there is
none, for rolled faces and then for tiny ones, so that *no face* and *too small* can be told apart.  Where the
upright faces are small, a large rolled one is searched for as well: it may be what the picture shows, and
they a passer-by or the little portrait of who posted it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.levels import FACTOR
from dfdetect.faces.pooling import divided
from dfdetect.faces.turns import turn_back, turned, turns_to_upright
from dfdetect.results import Box, Face, ModelStamp

if TYPE_CHECKING:
    from dfdetect.settings import Settings

Image = NDArray[np.uint8]

# Measured on 1,159 frames of the development media: from .95 on, what is large is a face; hands, blossoms and
# lights that are taken for small faces reach .97.  Nothing that was a face lay between .8 and .95.
_SURE, _SURE_SMALL, _SMALL = 0.95, 0.975, 96
_SHARE_OF_MIN = 0.8  # somewhat smaller faces are found as well, so that who decides sees them
_USUAL = _SHARE_OF_MIN * 40  # pixels: what models are calibrated with, the default of `Settings.min_face`

# Below, an upright face may be one on its head or side, of which the networks are less sure; the last one is
# surest in the right turn.  Of 692 upright faces of the development media 69 lie below, and none is turned.
# Of turned ones MTCNN takes 18 % (of 851) for another turn, and after this look 2 to 3 % (of 687) are left.
_UPRIGHT, _UPRIGHT_BY = 0.999, 0.5
_BARELY = 0.01  # by which it may be less sure of the other turn in the end
_SURE_ROLLED = 0.98  # turned pictures are looked at three times as often, and seldom hold a face

# Beside upright faces a rolled one counts only if it touches none of them, has so many times the side of the
# largest and is this sure, and is searched for only where that one has at most this share of the short side
# and where there are few: a group is what its picture shows.
# Of 326 photos and 343 frames of 184 videos 2 and 25 are searched so; none got a false face.
_CLEARLY_LARGER, _SURE_BESIDE, _ROOM, _FEW = 1.25, 0.99, 1 / 5, 3

_TINY = 14  # pixels: below, MTCNN finds nothing reliable
_MOST_PIXELS = 8_000_000  # larger pictures are shrunk to this before anything else
# Most pixels of the pyramid's finest level: bounds the time of one search whatever the picture's size.
_SEARCH_PIXELS = 3_000_000
_TINY_PIXELS = 1_200_000
# A rolled face is searched for only down to this share of the short side: three searches must stay cheap.
_ROLLED_SHARE = 1 / 12
_ROLLED_SIDE = 48  # pixels of a rolled face that are enough; larger pictures are halved, or more, before


class FaceDetector(Protocol):
    """Finds faces in one picture."""

    @property
    def stamp(self) -> ModelStamp:
        """Which networks it runs."""

    def detect(self, image: Image, at_least: float = 0.0, tiny: bool = True) -> list[Face]:
        """All faces of an RGB picture ``[h, w, 3]``, largest first, in pixels of that picture.

        Two things save time: faces below `at_least` pixels, and with it any that do not stand upright, may be
        left out; and without `tiny` those that are too small to be judged.
        """
        ...


class Searcher(Protocol):
    """One search at one scale: `dfdetect.faces.mtcnn.Mtcnn`, or the reference."""

    stamp: ModelStamp

    def detect(self, image: Image, min_size: float) -> list[Face]:
        """Faces of at least `min_size` pixels."""
        ...

    def in_every_turn(self, image: Image, face: Face) -> list[Face]:
        """A face looked at once more in the picture turned by ``numpy.rot90`` 0 to 3 times, in this order, or
        none: what it may be in pixels of the unturned one.
        """
        ...


def create_detector(settings: Settings) -> FaceDetector:
    """The detector that `settings` asks for, its networks loaded.

    Raises `ModelError` when the shipped networks are damaged, `MissingExtraError` when the reference detector
    is asked for and not installed.
    """
    searcher: Searcher
    if settings.detector == "facenet-pytorch":
        from dfdetect.faces.reference import FacenetMtcnn

        searcher = FacenetMtcnn(settings.threads, settings.device)
    else:
        from dfdetect.faces.mtcnn import Mtcnn

        searcher = Mtcnn(settings.threads)
    return PatientDetector(searcher, settings.min_face)


class PatientDetector:
    """Searches upright, then rolled, then for tiny faces, and stops as soon as it has found any.

    Upright faces that are small in the picture do not stop it from searching for a larger rolled one.

    `min_face` is the height in pixels of the smallest face that is of use; somewhat smaller ones are
    still found at once, so that the one who decides sees them.  The levels are those of the default for any
    `min_face`, fewer or more of them, so that the others get the same boxes, or nearly.
    """

    def __init__(self, searcher: Searcher, min_face: int) -> None:
        self._searcher = searcher
        self._min_size = _SHARE_OF_MIN * min_face

    @property
    def stamp(self) -> ModelStamp:
        """Which networks it runs."""
        return self._searcher.stamp

    def detect(self, image: Image, at_least: float = 0.0, tiny: bool = True) -> list[Face]:
        """All faces of an RGB picture ``[h, w, 3]``, largest first, in pixels of that picture.

        Landmarks are in the order of the upright face, also where the face lies on its side.  With `at_least`
        only upright faces of that many pixels are searched for.
        """
        shrunk, scale = _shrink(image)
        min_size = max(self._min_size * scale, _TINY)
        usual = _affordable(shrunk, max(_USUAL * scale, _TINY), _SEARCH_PIXELS)
        least = _level_for(min_size, usual)
        while least < _affordable(shrunk, _TINY, _SEARCH_PIXELS):  # the usual one never is
            least /= FACTOR
        coarse = at_least * scale >= least / FACTOR
        if coarse:
            least = _level_for(at_least * scale, least)
        faces = self._search(shrunk, least)
        if not coarse:
            rolled_size = max(min_size, min(shrunk.shape[:2]) * _ROLLED_SHARE)
            faces = self._search_rolled(shrunk, rolled_size, faces) + faces
            smallest = _affordable(shrunk, _TINY, _TINY_PIXELS)
            if not faces and tiny and smallest < least:
                faces = self._search(shrunk, smallest)
        faces = [self._as_it_stands(shrunk, face) for face in faces]
        faces.sort(key=lambda f: -f.box.width * f.box.height)
        return faces if scale == 1.0 else [_scaled(f, 1 / scale) for f in faces]

    def _as_it_stands(self, image: Image, face: Face) -> Face:
        """The face, or what it is in the turn in which it looks most like one."""
        turns = turns_to_upright(face.landmarks)
        if turns == 0 and face.probability >= _UPRIGHT:
            return face
        views = self._searcher.in_every_turn(image, face)
        if not views:
            return face
        likes = [_logit(view.probability) for view in views]
        likes[turns] = max(likes[turns], _logit(face.probability))
        likes[0] += _UPRIGHT_BY
        best = int(np.argmax(likes))
        if best == turns:
            return face
        # Once more, for its window was that of another turn; what was seen by chance is gone then.
        again = self._searcher.in_every_turn(image, views[best])
        least = max(_SURE, face.probability - _BARELY)
        return again[best] if again and again[best].probability >= least else face

    def _search(self, image: Image, min_size: float) -> list[Face]:
        return [f for f in self._searcher.detect(image, min_size) if _is_sure(f)]

    def _search_rolled(self, image: Image, min_size: float, upright: Sequence[Face]) -> list[Face]:
        """Faces of the turn (by 90, 270 or 180 degrees) that shows the largest one.

        Beside `upright` faces only those that are clearly larger, and touch none of them.
        """
        largest, short = max(map(_side, upright), default=0.0), min(image.shape[:2])
        min_size = max(min_size, _CLEARLY_LARGER * largest)
        if min_size > short or largest > _ROOM * short or len(upright) > _FEW:
            return []
        factor = int(min_size / _ROLLED_SIDE)
        if factor > 1:
            upright = [_scaled(f, 1 / factor) for f in upright]
            faces = self._search_rolled(divided(image, factor), min_size / factor, upright)
            return [_scaled(f, factor) for f in faces]
        sure = _SURE_BESIDE if upright else _SURE_ROLLED
        best: list[Face] = []
        for turns in (1, 3, 2):
            view = turned(image, turns)
            least = _affordable(view, min_size, _SEARCH_PIXELS)
            found = [f for f in self._search(view, least) if f.probability >= sure]
            faces = [turn_back(f, turns, image.shape[0], image.shape[1]) for f in found]
            faces = [f for f in faces if all(_stands_out(f, other) for other in upright)]
            if faces and (not best or _largest(faces) > _largest(best)):
                best = faces
        return best


def saving_from(min_face: int) -> float:
    """Size in pixels from which on a detector of this `min_face` saves time when asked for no less."""
    return _SHARE_OF_MIN * min_face / FACTOR


def _level_for(size: float, known: float) -> float:
    """The smallest face of the level that is needed to find one of `size`; `known` is that of a level."""
    return known * FACTOR ** -math.floor(math.log(size / known) / -math.log(FACTOR))


def _affordable(image: Image, min_size: float, most_pixels: int) -> float:
    """The smallest size to search for, so that no level of the pyramid has more than `most_pixels`."""
    return max(min_size, 12 * math.sqrt(image.shape[0] * image.shape[1] / most_pixels))


def _scaled(face: Face, factor: float) -> Face:
    box = Box(*(v * factor for v in face.box))
    return Face(box, (face.landmarks * factor).astype(np.float32), face.probability)


def _logit(probability: float) -> float:
    probability = min(max(probability, 1e-7), 1 - 1e-7)
    return math.log(probability / (1 - probability))


def _is_sure(face: Face) -> bool:
    return face.probability >= (_SURE if face.box.height >= _SMALL else _SURE_SMALL)


def _stands_out(face: Face, other: Face) -> bool:
    """Whether it is clearly larger than the other one, and does not touch it."""
    a, b = face.box, other.box
    apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
    return apart and _side(face) >= _CLEARLY_LARGER * _side(other)


def _side(face: Face) -> float:
    """Of the square that is as large as its box, however it is turned."""
    return math.sqrt(face.box.width * face.box.height)


def _largest(faces: list[Face]) -> float:
    return max(f.box.width * f.box.height * f.probability for f in faces)


def _shrink(image: Image) -> tuple[Image, float]:
    """The picture, at most `_MOST_PIXELS` large, and by how much it was shrunk."""
    height, width = image.shape[:2]
    scale = math.sqrt(_MOST_PIXELS / max(height * width, 1))
    if scale >= 1.0:
        return image, 1.0
    import cv2

    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale
