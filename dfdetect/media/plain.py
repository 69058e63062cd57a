"""Pictures in files that we wrote or prepared ourselves, by OpenCV.

Only their bytes pass through it: on Windows it takes no file names beyond the system's own code page.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_picture_file(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """RGB ``[h, w, 3]``; raises `OSError` when the file cannot be read or is no picture."""
    import cv2

    data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise OSError(f"cannot read {path}")
    return np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8)


def write_jpeg_file(path: str | os.PathLike[str], image: NDArray[Any], quality: int) -> None:
    """Write RGB uint8 ``[h, w, 3]``; raises `OSError` when it cannot be written, as on a full disk."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), options)
    if not done:
        raise OSError(f"cannot write {path}: OpenCV cannot make a JPEG of it")
    Path(path).write_bytes(data.tobytes())
