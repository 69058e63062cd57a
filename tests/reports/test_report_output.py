"""Summary and exit code, several reports at once, files that appear whole."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.errors import ExitCode, InputError, SettingsError
from dfdetect.record.summary import FailOn, Summary, outcome
from dfdetect.reports.output import ReportFile, ReportSet
from dfdetect.reports.registry import REPORTS, find_report
from dfdetect.results import Label, Reason, ScanResult
from tests.sample_results import samples

BY_KIND = {
    "fake": samples()[0],
    "uncertain": samples()[3],
    "real": samples()[2],
    "no_face": samples()[6],
    "unreadable": samples()[7],
}
TABLE = [
    # what was scanned, --fail-on, --strict, exit code
    (("real",), "fake", False, 0),
    (("real", "fake"), "fake", False, 1),
    (("uncertain",), "fake", False, 0),
    (("uncertain",), "uncertain", False, 1),
    (("fake",), "uncertain", False, 1),
    (("no_face",), "uncertain", False, 0),
    (("no_face",), "uncertain", True, 3),
    (("no_face",), "unjudged", False, 1),
    (("unreadable",), "unjudged", False, 3),
    (("unreadable",), "error", False, 1),
    (("real", "unreadable"), "fake", False, 3),
    (("fake", "unreadable"), "fake", False, 1),
    (("fake", "no_face"), "fake", True, 1),
    (("fake", "uncertain", "no_face"), "never", False, 0),
    (("fake", "unreadable"), "never", False, 3),
    (("fake", "no_face"), "never", True, 3),
    ((), "error", True, 0),
]


def summed(kinds: tuple[str, ...]) -> Summary:
    summary = Summary()
    for kind in kinds:
        summary.add(BY_KIND[kind])
    return summary


@pytest.mark.parametrize(("kinds", "fail_on", "strict", "code"), TABLE)
def test_outcome(kinds: tuple[str, ...], fail_on: str, strict: bool, code: int) -> None:
    assert outcome(summed(kinds), FailOn(fail_on), strict) == code
    interrupted = summed(kinds)
    interrupted.complete = False
    assert outcome(interrupted, FailOn(fail_on), strict) is ExitCode.INTERRUPTED


@given(st.lists(st.sampled_from(sorted(BY_KIND))), st.sampled_from(list(FailOn)))
def test_summary_counts_the_findings_that_the_level_names(kinds: list[str], level: FailOn) -> None:
    assert summed(tuple(kinds)).findings(level) == sum(level.reached_by(BY_KIND[kind]) for kind in kinds)


def test_every_reason_is_counted_once(results: list[ScanResult]) -> None:
    summary = Summary()
    for reason in Reason:
        summary.reasons[reason] += 1
    assert summary.unjudged == 5
    assert summary.unjudged + summary.unreadable == summary.files == len(Reason)
    summary.labels[Label.FAKE] += 1
    assert summary.sentence().startswith(f"{len(Reason) + 1} files: 1 fake, 0 uncertain, 0 real")


def test_one_scan_feeds_several_reports(tmp_path: Path, results: list[ScanResult]) -> None:
    stream = io.StringIO()
    reports = ReportSet()
    reports.to_stream("text", stream)
    for name in ("json", "jsonl", "csv"):
        reports.to_file(name, str(tmp_path / f"out.{name}"))
    assert not (tmp_path / "out.json").exists()
    with reports:
        for result in results:
            reports.add(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.json", "out.jsonl"]
    document = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert len(document["results"]) == len((tmp_path / "out.jsonl").read_text().splitlines()) == len(results)
    assert document["summary"]["complete"] is True
    assert "9 files: 2 fake" in stream.getvalue()


def feed(reports: ReportSet, results: Iterable[ScanResult | BaseException]) -> None:
    with reports:
        for result in results:
            if isinstance(result, BaseException):
                raise result
            reports.add(result)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, BrokenPipeError])
def test_what_was_done_survives_an_interruption(
    tmp_path: Path, results: list[ScanResult], error: type[BaseException]
) -> None:
    reports = ReportSet()
    reports.to_file("json", str(tmp_path / "a.json"))
    with pytest.raises(error):
        feed(reports, [results[0], error()])
    document = json.loads((tmp_path / "a.json").read_text())
    assert [record["path"] for record in document["results"]] == [results[0].path]
    assert document["summary"]["complete"] is False
    assert outcome(reports.summary) is ExitCode.INTERRUPTED
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_scan_that_cannot_begin_leaves_older_reports_alone(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("older")
    reports, stream = ReportSet(), io.StringIO()
    reports.to_stream("text", stream)
    reports.to_file("json", str(tmp_path / "a.json"))
    with pytest.raises(SettingsError):
        feed(reports, [SettingsError("no such device")])
    assert stream.getvalue() == "", "nothing was interrupted"
    assert (tmp_path / "a.json").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="modes and descriptors are POSIX's")
def test_a_report_keeps_the_permissions_of_the_file_it_replaces(
    tmp_path: Path, results: list[ScanResult]
) -> None:
    (tmp_path / "a.csv").touch(mode=0o600)
    (tmp_path / "b.csv").touch()
    (tmp_path / "b.csv").chmod(0o755)
    reports = ReportSet()
    for name in ("a", "b"):
        reports.to_file("csv", str(tmp_path / f"{name}.csv"))
    feed(reports, results[:1])
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "b.csv").stat().st_mode & 0o777 == 0o644, "a report is never executable"


@pytest.mark.skipif(sys.platform == "win32", reason="modes and descriptors are POSIX's")
@pytest.mark.parametrize("pipe", [True, False])
def test_an_open_descriptor_is_written_to_and_never_replaced(
    tmp_path: Path, results: list[ScanResult], pipe: bool
) -> None:
    if pipe:
        reading, writing = os.pipe()
    else:
        writing = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
        os.write(writing, b"before\n")
        reading = os.open(tmp_path / "log", os.O_RDONLY)
    reports = ReportSet()
    reports.to_file("jsonl", f"/dev/fd/{writing}")
    feed(reports, results[:1])
    os.write(writing, b"after\n")
    os.close(writing)
    lines = os.read(reading, 1 << 20).decode().splitlines()
    os.close(reading)
    assert lines[-1] == "after"
    assert json.loads(lines[0 if pipe else 1])["path"] == results[0].path


class GoneStream(io.StringIO):
    """Standard output whose reader went away after the first record."""

    def write(self, text: str) -> int:
        if self.tell():
            raise BrokenPipeError
        return super().write(text)


def test_a_reader_that_goes_away_does_not_cost_the_files(tmp_path: Path, results: list[ScanResult]) -> None:
    reports = ReportSet()
    reports.to_stream("text", GoneStream())
    reports.to_file("json", str(tmp_path / "a.json"))
    with pytest.raises(BrokenPipeError):
        feed(reports, results)
    assert json.loads((tmp_path / "a.json").read_text())["summary"]["complete"] is False


def test_a_report_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, results: list[ScanResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    reports = ReportSet()
    reports.to_file("json", str(target))

    def full_disk(self: object, summary: Summary) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(find_report("json"), "end", full_disk)
    with pytest.raises(InputError, match=r"a\.json': No space left on device; make room"), reports:
        reports.add(results[0])
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("copies", [1, 200])  # what fits the buffer fails at its end, what does not before
def test_a_full_disk_under_one_report_spares_the_others(
    tmp_path: Path, results: list[ScanResult], copies: int
) -> None:
    (tmp_path / "a.csv").symlink_to("/dev/full")
    reports, stream = ReportSet(), io.StringIO()
    reports.to_file("csv", str(tmp_path / "a.csv"))
    reports.to_stream("jsonl", stream)
    reports.to_file("json", str(tmp_path / "b.json"))
    with pytest.raises(InputError, match=r"cannot write a report to '.*a\.csv': No space left"):
        feed(reports, results[:1] * copies)
    assert len(stream.getvalue().splitlines()) == copies
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["summary"]["complete"] is True
    assert len(document["results"]) == copies


def test_all_reports_that_cannot_be_written_are_named(
    tmp_path: Path, results: list[ScanResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(self: object, summary: Summary) -> None:
        raise OSError(28, "No space left on device")

    reports = ReportSet()
    for name in ("csv", "json"):
        monkeypatch.setattr(find_report(name), "end", full_disk)
        reports.to_file(name, str(tmp_path / f"a.{name}"))
    with pytest.raises(InputError, match=r"to '.*a\.csv': No space left .*to '.*a\.json': No space left"):
        feed(reports, results[:1])


KILLED = """
import os, signal, sys
from dfdetect.reports.output import ReportFile
files = [ReportFile(path) for path in sys.argv[1:]]
print("open", flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["a.json", "ä" * 120 + ".json", os.fsdecode(b"caf\xe9[*].json")])
def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path, name: str) -> None:
    other = tmp_path / f"b.{name[-10:]}"
    command = [sys.executable, "-c", KILLED, str(tmp_path / name), str(other)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        begun = set(tmp_path.iterdir())
        assert len(begun) == 2
        ReportFile(str(tmp_path / name)).discard()
        assert set(tmp_path.iterdir()) == begun, "in use"
        process.communicate(timeout=30)
    (tmp_path / ".notes.part").touch()
    file = ReportFile(str(tmp_path / name))
    left = set(tmp_path.iterdir()) & begun
    assert len(left) == 1, "the part of the other target"
    file.stream.write("new")
    file.commit()
    ReportFile(str(other)).discard()
    assert set(tmp_path.iterdir()) == {tmp_path / name, tmp_path / ".notes.part"}
    assert (tmp_path / name).read_text() == "new"


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="descriptors have no names here")
def test_a_report_whose_reader_ended_is_not_told_to_make_room(results: list[ScanResult]) -> None:
    reading, writing = os.pipe()
    reports = ReportSet()
    reports.to_file("jsonl", f"/dev/fd/{writing}")
    os.close(writing)
    os.close(reading)
    with pytest.raises(InputError) as caught:
        feed(reports, results[:1])
    assert str(caught.value) == (
        f"cannot write a report to '/dev/fd/{writing}': Broken pipe; its reader ended before all was written"
    )


def test_unusable_places_are_refused_at_once(tmp_path: Path) -> None:
    for place, hint in ((tmp_path, "folder"), (tmp_path / "no" / "a.json", "does not exist")):
        with pytest.raises(InputError, match=hint):
            ReportSet().to_file("json", str(place))
    reports = ReportSet()
    reports.to_file("json", str(tmp_path / "a"))
    with pytest.raises(InputError, match="two reports"):
        reports.to_file("csv", str(tmp_path / "." / "a"))
    assert list(tmp_path.iterdir()) == []


def test_devices_and_links_stay_what_they_are(tmp_path: Path, results: list[ScanResult]) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    reports = ReportSet()
    reports.to_file("jsonl", str(tmp_path / "pipe"))
    reports.to_file("csv", str(tmp_path / "link.csv"))
    reports.to_file("text", os.devnull)
    with reports:
        reports.add(results[2])
    assert os.read(reader, 10) == b'{"path": "'
    os.close(reader)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("path,label")
    assert not Path(os.devnull).is_file()


def test_report_files_have_ordinary_permissions(tmp_path: Path) -> None:
    reports = ReportSet()
    reports.to_file("csv", str(tmp_path / "a.csv"))
    (tmp_path / "ordinary").touch()
    with reports:
        pass
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_unknown_format_lists_the_known() -> None:
    known = ", ".join(REPORTS)
    with pytest.raises(InputError, match=rf"did you mean 'json'\? known formats are {known}$"):
        find_report("jsom")


def test_each_format_says_what_it_is() -> None:
    for name, form in REPORTS.items():
        assert form.load().name == name
        assert form.summary


def test_only_the_format_that_is_asked_for_is_imported() -> None:
    code = (
        "import sys; from dfdetect.reports.registry import find_report; find_report('csv');"
        "print([name for name in sys.modules if name.startswith('dfdetect.reports.')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "dfdetect.reports.csv_report" in loaded
    assert "sarif" not in loaded
