"""Forgeries of a part of the face: lip-sync and reenactment.

Each function is (image, landmarks, rng[, other, other_landmarks]) → (fake, mask), as in
`dfdetect.train.forge.blend`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.train.forge.blend import composite, match_colour
from dfdetect.train.forge.looks import generator_look, shrunk
from dfdetect.train.forge.masks import OVAL, FloatMap, box_mask, part_mask, softened
from dfdetect.train.forge.warps import draw_expression, lay_onto

Image = NDArray[np.uint8]
Points = NDArray[np.floating]


def expression_warp(image: Image, landmarks: Points, rng: np.random.Generator) -> tuple[Image, FloatMap]:
    """Another expression by a smooth warp that follows the landmarks, seen through a generator."""
    part = str(rng.choice(["face", "face", "face", "inner", "lower", "eyes"]))
    mask = part_mask(image.shape[:2], landmarks, part, rng)
    kind = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    warped = draw_expression(landmarks, rng).apply(image, kind)
    return composite(generator_look(warped, rng), image, mask), mask


def lip_redraw(image: Image, landmarks: Points, rng: np.random.Generator) -> tuple[Image, FloatMap]:
    """The person's own mouth in another position, drawn anew at a lip-sync network's resolution."""
    moved = draw_expression(landmarks, rng, mouth_only=True).apply(image)
    return _pasted(moved, image, landmarks, rng)


def mouth_swap(
    image: Image, landmarks: Points, rng: np.random.Generator, other: Image, other_landmarks: Points
) -> tuple[Image, FloatMap]:
    """The mouth of another face, or of another frame of this one, as lip-sync networks paste it.

    The other face is bent onto this one's jaw, cheeks and nose, matched in colour within the lower face,
    and what results is drawn anew in a box or a hull at low resolution.
    """
    bend = float(rng.uniform(0.6, 1.0))
    moved, inside = lay_onto(other, other_landmarks, landmarks, image.shape[:2], bend)
    part = "lower" if rng.random() < 0.6 else "mouth"
    hull = part_mask(image.shape[:2], landmarks, part, rng)
    moved = match_colour(moved, image, hull, float(rng.uniform(0.75, 1.0)))
    hull = softened(hull, 0.02 * float(np.ptp(np.asarray(landmarks)[:, 0]))) * inside
    return _pasted(composite(moved, image, hull), image, landmarks, rng, hull)


def _pasted(
    redrawn: Image,
    image: Image,
    landmarks: Points,
    rng: np.random.Generator,
    changed: FloatMap | None = None,
) -> tuple[Image, FloatMap]:
    """Take the mouth's region of `redrawn` through a small generator and put it into `image`, together
    with all that was `changed`: no network cuts through the lips it has drawn.

    Wav2Lip draws the whole face at 96 px and pastes the rectangle; later networks feather a box, an
    ellipse or the hull of the lower face.
    """
    face = np.asarray(landmarks, np.float32)[list(OVAL)]
    width = max(float(np.ptp(face[:, 0])), 16.0)
    pixels = float(rng.choice([64, 96, 96, 128, 160])) * rng.uniform(0.8, 1.1)
    if rng.random() < 0.75:
        drawn = shrunk(redrawn, rng, factor=min(pixels / width, 0.9))
    else:
        drawn = generator_look(redrawn, rng)
    if rng.random() < 0.4:
        drawn = np.asarray(cv2.GaussianBlur(drawn, (0, 0), rng.uniform(0.4, 1.0)), np.uint8)
    if rng.random() < 0.3:  # not quite this picture's colours
        drawn = np.clip(drawn + rng.uniform(-6, 6, 3).astype(np.float32), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        mask = box_mask(image.shape[:2], landmarks, rng)
    else:
        mask = part_mask(image.shape[:2], landmarks, str(rng.choice(["lower", "mouth"])), rng)
        mask = softened(mask, width * 0.01)
    if changed is not None:
        mask = np.maximum(mask, changed)
    return composite(drawn, image, mask), mask
