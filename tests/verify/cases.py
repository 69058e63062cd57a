"""A record of real scans with the light model, and what tests change in it."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfdetect.record.parse import parse_result
from dfdetect.record.summary import Summary
from dfdetect.verify import Verification, Verifier

DATA = Path(__file__).resolve().parents[2] / "data"
Record = dict[str, Any]
PHOTO, CLIP, LETTER = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Case:
    """A record of a photo, a video and a file that is no media, in the folder of its files."""

    folder: Path
    record: Record

    def verify(
        self,
        name: str,
        change: Callable[[list[Record]], object] | None = None,
        around: Callable[[Record], object] | None = None,
    ) -> Verification:
        """Verify the file `name` against the record, changed by `change` (of its list of results).

        Its summary then says what these results come to, unless `around` changes it.
        """
        record = copy.deepcopy(self.record)
        if change is not None:
            change(record["results"])
            record["summary"] = summed(record["results"])
        if around is not None:
            around(record)
        path = self.folder / "changed.json"
        path.write_text(json.dumps(record), "utf-8")
        return Verifier(path).verify(str(self.folder / name))


def summed(results: list[Record]) -> Record:
    summary = Summary()
    for result in results:
        summary.add(parse_result(result))
    return summary.as_dict()


def other_label(record: Record) -> str:
    return "real" if record["label"] == "fake" else "fake"


def of_version(version: str, record: Record) -> None:
    """The record as that version of dfdetect would have written it."""
    record["tool"]["version"] = version
    for result in record["results"]:
        result["tool_version"] = result["evidence"]["versions"]["dfdetect"] = version
