"""Apache Parquet: a row per file with typed columns, for DuckDB, pandas, Polars and Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from dfdetect.errors import InputError, MissingExtraError
from dfdetect.record.plain import plain_result
from dfdetect.record.summary import Summary
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.reports.json_report import dumps
from dfdetect.results import Label, ScanResult

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

ROWS = 1000
"""Rows of a row group at most; so many are held in memory."""
FACES = 50_000
"""… and scored faces: a row group ends with whichever comes first."""


class ParquetReport(Report):
    """The figures of the JSON record in columns (`schema`); persons are a list of structures in the row.

    Bytes go to ``stream.buffer``.  Without pyarrow making it raises `MissingExtraError`, on a terminal
    `InputError`.
    """

    name = "parquet"

    def __init__(self, stream: TextIO, options: ReportOptions | None = None) -> None:
        super().__init__(stream, options)
        check_pyarrow()
        if stream.isatty():
            raise InputError(
                "Parquet is binary and would garble the terminal; "
                "write it to a file: --report parquet=scan.parquet"
            )
        self._target: BinaryIO = stream.buffer
        self._writer: pyarrow.parquet.ParquetWriter | None = None
        self._rows: list[dict[str, Any]] = []
        self._faces = 0

    def begin(self) -> None:
        """Open the table."""
        import pyarrow.parquet

        self.stream.flush()
        self._writer = pyarrow.parquet.ParquetWriter(self._target, schema(), compression="zstd")

    def add(self, result: ScanResult) -> None:
        """Hold one row, and write a row group when there are enough."""
        self._rows.append(_row(result))
        self._faces += sum(len(track.faces) for track in result.tracks)
        if len(self._rows) >= ROWS or self._faces >= FACES:
            self._write_group()

    def end(self, summary: Summary) -> None:
        """Write the last row group and the footer, with the summary of the scan as metadata."""
        if self._writer is None:  # another report could not begin
            return
        if self._rows:
            self._write_group()
        self._writer.add_key_value_metadata({"dfdetect.summary": dumps(summary.as_dict())})
        self._writer.close()
        self._target.flush()

    def _write_group(self) -> None:
        import pyarrow

        assert self._writer is not None
        self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=schema()))
        self._rows, self._faces = [], 0


def check_pyarrow() -> None:
    """Raise `MissingExtraError` that says what to install when Parquet cannot be written."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f'a Parquet report needs pyarrow ({error}); run: pip install "dfdetect[parquet]"'
        ) from error
    del pyarrow


def schema() -> pyarrow.Schema:
    """The columns; new ones are only ever added at the end.  Times in seconds, sizes in pixels or bytes."""
    import pyarrow as pa

    text, real, whole = pa.string(), pa.float64(), pa.int32()
    person = pa.struct(
        [
            pa.field("id", whole, nullable=False),
            ("label", text),
            ("reason", text),
            ("fake_probability", real),
            ("logit", real),
            pa.field("start", real, nullable=False),
            pa.field("end", real, nullable=False),
            pa.field("faces_found", whole, nullable=False),
            ("times", pa.list_(real)),
            ("logits", pa.list_(real)),
        ]
    )
    return pa.schema(
        [
            pa.field("path", text, nullable=False),
            ("path_base64", text),
            ("label", text),
            ("reason", text),
            pa.field("message", text, nullable=False),
            ("fake_probability", real),
            ("logit", real),
            ("band_low", real),
            ("band_high", real),
            ("novelty", real),
            ("kind", text),
            ("container", text),
            ("codec", text),
            ("width", whole),
            ("height", whole),
            ("duration", real),
            ("frame_rate", real),
            ("rotation", whole),
            ("frames_sampled", whole),
            ("size_bytes", pa.int64()),
            pa.field("persons", whole, nullable=False),
            pa.field("persons_fake", whole, nullable=False),
            ("tracks", pa.list_(person)),
            ("notes", pa.list_(text)),
            ("model", text),
            ("model_version", text),
            ("engine", text),
            ("sha256", text),
            pa.field("settings", text, nullable=False),  # as JSON
            pa.field("tool_version", text, nullable=False),
            ("elapsed", real),
            pa.field("schema_version", text, nullable=False),
        ]
    )


def _row(result: ScanResult) -> dict[str, Any]:
    record = plain_result(result)
    media, model = record["media"] or {}, record["model"] or {}
    low, high = record["band"] or (None, None)
    notes = dict.fromkeys(note["code"] for note in (*record["notes"], *media.get("notes", ())))
    return {
        **record,
        **{key: value for key, value in media.items() if key != "notes"},
        "band_low": low,
        "band_high": high,
        "persons": len(result.tracks),
        "persons_fake": sum(track.label is Label.FAKE for track in result.tracks),
        "tracks": [_person(track) for track in record["tracks"]],
        "notes": list(notes),
        "model": model.get("name"),
        "model_version": model.get("version"),
        "engine": model.get("engine"),
        "sha256": (record.get("evidence") or {}).get("sha256"),
        "settings": dumps(record["settings"]),
    }


def _person(track: dict[str, Any]) -> dict[str, Any]:
    faces = track["faces"]
    return {**track, "times": [face["time"] for face in faces], "logits": [face["logit"] for face in faces]}
