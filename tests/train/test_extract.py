from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dfdetect.errors import InputError
from dfdetect.train.extract import extract
from dfdetect.train.table import person, read_faces, read_picture

PHOTO = Path(__file__).resolve().parents[2] / "data" / "astronaut.jpg"


def media(root: Path, labels: str) -> Path:
    """Two photos of one name in folders real and fake, the second mirrored."""
    picture = np.asarray(Image.open(PHOTO).convert("RGB"))
    for label, pixels in (("real", picture), ("fake", picture[:, ::-1])):
        (root / label).mkdir(parents=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(root / label / "1.png")
    (root / "labels.csv").write_text(labels, encoding="utf-8")
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


def test_a_table_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "\ufefffile,label\nreal/1.png,real\n")
    assert [row.fake for row in read_faces(extract(table, tmp_path / "cache"))] == [False]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,label\nré.png,real\n".encode("latin-1"), "(?i)utf-8"),
        (b"file,label,group\nreal/1.png\n", "line 2: label must be real or fake"),
        (b"file,label\nreal/1.png,real\n./real/1.png,fake\n", "line 3: .*listed in line 2 already"),
        (b"label,file\nreal\n", "line 2: the name of the file is missing"),
        (b"name,label\nreal/1.png,real\n", "columns file and label"),
        (b"file,label\n", "names no file"),
    ],
)
def test_what_evaluation_refuses_training_refuses_too(tmp_path: Path, table: bytes, message: str) -> None:
    path = media(tmp_path / "media", "")
    path.write_bytes(table)
    with pytest.raises(InputError, match=message):
        extract(path, tmp_path / "cache")


def test_columns_of_the_table_reach_the_faces(tmp_path: Path) -> None:
    head = "file,label,family,method,source,group\n"
    table = media(tmp_path / "media", head + "real/1.png,real,,,,\nfake/1.png,fake,swap,m,s,g\n")
    folder = extract(table, tmp_path / "cache")
    told = [(row.family, row.method, row.source, row.group) for row in read_faces(folder)]
    assert told == [("real", "", "real/1.png", "real/1.png"), ("swap", "m", "s", "g")]
    assert [row.unnamed for row in read_faces(folder)] == [True, False]
    table.write_text("file,label,group\nreal/1.png,real,\nfake/1.png,fake,real/1.png\n")
    one, two = read_faces(extract(table, tmp_path / "cache"))
    assert person(one) == person(two), "a fake may name the file that it was made of"
    elsewhere = media(tmp_path / "more", "file,label,group\nreal/1.png,real,\nfake/1.png,fake,g\n")
    table.write_text("file,label,group\nreal/1.png,real,\nfake/1.png,fake,g\n")
    (one, two), (three, four) = (read_faces(extract(path, tmp_path / "cache")) for path in (table, elsewhere))
    assert person(one) != person(three), "files of one name in two tables"
    assert person(two) == person(four), "a group that both name"


def test_a_file_that_was_not_touched_is_not_done_again(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fake\n")
    first = read_faces(extract(table, tmp_path / "cache"))
    times = [os.stat(row.path).st_mtime_ns for row in first]
    again = read_faces(extract(table, tmp_path / "cache"))
    assert [row.name for row in again] == [row.name for row in first]
    assert [os.stat(row.path).st_mtime_ns for row in again] == times


def test_a_replaced_file_gives_its_own_faces_under_other_names(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fake\n")
    (old, kept) = read_faces(extract(table, tmp_path / "cache"))
    # The same picture in other bytes: a copy would be refused.
    with Image.open(tmp_path / "media" / "fake" / "1.png") as picture:
        picture.save(tmp_path / "media" / "real" / "1.png", compress_level=1)
    (new, same) = read_faces(extract(table, tmp_path / "cache"))
    assert (read_picture(new) == read_picture(same)).all()
    assert new.name != old.name
    assert same.name == kept.name


def test_other_frames_are_looked_for_when_more_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    shutil.copy(PHOTO.with_name("moving.mp4"), tmp_path / "media")
    table = tmp_path / "media" / "labels.csv"
    table.write_text("file,label\nmoving.mp4,real\n")
    counts = [len(read_faces(extract(table, tmp_path / "cache", frames=n))) for n in (1, 3)]
    assert counts == [1, 3]


def test_a_file_that_is_gone_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/2.png,fake\n")
    assert [row.fake for row in read_faces(extract(table, tmp_path / "cache"))] == [False]
    assert "fake/2.png" in capsys.readouterr().err


def test_names_beyond_what_opencv_takes_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = cv2.imread, cv2.imwrite
    monkeypatch.setattr(cv2, "imread", lambda name, *rest: read(name, *rest) if name.isascii() else None)
    monkeypatch.setattr(cv2, "imwrite", lambda name, *rest: name.isascii() and write(name, *rest))
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fake\n")
    rows = read_faces(extract(table, tmp_path / "Jürgen"))
    assert len(rows) == 2
    assert all(read_picture(row).shape[2] == 3 for row in rows)


def test_a_crop_that_is_no_picture_is_named(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fake\n")
    for row, content in zip(read_faces(extract(table, tmp_path / "cache")), (b"", b"text"), strict=True):
        Path(row.path).write_bytes(content)
        with pytest.raises(OSError, match=re.escape(f"cannot read {row.path}")):
            read_picture(row)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit to the size of files")
def test_a_full_disk_is_told_and_leaves_no_face_without_its_picture(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fake\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            extract(table, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    rows = read_faces(extract(table, tmp_path / "cache"))
    assert len(rows) == 2
    assert all(read_picture(row).size for row in rows)


def test_a_fake_without_a_family_counts_as_an_edit(tmp_path: Path) -> None:
    folder = extract(media(tmp_path / "media", "file,label\nfake/1.png,fake\n"), tmp_path / "cache")
    with (folder / "faces.csv").open(newline="") as stream:
        assert [row["family"] for row in csv.DictReader(stream)] == ["edit"]


def test_stored_crops_hold_the_face_where_the_table_says(tmp_path: Path) -> None:
    table = media(tmp_path / "media", "file,label\nreal/1.png,real\nfake/1.png,fake\n")
    row = read_faces(extract(table, tmp_path / "cache"))[0]
    width, height = Image.open(row.path).size
    assert max(width, height) <= 256
    eyes, mouth = row.five[:2].mean(0), row.five[3:].mean(0)
    assert row.box.x0 < eyes[0] < row.box.x1
    assert row.box.y0 < eyes[1] < mouth[1] < row.box.y1
