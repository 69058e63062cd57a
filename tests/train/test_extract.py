from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfdetect.errors import InputError
from dfdetect.train.extract import extract
from dfdetect.train.table import read_faces

PHOTO = Path(__file__).resolve().parents[2] / "data" / "astronaut.jpg"


def media(root: Path, labels: str) -> Path:
    """Two photos of one name in folders real and fake, the second mirrored."""
    picture = np.asarray(Image.open(PHOTO).convert("RGB"))
    for label, pixels in (("real", picture), ("fake", picture[:, ::-1])):
        (root / label).mkdir(parents=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(root / label / "1.png")
    (root / "labels.csv").write_text(labels)
    return root / "labels.csv"


def test_files_of_one_name_keep_their_own_faces_and_labels(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,Fake\n")
    rows = read_faces(extract(table, tmp_path / "cache"))
    assert [(row.fake, row.family, row.medium) for row in rows] == [
        (False, "real", "photo"),
        (True, "edit", "photo"),
    ]
    assert len({row.path for row in rows}) == 2


def test_a_corrected_label_counts_at_the_next_run(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,real\n")
    assert not any(row.fake for row in read_faces(extract(table, tmp_path / "cache")))
    table.write_text("file,label\nreal/1.png,real\nfake/1.png,fake\n")
    assert sum(row.fake for row in read_faces(extract(table, tmp_path / "cache"))) == 1


def test_an_unknown_label_is_named(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fkae\n")
    with pytest.raises(InputError, match="line 3"):
        extract(table, tmp_path / "cache")


def test_stored_crops_hold_the_face_where_the_table_says(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fake\n")
    row = read_faces(extract(table, tmp_path / "cache"))[0]
    width, height = Image.open(row.path).size
    assert max(width, height) <= 256
    eyes, mouth = row.five[:2].mean(0), row.five[3:].mean(0)
    assert row.box.x0 < eyes[0] < row.box.x1
    assert row.box.y0 < eyes[1] < mouth[1] < row.box.y1
