"""Text for pictures: the font that Pillow brings along, so that it looks the same everywhere."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import ImageDraw

_LIKE = str.maketrans({"–": "-", "—": "-", "−": "-", "×": "x", "’": "'", "‘": "'", "“": '"', "”": '"'})


def plain_letters(text: str) -> str:
    """The text in letters that the font has: ASCII, ``·`` and ``…``; accents go, the rest becomes ``?``."""
    folded = unicodedata.normalize("NFKD", text.translate(_LIKE).replace("…", "\0").replace("·", "\1"))
    kept = (c for c in folded if not unicodedata.combining(c))
    ascii_only = "".join(c if " " <= c <= "~" or c in "\0\1" else "?" for c in kept)
    return ascii_only.replace("\0", "…").replace("\1", "·")


@lru_cache(maxsize=16)
def font(pixels: int) -> Any:
    """The font at a height of `pixels`."""
    from PIL import ImageFont

    return ImageFont.load_default(pixels)


def text_width(text: str, pixels: int) -> int:
    """Width in pixels of a line."""
    return round(float(font(pixels).getlength(plain_letters(text))) + 0.5)


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    pixels: int,
    colour: tuple[int, int, int],
    *,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    """Write a line; `place` is its upper left corner, or what `anchor` says in Pillow's terms."""
    stroke = pixels // 28 if bold else 0
    draw.text(place, plain_letters(text), colour, font(pixels), anchor=anchor, stroke_width=stroke)


def wrap(text: str, pixels: int, width: int, most: int) -> list[str]:
    """The text in at most `most` lines of at most `width` pixels; what does not fit ends in ``…``."""
    lines: list[str] = []
    words = text.split()
    while words:
        line = words.pop(0)
        while words and text_width(f"{line} {words[0]}", pixels) <= width:
            line += " " + words.pop(0)
        if len(lines) == most - 1 and words:
            line += " " + " ".join(words)
            words = []
        lines.append(shorten(line, pixels, width))
    return lines


def shorten(text: str, pixels: int, width: int) -> str:
    """The text, cut to `width` pixels with ``…`` at its end."""
    if text_width(text, pixels) <= width:
        return text
    while text and text_width(text + "…", pixels) > width:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=512)
def plate(text: str, pixels: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A label ``[h, w, 3]``: white on dark, with a bar of `colour` at its left."""
    from PIL import Image, ImageDraw

    pad, bar = max(2, pixels // 4), max(3, pixels // 4)
    width, height = text_width(text, pixels) + bar + 2 * pad, round(pixels * 1.3) + pad
    image = Image.new("RGB", (width, height), DARK)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, bar - 1, height), colour)
    write(draw, (bar + pad, height / 2), text, pixels, WHITE, anchor="lm")
    done = np.asarray(image)
    done.flags.writeable = False  # it is shared
    return done


DARK, WHITE, GREY = (20, 22, 26), (245, 245, 245), (176, 182, 190)
