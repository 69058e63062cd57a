"""What files of a scan have in common, told once: settings, models with their known limits, versions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfdetect.errors import ModelError
from dfdetect.reports.stamps import fuller, stamp_key
from dfdetect.results import ModelStamp, ScanResult

MOST = 12
"""Entries that are kept for the end; from there on (results of many scans) a file says it by itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that took part in scans."""

    anchor: str
    title: str
    summary: str
    rows: tuple[tuple[str, str], ...]
    limits: tuple[str, ...] = ()
    """Known failures of a model, from its card."""


class Appendix:
    """Collects the entries that the files refer to; its size does not grow with their number."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._stamps: dict[str, ModelStamp | None] = {}
        """Of the entries on models and detectors, under the same keys."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Models first, then settings and versions, each in order of appearance."""
        order = {"model": 0, "detector": 1, "settings": 2, "versions": 3}
        return tuple(sorted(self._entries.values(), key=lambda entry: order[entry.anchor.split("-")[0]]))

    def refer(self, result: ScanResult) -> tuple[list[Entry], list[Entry]]:
        """What this file refers to: entries at the end of the report, and entries that only it can show."""
        wanted: list[tuple[str, str, Any]] = []
        if result.model is not None:
            wanted.append(("model", f"Model {result.model.name} {result.model.version}", result.model))
        if result.detector is not None:
            stamp = result.detector
            wanted.append(("detector", f"Face detector {stamp.name} {stamp.version}", stamp))
        wanted.append(("settings", f"Settings, dfdetect {result.tool_version}", result.settings))
        if result.evidence is not None and result.evidence.versions:
            wanted.append(("versions", "Libraries and machine", result.evidence.versions))
        common, own = [], []
        for kind, title, value in wanted:
            key = kind + title + _canonical(value)
            if key not in self._entries:
                number = sum(entry.anchor.startswith(kind) for entry in self._entries.values()) + 1
                entry = _entry(f"{kind}-{number}", title, value, result.settings)
                if len(self._entries) >= MOST:
                    own.append(entry)
                    continue
                self._entries[key] = entry
            if isinstance(value, ModelStamp):
                self._name_engine(key, value)
            common.append(self._entries[key])
        return common, own

    def _name_engine(self, key: str, stamp: ModelStamp) -> None:
        """Let an entry say as much of the engine as any file does."""
        known = self._stamps[key] = fuller(self._stamps.get(key), stamp)
        if known is stamp:
            self._entries[key] = dataclasses.replace(self._entries[key], rows=_stamp_rows(stamp))


def _entry(anchor: str, title: str, value: Any, settings: Mapping[str, Any]) -> Entry:
    if isinstance(value, ModelStamp):
        summary, limits = _card(value, settings) if anchor.startswith("model") else ("", ())
        return Entry(anchor, title, summary, _stamp_rows(value), limits)
    return Entry(anchor, title, "", tuple((name, _words(value[name])) for name in value))


def _stamp_rows(stamp: ModelStamp) -> tuple[tuple[str, str], ...]:
    engine = [("Engine", stamp.engine)] if stamp.engine else []
    return (*engine, *((f"sha256 of {name}", stamp.sha256[name]) for name in sorted(stamp.sha256)))


def _card(stamp: ModelStamp, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Summary and known limits from the model's card, if the very card that took part is at hand."""
    from dfdetect.scoring.card import CARD_FILE, read_card
    from dfdetect.scoring.models import find_folder, hash_file

    for name in dict.fromkeys((stamp.name, settings.get("model"))):
        if not isinstance(name, str) or not name or "\0" in name:
            continue
        try:
            folder = find_folder(name)
            if hash_file(folder / CARD_FILE) == stamp.sha256.get(CARD_FILE):
                card = read_card(folder)
                return card.summary, card.limits
        except (ModelError, OSError):
            continue
    return "", ()


def _canonical(value: Any) -> str:
    if isinstance(value, ModelStamp):
        value = stamp_key(value)
    return json.dumps(value, sort_keys=True, default=repr)


def _words(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
