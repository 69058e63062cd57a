"""``--trust-list`` through whole scans, by command line and library, in this process and in workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_credentials import IPTC, Identity, _other_root, manifest, photo
from test_credentials import identity as identity

from dfdetect import Detector
from dfdetect.batch.pool import scan_many
from dfdetect.cli.main import main
from dfdetect.errors import SettingsError
from dfdetect.results import Credentials, ScanResult
from dfdetect.settings import Settings


@pytest.fixture
def place(tmp_path: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a signed and an unsigned photo, and lists with the signer and with a stranger."""
    monkeypatch.chdir(tmp_path)
    signed = identity.sign(photo(), "image/jpeg", manifest(IPTC + "digitalCapture"))
    (tmp_path / "signed.jpg").write_bytes(signed)
    (tmp_path / "plain.jpg").write_bytes(photo())
    (tmp_path / "known.pem").write_text(identity.root)
    (tmp_path / "strange.pem").write_text(_other_root())
    return tmp_path


def with_list(trust_list: str | None) -> Settings:
    return Settings(model="light", evidence=True, trust_list=trust_list)


def seal(result: ScanResult) -> Credentials:
    assert result.evidence is not None
    assert result.evidence.credentials is not None
    return result.evidence.credentials


@pytest.mark.parametrize(
    ("trust_list", "trusted"), [("known.pem", True), ("strange.pem", False), (None, None)]
)
@pytest.mark.parametrize("jobs", [None, 0, 1])
def test_a_scan_says_whether_the_signer_is_on_the_list(
    trust_list: str | None, trusted: bool | None, jobs: int | None, place: Path
) -> None:
    """By a detector alone, by one in this process, and by one in a worker."""
    settings, names = with_list(trust_list), ["signed.jpg", "plain.jpg"]
    if jobs is None:
        detector = Detector(settings)
        results = [detector.scan(name) for name in names]
    else:
        results = list(scan_many(names, settings, jobs=jobs, ordered=True))
    signed, plain = map(seal, results)
    assert (signed.present, signed.valid, signed.trusted) == (True, True, trusted)
    assert signed.problems == (("signingCredential.untrusted",) if trusted is False else ())
    assert plain == Credentials(present=False)


def test_the_list_is_read_once(place: Path) -> None:
    detector = Detector(with_list("known.pem"))
    Path("known.pem").write_text("no list any more")
    assert seal(detector.scan("signed.jpg")).trusted is True


@pytest.mark.parametrize(("name", "trusted"), [("known.pem", True), ("strange.pem", False)])
def test_the_command_line_says_it_in_its_reports(
    name: str, trusted: bool, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["scan", "signed.jpg", "--model", "light", "--trust-list", name, "--report", "record=record.json"]
    main([*words, "--jobs", "1", "--jsonl"])
    (line,) = capsys.readouterr().out.splitlines()
    (recorded,) = json.loads(Path("record.json").read_text("utf-8"))["results"]
    for result in (json.loads(line), recorded):
        assert result["evidence"]["credentials"]["trusted"] is trusted
        assert result["settings"]["trust_list"] == name


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_list_that_cannot_be_used_is_told_before_any_file(
    content: bytes | None, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("bad.pem").write_bytes(content)
    for jobs in (0, 1):
        with pytest.raises(SettingsError, match=r"trust list .*bad\.pem"):
            scan_many(["signed.jpg"], with_list("bad.pem"), jobs=jobs)  # not even asked for its first result
    with pytest.raises(SettingsError, match=r"trust list .*bad\.pem"):
        Detector(with_list("bad.pem"))
    words = ["scan", "signed.jpg", "--model", "light", "--trust-list", "bad.pem", "--report", "json=r.json"]
    assert main(words) == 2
    told = capsys.readouterr()
    assert "bad.pem" in told.err
    assert told.out == ""
    assert not Path("r.json").exists()
