import threading
from io import BytesIO

import numpy as np
import pytest
from make import codes, encode
from PIL import Image, ImageFile, JpegImagePlugin

from dfdetect.media.reader import open_media
from dfdetect.settings import Settings

BROKEN = encode(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), "JPEG")[:-1000]


def accepted() -> bool:
    try:
        Image.open(BytesIO(BROKEN)).load()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("own", [False, True])
def test_damage_that_is_tolerated_here_is_not_in_other_threads(own, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", own)
    load_read, here, seen = JpegImagePlugin.JpegImageFile.load_read, threading.get_ident(), []

    def watched(self, count):
        if threading.get_ident() == here:
            thread = threading.Thread(target=lambda: seen.append(accepted()))
            thread.start()
            thread.join()
        return load_read(self, count)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load_read", watched)
    with open_media(BROKEN, Settings()) as media:
        list(media.frames())
    assert codes(media.info) == ([] if own else ["truncated"])
    assert set(seen) == {own}
    assert ImageFile.LOAD_TRUNCATED_IMAGES is own
