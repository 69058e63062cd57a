"""``--report`` of ``evaluate``, ``bench`` and ``robustness``: where reports go, and what they spare."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from click import UsageError

from dfdetect.cli.main import main
from dfdetect.cli.outputs import Outputs
from dfdetect.errors import InputError, MissingExtraError
from dfdetect.evaluate.bench import Bench
from dfdetect.evaluate.forms import Form
from dfdetect.evaluate.robustness import Robustness
from dfdetect.reports.output import ReportFile
from dfdetect.reports.registry import find_format

Capture = pytest.CaptureFixture[str]


def unable() -> None:
    raise MissingExtraError("a package is missing")


FORMS = {"words": Form[int](lambda n: f"{n} words\n"), "sum": Form[int](str), "plot": Form[int](str, unable)}


def outputs(*reports: str, spared: tuple[str, ...] = ()) -> Outputs[int]:
    pairs = [(name, path) for name, _, path in (report.partition("=") for report in reports)]
    return Outputs(pairs, lambda name: find_format(FORMS, name), spared)


def tables(found: int) -> None:
    print(f"table of {found}")


def there() -> dict[str, str]:
    """Everything in the current folder, hidden files too."""
    return {path.name: path.read_text("utf-8") for path in Path().iterdir()}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_report_to_standard_output_the_others_to_files(capsys: Capture) -> None:
    Path("b").write_text("old")
    with outputs("sum=b", "words=-", "words=a") as out:
        out.write(3, tables)
        assert there()["b"] == "old"
    assert there() == {"a": "3 words\n", "b": "3"}
    assert capsys.readouterr().out == "3 words\n"


@pytest.mark.parametrize(("reports", "shown"), [((), "table of 3\n"), (("sum=a",), "")])
def test_tables_are_shown_when_no_report_is_asked_for(
    reports: tuple[str, ...], shown: str, capsys: Capture
) -> None:
    with outputs(*reports) as out:
        out.write(3, tables)
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("reports", "message"),
    [
        (("sum=new", "words=labels.csv"), "would overwrite an input"),
        (("sum=new", "words=link"), "would overwrite an input"),
        (("sum=new", "words=clip.mp4"), "would overwrite a photo or a video"),
        (("sum=new", "words=./new"), "two reports would be written to './new'"),
        (("sum=new", "words=gone/a"), "does not exist"),
        (("sum=new", "plot=a"), "a package is missing"),
        (("sum=new", "wrods=a"), "did you mean 'words'"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(reports: tuple[str, ...], message: str) -> None:
    Path("labels.csv").write_text("labels")
    Path("link").symlink_to("labels.csv")
    Path("clip.mp4").write_text("film")
    before = there()
    with pytest.raises((InputError, MissingExtraError), match=message):
        outputs(*reports, spared=("labels.csv",))
    assert there() == before


def test_standard_output_takes_one_report() -> None:
    with pytest.raises(UsageError, match="one report"):
        outputs("sum=new", "sum=-", "words=-")
    assert there() == {}


@pytest.mark.skipif(not Path("/dev/stderr").exists(), reason="devices of Unix")
def test_a_device_takes_one_report() -> None:
    with pytest.raises(InputError, match="two reports"):
        outputs("sum=/dev/stderr", "words=/dev/stderr")


def fail_with(*reports: str) -> None:
    """Write these reports and then fail, before they are in their places."""

    def failing(out: Outputs[int]) -> None:
        with out:
            out.write(3, tables)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing(outputs(*reports))


def test_an_error_leaves_the_old_files() -> None:
    Path("a").write_text("old")
    fail_with("sum=a", "words=b")
    assert there() == {"a": "old"}


def test_a_file_that_cannot_be_put_in_its_place_leaves_no_part_of_any() -> None:
    out = outputs("sum=a", "sum=b", "sum=c")
    out.write(3, tables)
    Path("b").mkdir()
    with pytest.raises(InputError, match="cannot write a report to 'b': "):
        out.__exit__(None)
    assert sorted(path.name for path in Path().iterdir()) == ["a", "b"]


def test_a_file_that_cannot_even_be_closed_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    discard = ReportFile.discard

    def full(file: ReportFile) -> None:
        discard(file)
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(ReportFile, "discard", full)
    fail_with("sum=a", "sum=b")
    assert there() == {}


BENCH = Bench(
    tool_version="1",
    model="light",
    model_version="2",
    settings={"engine": "onnxruntime", "frames": 8},
    repeat=1,
    cores=2,
    jobs=2,
    threads="1",
    load=None,
    python="3.11",
    system="Linux",
    reference=None,
    cases=(),
    curve=None,
)
ROBUSTNESS = Robustness("labels.csv", "light", "2", "1", 0, 20, 2, 0, 0, ())


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures without the work."""
    Path("notes.bin").write_text("notes")
    Path("labels.csv").write_text("file,label\n")
    monkeypatch.setattr("dfdetect.evaluate.bench.run_bench", lambda *words: BENCH)
    monkeypatch.setattr(
        "dfdetect.evaluate.robustness.measure_robustness", lambda *words, **options: ROBUSTNESS
    )


@pytest.mark.parametrize(("command", "source"), [("bench", "notes.bin"), ("robustness", "labels.csv")])
@pytest.mark.usefixtures("measured")
def test_a_hyphen_is_standard_output(command: str, source: str, capsys: Capture) -> None:
    before = there()
    assert main([command, source, "--report", "json=-", "--report", "markdown=a.md"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == f"dfdetect {command}"
    assert set(there()) - set(before) == {"a.md"}
    assert main([command, source, "--report", "json=-", "--report", "markdown=-"]) == 2
    assert "standard output takes one report" in capsys.readouterr().err
    assert main([command, source]) == 0
    assert capsys.readouterr().out == there()["a.md"]


@pytest.mark.parametrize(
    ("command", "source"),
    [("bench", "notes.bin"), ("robustness", "labels.csv"), ("robustness", "."), ("evaluate", "labels.csv")],
)
@pytest.mark.usefixtures("measured")
def test_inputs_are_not_overwritten(command: str, source: str, capsys: Capture) -> None:
    before = there()
    target = "labels.csv" if source == "." else source
    assert main([command, source, "--report", f"json={target}"]) == 2
    assert "would overwrite an input" in capsys.readouterr().err
    assert there() == before
