from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.faces.pictures import MOST_FRAMES, PictureBook, small_jpeg
from dfdetect.results import Frame


def test_a_picture_is_small_and_keeps_its_shape() -> None:
    image = np.full((300, 900, 3), (200, 30, 90), np.uint8)
    back = cv2.imdecode(np.frombuffer(small_jpeg(image, 150), np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    assert back.shape == (50, 150, 3)
    assert np.abs(back[25, 75, ::-1].astype(int) - (200, 30, 90)).max() < 12


@given(st.integers(0, 700))
def test_a_book_stays_thin_and_covers_the_whole(count: int) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    book = PictureBook()
    for index in range(count):
        book.add(Frame(index, index / 4, image))
    kept = [picture.frame for picture in book.pictures]
    assert len(kept) == min(count, len(kept)) <= MOST_FRAMES
    assert kept == sorted(kept)
    if count:
        gaps = set(np.diff([*kept, count]).tolist()) if len(kept) > 1 else {1}
        assert kept[0] == 0
        assert max(gaps) <= max(1, 4 * count // MOST_FRAMES)
