"""Which model took part, where a report says it once for many files."""

from __future__ import annotations

from dfdetect.results import ModelStamp


def stamp_key(stamp: ModelStamp) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """The same for all files that one model took part in, whatever each of them says of the engine."""
    return stamp.name, stamp.version, tuple(sorted(stamp.sha256.items()))


def fuller(known: ModelStamp | None, new: ModelStamp | None) -> ModelStamp | None:
    """The first model, with the longest text on its engine, so that the order of the files plays no part.

    A file without a face names the engine without its version: it was not even started for it.
    """
    if known is None or new is None:
        return known or new
    longer = (len(new.engine), new.engine) > (len(known.engine), known.engine)
    return new if longer and stamp_key(new) == stamp_key(known) else known
