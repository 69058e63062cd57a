"""Parquet, read back by pyarrow and pandas: typed columns, row groups, bytes also through a pipe."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from dfdetect.errors import InputError, MissingExtraError
from dfdetect.reports import parquet
from dfdetect.reports.output import ReportSet
from dfdetect.reports.registry import make_report
from dfdetect.results import Evidence, ScanResult
from tests.sample_results import NOT_UTF8, samples, summary_of

GOLDEN = Path(__file__).parent / "golden" / "parquet.txt"


def written(results: list[ScanResult]) -> bytes:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
    report = make_report("parquet", stream)
    report.begin()
    for result in results:
        report.add(result)
    report.end(summary_of(results))
    return raw.getvalue()


@pytest.fixture
def table(results: list[ScanResult]) -> Any:
    pq = pytest.importorskip("pyarrow.parquet")
    return pq.read_table(io.BytesIO(written(results)))


def test_golden(table: Any, request: pytest.FixtureRequest) -> None:
    columns = [
        f"{field.name}: {field.type}{'' if field.nullable else ' not null'}\n" for field in table.schema
    ]
    rows = [json.dumps(row, ensure_ascii=True) + "\n" for row in table.to_pylist()]
    got = "".join([*columns, "\n", *rows])
    if request.config.getoption("update_golden", default=False):
        GOLDEN.write_text(got, "utf-8")
    assert got == GOLDEN.read_text("utf-8")


def test_columns_have_types_and_missing_is_null(table: Any, results: list[ScanResult]) -> None:
    assert table.num_rows == len(results)
    assert table["fake_probability"].to_pylist()[0] == 0.931
    assert table["label"].to_pylist()[-3:] == [None, None, None]
    assert table["reason"].to_pylist()[-3:] == ["no_face", "unreadable", "missing"]
    row = table.slice(0, 1).to_pylist()[0]
    assert (row["persons"], row["persons_fake"], row["size_bytes"]) == (3, 1, 1_234_567)
    assert row["tracks"][1]["times"] == [3.2, 4.0, 5.1, 6.4]
    assert row["notes"] == ["truncated"]
    assert json.loads(row["settings"])["model"] == "standard"
    assert table["path"].to_pylist()[7] == "caf\ufffd/clip\ufffd.mp4"
    assert table["path_base64"].to_pylist()[7] is not None
    assert os.fsencode(NOT_UTF8).decode("latin-1") not in str(table)


def test_pandas_reads_it(results: list[ScanResult]) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(io.BytesIO(written(results)))
    assert frame["label"].value_counts().to_dict() == {"fake": 2, "uncertain": 1, "real": 3}
    assert frame.loc[frame.label == "fake", "fake_probability"].min() == 0.931
    assert math.isnan(frame["fake_probability"].iloc[-1])
    assert frame["duration"].dtype == "float64"


def test_the_schema_does_not_depend_on_the_results(table: Any, results: list[ScanResult]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    nothing = pq.read_table(io.BytesIO(written([])))
    assert nothing.num_rows == 0
    assert nothing.schema == table.schema == pq.read_table(io.BytesIO(written(results[-1:]))).schema


def test_evidence_and_the_summary_are_kept(results: list[ScanResult]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    proof = Evidence("2026-01-02T03:04:05Z", "ab" * 32, {}, None)
    file = pq.ParquetFile(io.BytesIO(written([dataclasses.replace(results[0], evidence=proof)])))
    assert file.read()["sha256"].to_pylist() == ["ab" * 32]
    assert json.loads(file.metadata.metadata[b"dfdetect.summary"])["fake"] == 1


@pytest.mark.parametrize(("limit", "value", "groups"), [("ROWS", 4, [4, 4, 1]), ("FACES", 8, [1, 2, 6])])
def test_row_groups_bound_the_memory(
    results: list[ScanResult], monkeypatch: pytest.MonkeyPatch, limit: str, value: int, groups: list[int]
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet, limit, value)
    metadata = pq.ParquetFile(io.BytesIO(written(results))).metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == groups


def test_an_interrupted_scan_leaves_a_whole_file(tmp_path: Path, results: list[ScanResult]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    reports = ReportSet()
    reports.to_file("parquet", str(tmp_path / "a.parquet"))
    with contextlib.suppress(KeyboardInterrupt), reports:
        reports.add(results[0])
        raise KeyboardInterrupt
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.metadata.num_rows == 1
    assert json.loads(file.metadata.metadata[b"dfdetect.summary"])["complete"] is False


def test_a_pipe_gets_the_bytes(results: list[ScanResult]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    reading, writing = os.pipe()
    got: list[bytes] = []

    def drain() -> None:
        with open(reading, "rb") as pipe:
            got.append(pipe.read())

    reader = threading.Thread(target=drain)
    reader.start()
    with open(writing, "w", encoding="utf-8") as stream:
        reports = ReportSet()
        reports.to_stream("parquet", stream)
        with reports:
            for result in results:
                reports.add(result)
    reader.join()
    assert pq.read_table(io.BytesIO(got[0])).num_rows == len(results)


@pytest.fixture
def without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("without_pyarrow")
def test_a_missing_package_is_named_before_anything_begins(tmp_path: Path) -> None:
    target = tmp_path / "a.parquet"
    target.write_text("old")
    reports = ReportSet()
    reports.to_file("json", str(tmp_path / "a.json"))
    with pytest.raises(MissingExtraError, match=r'pip install "dfdetect\[parquet\]"'):
        reports.to_file("parquet", str(target))
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"], "no half of a file is left"
    assert target.read_text() == "old"


def test_a_terminal_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    stream = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(stream, "isatty", lambda: True)
    with pytest.raises(InputError, match="--report parquet="):
        make_report("parquet", stream)


def test_samples_cover_every_column(table: Any) -> None:
    empty = [name for name in table.column_names if table[name].null_count == table.num_rows]
    assert sorted(empty) == ["novelty", "sha256"], (
        "columns that no sample fills are not tested by the golden file"
    )
    assert len(samples()) == table.num_rows
