"""What is around two scans of the same file: versions, machine, Content Credentials.

Most of it need not be as it was, and is told as a `Change`; what the credentials say follows from the bytes
where the same versions have read them, so there it is a `Difference`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dfdetect.record.compare import Difference, accepted_note
from dfdetect.results import Credentials, ScanResult

_READER = "c2pa-python"
# Of the credentials: neither a list of certificates nor the date has a say in these.
_OF_BYTES = ("present", "signer", "generator", "declares_generated")


@dataclass(frozen=True, slots=True)
class Change:
    """Something around the scan that is not as it was recorded, and need not be."""

    name: str
    """A library, the engine, the processor, a statement of the Content Credentials, or a baseline's note."""
    recorded: str | None
    here: str | None


def find_changes(recorded: ScanResult, found: ScanResult) -> Iterator[Change]:
    """Tool, engine and library versions, machine and credentials that are not as they were."""
    before, now = _surroundings(recorded), _surroundings(found)
    told = {_title(name) for name in _OF_BYTES} if _same_reader(recorded, found) else set()
    for name in sorted({*before, *now} - told):
        if before.get(name) != now.get(name):
            # A record's trust list is not read, so that whether its signer is trusted is not asked.
            here = "not checked" if name == _title("trusted") else now.get(name)
            yield Change(name, before.get(name), here)


def compare_credentials(recorded: ScanResult, found: ScanResult) -> Iterator[Difference]:
    """What the credentials say of the file, where the same versions here say it otherwise of its bytes."""
    if not _same_reader(recorded, found):
        return
    before, now = (_credentials(result) for result in (recorded, found))
    for name in _OF_BYTES:
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            yield Difference(_title(name), old, new, None, False)


def _same_reader(recorded: ScanResult, found: ScanResult) -> bool:
    """Whether both have credentials, or that there are none, from the same version of the same library."""
    if _credentials(recorded) is None or _credentials(found) is None:
        return False
    readers = [
        (result.tool_version, None if result.evidence is None else result.evidence.versions.get(_READER))
        for result in (recorded, found)
    ]
    return readers[0] == readers[1]


def _credentials(result: ScanResult) -> Credentials | None:
    return None if result.evidence is None else result.evidence.credentials


def _surroundings(result: ScanResult) -> Mapping[str, str]:
    named = {"dfdetect": result.tool_version}
    mark = accepted_note(result)
    if mark is not None:
        named["accepted by a baseline"] = mark.text
    if result.evidence is not None:
        named |= {**result.evidence.versions, **_statements(result.evidence.credentials)}
    if result.model is not None:
        named["engine"] = result.model.engine
    if result.detector is not None:
        named["engine of the face detector"] = result.detector.engine
    return named


def _statements(found: Credentials | None) -> dict[str, str]:
    """What the Content Credentials said; trust lists and the validity of certificates change with time."""
    if found is None:
        return {}
    said = {name: getattr(found, name) for name in Credentials.__dataclass_fields__}
    return {
        _title(name): ", ".join(value) if isinstance(value, tuple) else str(value)
        for name, value in said.items()
        if value not in (None, ())
    }


def _title(name: str) -> str:
    return f"Content Credentials: {name.replace('_', ' ')}"
