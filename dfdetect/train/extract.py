"""Cut training faces out of labelled media with the scan's own reading and face finding."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.evaluate.labelled import FAKE, REAL, Labelled, read_labels
from dfdetect.faces.detect import FaceDetector, create_detector
from dfdetect.media.plain import write_jpeg_file
from dfdetect.media.reader import open_media
from dfdetect.results import Face
from dfdetect.settings import Settings
from dfdetect.train.table import UNNAMED, write_faces

MARGIN = 1.6
"""Side of a stored crop as a multiple of the longer side of the face box."""
LONGEST = 256
"""Longest side of a stored crop in pixels."""
MIN_FACE = 48
"""Faces below this height in pixels say little and are not trained on."""


def extract(
    labels: str | Path, cache: Path, *, frames: int = 4, labelled: Sequence[Labelled] | None = None
) -> Path:
    """Make a crop folder (``faces.csv``, ``five.npz``, JPEGs) of the media in a ``labels.csv``.

    `labels` is read as ``dfdetect evaluate`` reads it (see `read_labels`): what one refuses, the other
    refuses too; `labelled` is what it holds, where it was read before.  Of each frame the largest face is
    taken.  A file that was done before, for as many frames, and still has its size and time is not done
    again.  Returns the folder, which `read_faces` takes.
    """
    labels = Path(labels)
    labelled = read_labels(labels) if labelled is None else labelled
    # A file is of a group that others name, as when fakes of it do.
    named = {item.group for item in labelled if item.grouped}
    key = hashlib.sha256(str(labels.resolve()).encode()).hexdigest()[:8]
    folder = cache / f"faces-{labels.parent.name}-{key}"
    (folder / "crops").mkdir(parents=True, exist_ok=True)
    settings = Settings(frames=frames, min_face=MIN_FACE)
    detector = create_detector(settings)
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(labelled):
        rows += _one_file(item, item.group not in named, folder, settings, detector)
        if number % 25 == 24:
            print(f"faces of {number + 1}/{len(labelled)} files: {len(rows)}", file=sys.stderr, flush=True)
    write_faces(folder, rows, [row["five"] for row in rows])
    return folder


def _one_file(
    item: Labelled, unnamed: bool, folder: Path, settings: Settings, detector: FaceDetector
) -> list[dict[str, Any]]:
    """Rows of one file.  Only what was found in its pixels is kept; what the table says is read anew."""
    try:
        key = _key(item, settings.frames)
    except OSError as error:
        print(f"{item.path}: {error.strerror or error}", file=sys.stderr)
        return []
    done = folder / "crops" / f"{key}.json"
    if done.exists():
        found = json.loads(done.read_text(encoding="utf-8"))
    else:
        try:
            found = _find(Path(item.path), key, folder, settings, detector)
        except MediaError as error:
            print(f"{item.path}: {error}", file=sys.stderr)
            return []
        part = done.with_suffix(".part")
        part.write_text(json.dumps(found), encoding="utf-8")
        os.replace(part, done)
    told = {
        "label": FAKE if item.fake else REAL,
        "family": "edit" if item.family == FAKE else item.family,  # what a fake without a family counts as
        "method": item.method,
        "source": item.source,
        "group": item.group,
        "pair": "",
        UNNAMED: "yes" if unnamed else "",
    }
    return [{**face, **told} for face in found]


def _key(item: Labelled, frames: int) -> str:
    """What the crops of a file are kept by: its name, its size and time, and how many frames were asked for.

    The name is the whole relative path: real/1.mp4 and fake/1.mp4 are two files.  Names of crops begin with
    the key, so that caches by the name of a face know those of a replaced file apart.
    """
    status = os.stat(item.path)
    text = json.dumps([item.name, status.st_size, status.st_mtime_ns, frames])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _find(
    path: Path, key: str, folder: Path, settings: Settings, detector: FaceDetector
) -> list[dict[str, Any]]:
    found = []
    with open_media(path, settings) as media:
        for frame in media.frames():
            faces = [f for f in detector.detect(frame.image) if f.box.height >= MIN_FACE]
            if not faces:
                continue
            picture, box, five = stored_crop(frame.image, faces[0])
            name = f"crops/{key}-{frame.index:03d}.jpg"
            write_jpeg_file(folder / name, picture, quality=95)
            corners = dict(zip(("x0", "y0", "x1", "y1"), box, strict=True))
            found.append({"file": name, "medium": str(media.kind), **corners, "five": five})
    return found


def stored_crop(
    image: NDArray[np.uint8], face: Face
) -> tuple[NDArray[np.uint8], list[float], list[list[float]]]:
    """The square of `MARGIN` around a face, clipped at the border, at most `LONGEST` px; with box and five
    landmarks in its pixels.
    """
    height, width = image.shape[:2]
    side = MARGIN * max(face.box.width, face.box.height)
    cx, cy = (face.box.x0 + face.box.x1) / 2, (face.box.y0 + face.box.y1) / 2
    x0, y0 = max(0, round(cx - side / 2)), max(0, round(cy - side / 2))
    x1, y1 = min(width, round(cx + side / 2)), min(height, round(cy + side / 2))
    part = image[y0:y1, x0:x1]
    scale = min(1.0, LONGEST / max(part.shape[:2]))
    if scale < 1.0:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    origin = np.array([x0, y0], np.float64)
    corners = (np.array(face.box, np.float64).reshape(2, 2) - origin) * scale
    five = (np.asarray(face.landmarks, np.float64) - origin) * scale
    return part, [round(float(v), 1) for v in corners.ravel()], np.round(five, 1).tolist()
