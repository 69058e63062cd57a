"""The evidence of a file: its hash whatever it comes in, and the versions of what took part."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dfdetect.detector
from dfdetect import Detector, Reason, __version__
from dfdetect.errors import MediaError
from dfdetect.media.evidence import gather_evidence, hash_source, versions
from dfdetect.media.source import make_source
from dfdetect.results import Evidence

DATA = Path(__file__).resolve().parents[2] / "data"


class Failing(io.BytesIO):
    """A file on a disk that fails after the first megabyte."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 1 << 20:
            raise OSError(5, "Input/output error")
        return super().read(size)


@given(st.binary(min_size=1, max_size=3000))
def test_the_hash_is_of_all_bytes(data: bytes) -> None:
    wanted = hashlib.sha256(data).hexdigest()
    assert hash_source(make_source(data)) == wanted
    assert gather_evidence(make_source(io.BytesIO(data))).sha256 == wanted


def test_a_stream_is_hashed_from_where_it_stands_and_left_there() -> None:
    stream = io.BytesIO(b"before" + bytes(3 << 20))
    stream.seek(6)
    source = make_source(stream)
    assert gather_evidence(source).sha256 == hashlib.sha256(bytes(3 << 20)).hexdigest()
    source.close()
    assert stream.tell() == 6


def test_a_file_that_grows_meanwhile_is_hashed_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"first")
    source = make_source(path)
    with path.open("ab") as file:
        file.write(b"more")
    assert hash_source(source) == hashlib.sha256(b"first").hexdigest()


def test_a_read_error_is_a_media_error() -> None:
    stream = Failing(bytes(2 << 20))
    with pytest.raises(MediaError, match="Input/output error") as caught:
        gather_evidence(make_source(stream))
    assert caught.value.reason is Reason.UNREADABLE
    assert stream.tell() == 0, "the source was closed, which leaves the stream where it was"


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced here")
def test_a_name_that_means_another_file_meanwhile_changes_nothing(tmp_path: Path) -> None:
    path, other = tmp_path / "there", tmp_path / "other"
    path.write_bytes(b"first")
    other.write_bytes(b"second")
    source = make_source(path)
    other.replace(path)
    assert gather_evidence(source).sha256 == hashlib.sha256(b"first").hexdigest()
    path.unlink()
    with source.open() as view:
        assert view.read() == b"first"
    source.check_unchanged()
    source.close()


def test_a_file_that_was_written_to_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(b"first")
    source = make_source(path)
    source.check_unchanged()
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(MediaError, match="changed while it was scanned: scan it again") as caught:
        source.check_unchanged()
    assert caught.value.reason is Reason.UNREADABLE
    source.close()


def test_pixels_have_neither_hash_nor_credentials() -> None:
    evidence = gather_evidence(None)
    assert (evidence.sha256, evidence.credentials) == (None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", evidence.started)


def test_versions_name_the_tool_the_machine_and_the_decoders() -> None:
    found = versions()
    assert found["dfdetect"] == __version__
    assert set(found) >= {"python", "platform", "processor", "numpy", "Pillow", "av", "libavcodec"}
    assert set(found) & {"libjpeg", "libjpeg-turbo"}
    assert re.fullmatch("[0-9a-f]{64}", found["dfdetect-sha256"])
    assert all(isinstance(version, str) and version for version in found.values())


def test_models_and_samples_of_an_installed_package_are_no_part_of_its_code(tmp_path: Path) -> None:
    """Source folders have them elsewhere: the same code must have the same hash there."""

    def digest(place: Path) -> str:
        command = "from dfdetect.media.evidence import versions; print(versions()['dfdetect-sha256'])"
        environment = {**os.environ, "PYTHONPATH": str(place)}
        return subprocess.check_output(
            [sys.executable, "-c", command], text=True, cwd=tmp_path, env=environment
        )

    code = Path(dfdetect.__file__).parent
    skipped = shutil.ignore_patterns("__pycache__", "_models", "_samples")
    for name, bundled in (("source", False), ("wheel", True)):
        shutil.copytree(code, tmp_path / name / "dfdetect", ignore=skipped)
        for folder in ("_models", "_samples") if bundled else ():
            (tmp_path / name / "dfdetect" / folder).mkdir()
            (tmp_path / name / "dfdetect" / folder / "__init__.py").write_text('"""Data only."""\n')
    assert digest(tmp_path / "source") == digest(tmp_path / "wheel") == versions()["dfdetect-sha256"] + "\n"
    (tmp_path / "wheel" / "dfdetect" / "names.py").open("a").write("# Other code.\n")
    assert digest(tmp_path / "source") != digest(tmp_path / "wheel")


def test_evidence_travels_between_processes() -> None:
    evidence = gather_evidence(make_source(b"x"))
    assert pickle.loads(pickle.dumps(evidence)) == evidence


def test_a_scan_holds_the_evidence_of_its_file(tmp_path: Path) -> None:
    """Of a judged file, of one that is no media, and none of what cannot be read."""
    detector = Detector(model="light", evidence=True)
    photo = DATA / "astronaut.jpg"
    letter = tmp_path / "letter.jpg"
    letter.write_text("this is no picture at all\n" * 20)
    for path in (photo, letter):
        evidence = detector.scan(path).evidence
        assert isinstance(evidence, Evidence)
        assert evidence.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert detector.scan(tmp_path / "none.jpg").evidence is None
    failing = Failing(photo.read_bytes() + bytes(2 << 20))
    result = detector.scan(failing)
    assert (result.reason, result.evidence) == (Reason.UNREADABLE, None)


def _truncate(path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, 300)
    os.truncate(path, size)
    os.utime(path, (1, 1))  # whatever the clock of the file system tells apart


def _run_out_of_memory(path: Path) -> None:
    _truncate(path)
    raise MemoryError


@pytest.mark.parametrize("change", [_truncate, _run_out_of_memory])
def test_what_was_written_to_after_it_was_hashed_is_said_to_be_even_when_it_cannot_be_judged(
    change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its failure would be recorded as that of the file with this hash."""
    path = tmp_path / "photo.jpg"
    path.write_bytes((DATA / "astronaut.jpg").read_bytes())
    opening = dfdetect.detector.open_media

    def change_and_open(*arguments: Any) -> Any:
        change(path)
        return opening(*arguments)

    monkeypatch.setattr(dfdetect.detector, "open_media", change_and_open)
    result = Detector(model="light", evidence=True).scan(path)
    assert result.reason is Reason.UNREADABLE
    assert "was changed while it was scanned: scan it again" in result.message
