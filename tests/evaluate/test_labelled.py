"""Reading labels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfdetect.errors import InputError
from dfdetect.evaluate.labelled import read_labels, scan_labelled
from dfdetect.results import Reason, ScanResult
from dfdetect.settings import Settings


def test_labels_come_from_a_table_or_from_folders(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "fake").mkdir()
    (tmp_path / "real" / "a.jpg").touch()
    (tmp_path / "fake" / "a.jpg").touch()
    real, fake = read_labels(tmp_path)
    assert (real.fake, fake.fake) == (False, True)
    # The same name in both folders is neither one file nor one group.
    assert (real.name, fake.name) == ("real/a.jpg", "fake/a.jpg")
    assert real.group != fake.group
    table = tmp_path / "labels.csv"
    table.write_text("file,label,group\nreal/a.jpg,real,\nfake/b.jpg,Fake,g\n")
    first, second = read_labels(tmp_path)
    assert (first.fake, first.group, first.name) == (False, "real/a.jpg", "real/a.jpg")
    assert (second.fake, second.group) == (True, "g")
    assert second.path == str(tmp_path / "fake" / "b.jpg")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("a.jpg,maybe\n", "line 2: label must be real or fake"),
        ("a.jpg,real\nb.jpg,fake\na.jpg,fake\n", "line 4: 'a.jpg' is listed in line 2 already$"),
        ("a.jpg,real\nx/../a.jpg,fake\n", "line 3: 'x/../a.jpg' is listed in line 2 already, as 'a.jpg'"),
        ("./a.jpg,real\na.jpg,real\n", r"line 3: 'a.jpg' is listed in line 2 already, as './a.jpg'"),
        ("link.jpg,real\na.jpg,fake\n", "line 3: 'a.jpg' is listed in line 2 already, as 'link.jpg'"),
        ("a\0.jpg,real\n", "line 2: no file can have a zero byte"),
        (",real\n", "line 2: the name"),
        ("", "names no file"),
        ("a.jpg\n", "line 2: label must be real or fake, not ''"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, rows: str, complaint: str) -> None:
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + rows)
    with pytest.raises(InputError, match=complaint):
        read_labels(table)
    with pytest.raises(InputError, match="cannot read labels"):
        read_labels(tmp_path / "a\0")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file,label\n\n\na.jpg,maybe\n", "line 4: label must be"),
        ('file,label,note\n"a.jpg",real,"two\nlines"\n\nb.jpg,maybe,\n', "line 5: label must be"),
        (
            'file,label,note\na.jpg,fake,\nb.jpg,real,"cut\nc.jpg,real,\n',
            "row that begins in line 3, .*quotation",
        ),
        ('file,label,note\na.jpg,fake,"cut\nb.jpg,real,"note"\n', "row that begins in line 2, .*quotation"),
        ("file,label\n\na.jpg,real\n\na.jpg,real\n", "line 5: 'a.jpg' is listed in line 3 already$"),
    ],
)
def test_lines_are_numbered_as_an_editor_numbers_them(tmp_path: Path, text: str, complaint: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_labels(table)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("image;class\n", "has 'image', 'class', separated by semicolons$"),
        ("file\tclass\n", "has 'file', 'class', separated by tabs$"),
        ("file,class\n", "has 'file', 'class', separated by commas$"),
        ("file|label\n", "separated by commas, semicolons or tabs.*has 'file|label'$"),
        ("\nfile,label\n", "has an empty line$"),
        ("", "has an empty line$"),
    ],
)
def test_a_head_that_lacks_a_column_is_quoted(tmp_path: Path, head: str, complaint: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(head + "a.jpg,real\n")
    if not head:
        table.write_text("")
    with pytest.raises(InputError, match=complaint):
        read_labels(table)


def test_a_head_longer_than_any_field_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("x" * 200_000)
    with pytest.raises(InputError, match="cannot read labels"):
        read_labels(tmp_path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_spreadsheets_may_write_it_their_way(tmp_path: Path, separator: str, end: str) -> None:
    rows = (
        ("File ", " Label", " GROUP"),
        (" a.jpg ", " Real ", " g "),
        ('"b; ,.jpg"', "FAKE", ""),
        (" ", "", ""),
    )
    table = tmp_path / "labels.csv"
    table.write_text("".join(separator.join(row) + end for row in rows), newline="")
    first, second = read_labels(table)
    assert (first.name, first.path, first.fake) == ("a.jpg", str(tmp_path / "a.jpg"), False)
    assert (first.group, first.source, first.family) == ("g", "g", "real")
    assert (second.name, second.fake, second.group) == ("b; ,.jpg", True, "b; ,.jpg")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_another_encoding_is_named_with_the_remedy(tmp_path: Path, encoding: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\ncafé.jpg,real\n", encoding=encoding)
    with pytest.raises(InputError, match="save it as UTF-8"):
        read_labels(table)


@pytest.mark.parametrize(
    "columns", ["file,label,label", "file,file,label", "file,label,group,group", "file,File,label"]
)
def test_a_column_that_stands_twice_is_named(tmp_path: Path, columns: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"{columns}\na.jpg,real,fake,x\n")
    columns = columns.lower()
    twice = next(name for name in columns.split(",") if columns.split(",").count(name) > 1)
    with pytest.raises(InputError, match=f"more than one column named '{twice}'"):
        read_labels(table)


def test_empty_columns_at_the_end_are_passed_over(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label,,\na.jpg,real,,\n")
    assert [item.name for item in read_labels(table)] == ["a.jpg"]


@pytest.mark.parametrize("link", ["fake/b.jpg", "real/b.jpg"])
def test_a_link_from_one_folder_to_the_other_is_refused(tmp_path: Path, link: str) -> None:
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
    (tmp_path / "real" / "a.jpg").touch()
    (tmp_path / link).symlink_to("../real/a.jpg")
    with pytest.raises(InputError, match=f"'{link}' and 'real/a.jpg' are the same file"):
        read_labels(tmp_path)


def test_a_table_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("\ufefffile,label\na.jpg,fake\n", encoding="utf-8")
    assert [item.name for item in read_labels(table)] == ["a.jpg"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither"):
        read_labels(tmp_path)


def test_a_scan_tells_how_far_it_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f"{i}.jpg,real\n" for i in range(51)))
    labelled = read_labels(table)
    monkeypatch.setattr(
        "dfdetect.evaluate.labelled.scan_many",
        lambda paths, *rest, **options: (ScanResult.failed(p, Reason.MISSING, "gone", {}) for p in paths),
    )
    pairs = list(scan_labelled(labelled, Settings()))
    assert [(item.path, result.path) for item, result in pairs] == [(item.path,) * 2 for item in labelled]
    assert capsys.readouterr().err == "scanned 50/51\nscanned 51/51\n"


def test_blanks_around_quotation_marks_do_not_count(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text('file  , label\n"a, b.jpg" , fake\n "c.jpg"\t,"real" \n')
    assert [(item.name, item.fake) for item in read_labels(table)] == [("a, b.jpg", True), ("c.jpg", False)]


def written(folder: Path, **files: str) -> Path:
    """A table of labels without its head, and the files that it names, as ``a='text'`` for ``a.jpg``."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.jpg").write_text(text)
    return folder / "labels.csv"


def test_copies_are_told_and_share_a_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 9000
    table = written(tmp_path, a=long, b="y" + long[1:], c=long, d="short", e="short", f="", g="")
    table.write_text(
        "file,label,group\na.jpg,real,\nb.jpg,fake,\nc.jpg,real,anna\nd.jpg,fake,ben\ne.jpg,fake,cleo\n"
        "f.jpg,real,\ng.jpg,fake,\nh.jpg,fake,cleo\ni.jpg,fake,anna\n"
    )
    groups = {item.name[0]: (item.group, item.source) for item in read_labels(table)}
    # One whose bytes differ in the beginning alone is no copy, nor are empty files of each other.
    assert groups["b"] == ("b.jpg", "b.jpg")
    assert groups["f"] != groups["g"]
    assert groups["a"] == groups["c"] == groups["i"] == ("anna", "anna")
    assert groups["d"] == groups["e"] == groups["h"]
    assert capsys.readouterr().err == (
        "2 labelled files of 9 hold the same bytes as another (the first is c.jpg, as a.jpg); "
        "each counts, but in one group with the other\n"
    )


def test_a_copy_under_the_other_label_is_refused(tmp_path: Path) -> None:
    for label in ("real", "fake"):
        written(tmp_path / label, a="one", **{label: f"only {label}"})
    with pytest.raises(
        InputError, match=r"'real/a.jpg' and 'fake/a.jpg' hold the same bytes under both labels"
    ):
        read_labels(tmp_path)


def test_what_cannot_be_read_is_no_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is a pipe waited for."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    table = written(tmp_path, a="one", b="two")
    (tmp_path / "a.jpg").chmod(0)
    (tmp_path / "d.jpg").mkdir()
    os.mkfifo(tmp_path / "p.jpg")
    names = ("a", "b", "d", "p", "gone", "x" * 5000)
    table.write_text("file,label\n" + "".join(f"{name}.jpg,real\n" for name in names))
    assert [item.group for item in read_labels(table)] == [f"{name}.jpg" for name in names]
    assert capsys.readouterr().err == ""
