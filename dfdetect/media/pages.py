"""How many pictures the format of a still file counts: pages of a TIFF, what others have beside the first."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from dfdetect.media.following import MOST_FOLLOWED

if TYPE_CHECKING:
    from PIL.Image import Image

    from dfdetect.media.source import Source

MOST_PAGES = MOST_FOLLOWED
"""Pages are counted no further, so that a chain without end costs nothing."""
# Not JPEG, whose index counts previews too (see `following`), PSD, whose layers make up one picture, nor ICO,
# which holds one picture in several sizes.
_COUNTED_BY_PILLOW = frozenset({"avif", "heic"})


def count_pages(image: Image, container: str, source: Source) -> int:
    """Pictures in the file that `image` was opened from, 1 where the format does not tell."""
    if container == "tiff":
        return _tiff_pages(source)
    return int(getattr(image, "n_frames", 1)) if container in _COUNTED_BY_PILLOW else 1


def _tiff_pages(source: Source) -> int:
    """Follows the chain of directories, one a page; Pillow would parse each of them to count."""
    seen: set[int] = set()
    with suppress(OSError), source.open() as file:  # the picture itself may still be readable
        head = file.read(16)
        order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        large = int.from_bytes(head[2:4], order) == 43  # BigTIFF
        count_bytes, entry_bytes, next_bytes = (8, 20, 8) if large else (2, 12, 4)
        at = int.from_bytes(head[8:16] if large else head[4:8], order)
        while 0 < at < source.size and at not in seen and len(seen) < MOST_PAGES:
            seen.add(at)
            file.seek(at)
            entries = int.from_bytes(file.read(count_bytes), order)
            file.seek(at + count_bytes + entries * entry_bytes)
            at = int.from_bytes(file.read(next_bytes), order)
    return len(seen)
