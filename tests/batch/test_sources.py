from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfdetect.batch.sources import Survey, find_media
from dfdetect.errors import InputError

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bit of everything; it is the current directory."""
    files = {
        "b.jpg": b"anything",
        "a.MP4": b"",
        "notes.txt": b"hello\n",
        "picture": JPEG,
        "renamed.txt": MP4,
        "code.ts": b"export const x = 1;\n",
        "archive.zip": b"PK\x03\x04rest",
        "sound.mp3": b"ID3\x04\x00",
        "._b.jpg": b"\x00\x05\x16\x07\x00\x02\x00\x00",
        ".hidden.jpg": JPEG,
        "sub/z.png": b"x",
        "sub/deep/er/c.webm": b"x",
        "Sub2/d.avi": b"x",
        ".cache/e.jpg": JPEG,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


IN_TREE = [".hidden.jpg", "a.MP4", "b.jpg", "picture", "renamed.txt", "Sub2/d.avi", "sub/z.png"]
IN_TREE += ["sub/deep/er/c.webm"]


def names(*arguments: str, **options: object) -> list[str]:
    return [os.path.normpath(str(path)) for path in find_media(arguments, **options)]  # type: ignore[arg-type]


def test_a_folder_gives_its_media_in_stable_order(tree: Path) -> None:
    survey = Survey()
    assert names(".", survey=survey) == IN_TREE
    assert survey == Survey(found=8, skipped=5, hidden=1, linked=0, repeated=0)
    assert names(str(tree)) == [str(tree / name) for name in IN_TREE]


def test_named_files_are_given_whatever_they_are(tree: Path) -> None:
    given = ["notes.txt", "missing.mp4", "-", "archive.zip", "", "bad\0name"]
    assert list(find_media(given)) == given


def test_a_hidden_folder_is_searched_when_named(tree: Path) -> None:
    assert names(".cache") == [".cache/e.jpg"]


def test_each_file_once_however_it_is_named(tree: Path) -> None:
    survey = Survey()
    arguments = [
        "b.jpg",
        "./b.jpg",
        str(tree / "b.jpg"),
        "sub/../b.jpg",
        ".",
        "sub",
        "sub/z.png",
        "notes.txt",
    ]
    found = names(*arguments, "notes.txt", survey=survey)
    assert found == ["b.jpg", *(name for name in IN_TREE if name != "b.jpg"), "notes.txt"]
    assert survey.repeated == 7
    assert names("sub/deep", ".") == ["sub/deep/er/c.webm", *IN_TREE[:-1]]


def test_patterns_are_expanded_like_in_a_shell(tree: Path) -> None:
    assert names("*.txt") == ["notes.txt", "renamed.txt"]
    assert names("s*b") == ["sub/z.png", "sub/deep/er/c.webm"]
    assert names("**/*.webm", "sub/**/c.*") == ["sub/deep/er/c.webm"]
    assert names("**/z.png", "sub/**") == ["sub/z.png", "sub/deep/er/c.webm"]
    assert names(f"{tree}/**/er/*.webm") == [f"{tree}/sub/deep/er/c.webm"]
    assert names("*.nothing", "[") == ["*.nothing", "["]
    (tree / "odd[1].jpg").write_bytes(JPEG)
    (tree / "odd1.jpg").write_bytes(JPEG)
    assert names("odd[1].jpg") == ["odd[1].jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_and_loops(tree: Path) -> None:
    (tree / "sub/loop").symlink_to(tree)
    (tree / "sub/self").symlink_to("self")
    (tree / "sub/nowhere.jpg").symlink_to("missing.jpg")
    (tree / "sub/alias.jpg").symlink_to(tree / "b.jpg")
    os.mkfifo(tree / "sub/pipe.mp4")
    survey = Survey()
    # A link to nothing is a picture that is missing; one whose name does not say so is passed over.
    assert names("sub", "sub/nowhere.jpg", survey=survey) == [
        "sub/alias.jpg",
        "sub/nowhere.jpg",
        "sub/z.png",
        "sub/deep/er/c.webm",
    ]
    assert (survey.linked, survey.skipped, survey.repeated) == (1, 2, 1)
    (tree / "sub/again").symlink_to(tree / "sub")  # two loops make a tree without end
    assert names("**/*.webm") == ["sub/deep/er/c.webm"]
    (tree / "sub/again").unlink()
    # Named, the link is followed, and the way back into it is not taken twice.
    assert len(names("sub/loop")) == len(IN_TREE) + 2
    assert names("sub/loop", "sub") == names("sub/loop")
    assert names("sub/nowhere.jpg", "sub/pipe.mp4") == ["sub/nowhere.jpg", "sub/pipe.mp4"]


def test_what_cannot_be_listed_or_read_is_given(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_scandir, real_open = os.scandir, open

    def scandir(path: str) -> Any:
        if "deep" in path:
            raise PermissionError(13, "Permission denied", path)
        return real_scandir(path)

    def guarded_open(path: Any, *rest: Any, **options: Any) -> Any:
        if "notes" in str(path):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, *rest, **options)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr("builtins.open", guarded_open)
    expected = sorted([*IN_TREE[:5], "notes.txt"])
    assert names(".") == [*expected, "Sub2/d.avi", "sub/z.png", "sub/deep"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_what_a_folder_lists_but_does_not_let_in_is_given(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "sub/notes.txt").touch()
    (tree / "gone.jpg").symlink_to("sub/z.png/no-folder")
    (tree / "gone.txt").symlink_to("sub/z.png/no-folder")
    real = os.stat

    def guarded(path: Any, *rest: Any, **options: Any) -> os.stat_result:
        if os.path.dirname(os.path.normpath(path)).endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "stat", guarded)
    survey = Survey()
    found = names(".", "sub/notes.txt", "no\0name", survey=survey)
    expected = [*IN_TREE[:3], "gone.jpg", *IN_TREE[3:6], "sub/notes.txt", "sub/z.png"]
    assert found == [*expected, "sub/deep/er/c.webm", "no\0name"]
    assert survey.repeated == 1


def test_what_a_pattern_cannot_enter_is_given(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> Any:
        if "sub" in path:
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names("**/*.webm") == ["sub"]
    assert names("**", "**/*.avi")[-2:] == ["Sub2/d.avi", "sub"]
    assert names(f"{tree}/**/*.avi") == [f"{tree}/Sub2/d.avi", f"{tree}/sub"]
    # Those that are no folders are not meant.
    assert names("*/**/*.avi") == ["Sub2/d.avi", "sub"]


def test_the_first_path_comes_before_other_folders_are_listed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    real = os.scandir

    def scandir(path: str) -> object:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    stream = find_media([".", "sub"])
    next(stream)
    assert listed == ["."]
    assert len(list(stream)) == len(IN_TREE) - 1
    assert len(listed) == 5


def test_a_file_in_a_folder_that_lets_in_but_is_not_listed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> Any:
        if "sub" in path:
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    survey = Survey()
    assert names("sub", "sub/z.png", "./sub", "sub/z.png", survey=survey) == ["sub", "sub/z.png"]
    assert survey.repeated == 2
    assert names(".", "sub/z.png") == [*IN_TREE[:6], "sub", "sub/z.png"]
    (tree / "list").write_text("sub/z.png\nsub\n")
    assert names("sub", files_from="list") == ["sub", "sub/z.png"]


def test_what_comes_into_a_searched_folder_is_given_when_a_list_names_it(
    monkeypatch: pytest.MonkeyPatch, tree: Path
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        survey = Survey()
        stream = find_media(["."], files_from="-", survey=survey)
        found = [os.path.normpath(str(next(stream))) for _ in IN_TREE]
        assert found == IN_TREE
        for name in ("late.png", "sub/later.png", "sub/latest.png", "sub/notes.txt"):
            Path(name).touch()
        # Twice each, and what was there before; then the folders.
        for name in ("late.png", "./late.png", "b.jpg", "sub/later.png", str(tree / "sub/later.png")):
            sink.write(name.encode() + b"\n")
        sink.write(b"sub\nsub\n.\nsub/latest.png\nsub/z.png\n")
        sink.close()
        late = [os.path.normpath(str(path)) for path in stream]
    assert late == ["late.png", "sub/later.png", "sub/latest.png"]
    assert (survey.found, survey.skipped, survey.hidden) == (11, 6, 1), "each is counted once"


def test_names_in_folders_are_remembered_only_for_a_list(tmp_path: Path) -> None:
    import tracemalloc

    for number in range(3000):
        (tmp_path / f"{number:05}{'x' * 200}.jpg").touch()
    (tmp_path / "list").touch()
    kept = []
    for listed in (None, str(tmp_path / "list")):
        stream = find_media([str(tmp_path), str(tmp_path / "no-such")], files_from=listed)
        tracemalloc.start()
        while not str(next(stream)).endswith("no-such"):
            pass
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert kept[0] < 100_000 < kept[1] < 3_000_000


def test_a_list_of_names(tree: Path) -> None:
    (tree / "list").write_bytes(b"\xef\xbb\xbfb.jpg\r\n\n  \nsub\n#odd name *\nb.jpg\nlast")
    assert names(files_from="list") == ["b.jpg", "sub/z.png", "sub/deep/er/c.webm", "#odd name *", "last"]
    assert names("sub", files_from="list")[:2] == ["sub/z.png", "sub/deep/er/c.webm"]
    (tree / "list0").write_bytes(b"b.jpg\0with\nnewline\0\0last\r")
    assert names(files_from="list0", null_separated=True) == ["b.jpg", "with\nnewline", "last\r"]
    (tree / "with\nnewline").touch()
    (tree / "list0").write_bytes(b"with\nnewline")
    assert names(files_from="list0", null_separated=True) == ["with\nnewline"]


def test_a_list_from_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        for null, end in ((False, b"\n"), (True, b"\0")):
            stream = find_media([], files_from="-", null_separated=null)
            for name in ("no-such-1", "no-such-2"):
                sink.write(name.encode() + end)
                assert next(stream) == name  # the list is not finished yet


@pytest.mark.parametrize(
    ("content", "null", "hint"),
    [
        (b"a\0b\0", False, "--null"),
        (b"name\n" * 300_000, True, "leave --null"),
        (b"a.jpg\nb.jpg\n", True, "leave --null"),
        (b"a.jpg\n", True, "leave --null"),
    ],
)
def test_a_list_of_the_other_kind_is_recognised(
    tmp_path: Path, content: bytes, null: bool, hint: str
) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(InputError, match=hint):
        list(find_media([], files_from=str(tmp_path / "list"), null_separated=null))


def test_a_list_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_media([], files_from=str(tmp_path / "list"))
    with pytest.raises(InputError, match="cannot be read"):
        list(find_media([], files_from=str(tmp_path)))


NAMES = st.lists(st.binary(min_size=1, max_size=12).filter(lambda b: b"\0" not in b), max_size=20)


@settings(deadline=None, max_examples=60)
@given(items=NAMES)
def test_any_name_survives_a_list(tmp_path_factory: pytest.TempPathFactory, items: list[bytes]) -> None:
    folder = tmp_path_factory.getbasetemp()
    wanted = [b"no-such-folder/" + item for item in items]
    (folder / "list0").write_bytes(b"".join(item + b"\0" for item in wanted))
    stream = find_media([], files_from=str(folder / "list0"), null_separated=True)
    found = [os.fsencode(str(path)) for path in stream]
    assert len(set(found)) == len(found)
    assert set(found) <= set(wanted)
    assert {os.path.normpath(item) for item in found} == {os.path.normpath(item) for item in wanted}


def test_a_big_folder_is_quick(tmp_path: Path) -> None:
    for i in range(1000):
        (tmp_path / f"{i:05d}.jpg").touch()
    found = list(find_media([str(tmp_path)]))
    assert len(found) == 1000
    assert found == sorted(map(str, found))


KINDS = {"pcx": "PCX", "sgi": "SGI", "dds": "DDS", "qoi": "QOI", "msp": "MSP"}
MODES = {"msp": "1", "pbm": "1", "pgm": "L", "pfm": "F"}


def still(suffix: str) -> bytes:
    """A picture as Pillow writes it under this suffix."""
    image = pytest.importorskip("PIL.Image").new("RGB", (64, 64), (200, 150, 120))
    memory = io.BytesIO()
    image.convert(MODES.get(suffix, "RGB")).save(memory, format=KINDS.get(suffix, "PPM"))
    return memory.getvalue()


@pytest.mark.parametrize("suffix", ["ppm", "pgm", "pbm", "pnm", "pcx", "sgi", "dds", "qoi", "msp", "pfm"])
def test_rare_pictures_count_by_their_content(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"a.{suffix}").write_bytes(still(suffix))
    Path("no suffix").write_bytes(still(suffix))
    assert names(".") == [f"a.{suffix}", "no suffix"]


@pytest.mark.parametrize(
    "head",
    [
        b"SDPX" + bytes(60),
        b"\x76\x2f\x31\x01\x02" + bytes(60),
        b"\x59\xa6\x6a\x95" + bytes(28),
        b"\0\0\0\x6f\0\0\0\x07\0\0\0\x02\0\0\0\x18" + bytes(100),
        b"SIMPLE  =                    T",
        b"P5\n# made by hand\n4 4\n255\n" + bytes(16),
        b"PH\n4 4\n-1.0\n" + bytes(32),
    ],
)
def test_heads_of_rare_pictures(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(head)
    assert names(str(tmp_path)) == [str(tmp_path / "a.bin")]


@pytest.mark.parametrize(
    "head",
    [
        b"P5 is a paper size\n",
        b"P6\nis a protein\n",
        b"P3\n1 1\n255\n0 0 0\n",
        b"\n\x05\x01\x08" + b"no picture" * 20,
        b"\n",
        b"\x01\xda\x07\x07\x07\x07" + bytes(20),
        b"\0\0\0\x01\0\0\0\x07" + bytes(100),
    ],
)
def test_what_only_begins_like_a_rare_picture(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(head)
    survey = Survey()
    assert names(str(tmp_path), survey=survey) == []
    assert survey.skipped == 1


def test_rare_suffixes_count_also_for_links_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").symlink_to("gone.ppm")
    (tmp_path / "b.PGM").write_bytes(b"")
    assert names(str(tmp_path)) == [str(tmp_path / "a.ppm"), str(tmp_path / "b.PGM")]
