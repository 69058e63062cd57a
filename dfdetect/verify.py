"""Does a scan come out again as it was recorded?  An evidence record and a file in, a `Verification` out.

The file is found in the record by the sha256 of its bytes, whatever it is called by now; then the model that
is installed must be the recorded one; then the scan is repeated with the recorded settings, and everything
that the record says is compared.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dfdetect.detector import Detector
from dfdetect.errors import InputError, MediaError, ModelError, SettingsError
from dfdetect.evaluate.selftest import logit_tolerance
from dfdetect.media.evidence import hash_source
from dfdetect.media.source import make_source
from dfdetect.reports.compare import Difference, compare_results
from dfdetect.reports.parse import read_results
from dfdetect.reports.words import label_words, percent, plural
from dfdetect.results import Credentials, ModelStamp, Reason, ScanResult
from dfdetect.scoring.models import ModelFolder, load_model
from dfdetect.settings import Settings


@dataclass(frozen=True, slots=True)
class Change:
    """Something around the scan that is not as it was recorded, and need not be."""

    name: str
    """A library, the engine, the processor, or a statement of the Content Credentials."""
    recorded: str | None
    here: str | None


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether one file's recorded result comes out again."""

    path: str
    reproduces: bool
    """The same file, judged by the same model and face detector, gives the same result within tolerance."""
    message: str
    """One sentence for people."""
    sha256: str | None = None
    """Of the file as it is now; None when it cannot be read."""
    recorded_path: str | None = None
    """What the record calls this file."""
    same_file: bool = False
    """Whether the record has a result of exactly these bytes."""
    same_model: bool | None = None
    """Whether the model that is installed is the recorded one, by its hashes; None when that was not reached
    or no model took part."""
    same_detector: bool | None = None
    """The same of the face detector."""
    differences: tuple[Difference, ...] = ()
    """Whatever is not as recorded to the last digit; empty when the scan was not repeated."""
    changes: tuple[Change, ...] = ()
    """Versions that differ, by name."""
    reason: Reason | None = None
    """Why the file cannot be read."""
    model_missing: bool = False
    """The recorded model is not on this machine, so that nothing is known."""


class Verifier:
    """Holds a record and verifies files against it.

    `model_folder` is where the recorded model lies on this machine, if not at the recorded place.  Raises
    `InputError` when `record` cannot be read or holds no hash of a file.
    """

    def __init__(self, record: str | os.PathLike[str], model_folder: str | None = None) -> None:
        self._model_folder = model_folder
        self._by_hash: dict[str, list[ScanResult]] = defaultdict(list)
        self._by_name: dict[str, ScanResult] = {}
        for result in read_results(record):
            self._by_name.setdefault(os.path.basename(result.path), result)
            if result.evidence is not None and result.evidence.sha256 is not None:
                self._by_hash[result.evidence.sha256].append(result)
        if not self._by_hash:
            raise InputError(
                f"{os.fspath(record)} holds no hash of a file, so nothing can be verified with it: "
                "make a record with dfdetect scan --report record=FILE"
            )
        self._detector: Detector | None = None

    def verify(self, path: str) -> Verification:
        """Repeat the recorded scan of `path` and compare.

        What is wrong with the file is in the answer.  Raises `SettingsError` for recorded settings that this
        version does not know, and whatever a `Detector` raises when its parts are not installed.
        """
        try:
            sha256 = _hash(path)
        except MediaError as error:
            return Verification(path, False, error.message, reason=error.reason)
        recorded = self._find(sha256, path)
        if recorded is None:
            return Verification(path, False, self._unknown(path, sha256), sha256)
        settings = self._settings(recorded)
        try:
            folder = load_model(settings.model)
        except ModelError as error:
            message = f"cannot be repeated here: {error}; name its folder with --model-folder"
            return Verification(path, False, message, sha256, recorded.path, True, model_missing=True)
        problem = _other_model(recorded.model, folder)
        if problem is not None:
            return Verification(path, False, problem, sha256, recorded.path, True, False)
        found = self._scan(path, settings)
        if found.evidence is None or found.evidence.sha256 != sha256:
            return Verification(path, False, "the file changed while it was verified: try again", sha256)
        return _compared(path, sha256, recorded, found, logit_tolerance(folder))

    def _find(self, sha256: str, path: str) -> ScanResult | None:
        """The result of these bytes; of several that of the same name."""
        entries = self._by_hash.get(sha256, [])
        name = os.path.basename(path)
        named = (entry for entry in entries if os.path.basename(entry.path) == name)
        return next(named, entries[0] if entries else None)

    def _unknown(self, path: str, sha256: str) -> str:
        named = self._by_name.get(os.path.basename(path))
        text = f"the record has no file with these bytes (sha256 {sha256[:12]}…)"
        if named is None:
            return text
        if named.evidence is None or named.evidence.sha256 is None:
            return f"{text}; the one of this name could not be read then: {named.message}"
        return f"{text}; the one of this name had other bytes (sha256 {named.evidence.sha256[:12]}…)"

    def _settings(self, recorded: ScanResult) -> Settings:
        # Evidence, to see that the file is still the same; pictures are never in a record.
        values = {**recorded.settings, "evidence": True, "pictures": False}
        if self._model_folder is not None:
            values["model"] = self._model_folder
        if not os.access(values.get("trust_list") or "", os.R_OK):
            values["trust_list"] = None  # whom somebody trusted changes no figure
        try:
            return Settings.from_mapping(values)
        except (SettingsError, TypeError) as error:
            raise SettingsError(
                f"the record's settings cannot be used ({error}); it was made by dfdetect "
                f"{recorded.tool_version}: verify it with that version"
            ) from error

    def _scan(self, path: str, settings: Settings) -> ScanResult:
        if self._detector is None or self._detector.settings != settings:
            self._detector = Detector(settings)
        return self._detector.scan(path)


def _hash(path: str) -> str:
    source = make_source(path)
    try:
        return hash_source(source)
    finally:
        source.close()


def _other_model(recorded: ModelStamp | None, folder: ModelFolder) -> str | None:
    """What to say when the installed model is not the recorded one; None when it is."""
    if recorded is None:
        return None
    names = sorted({*recorded.sha256, *folder.hashes})
    other = [name for name in names if recorded.sha256.get(name) != folder.hashes.get(name)]
    if not other:
        return None
    return (
        f"recorded with model {recorded.name} {recorded.version}, which is not the one here "
        f"({folder.card.name} {folder.card.version}; {', '.join(other)} differ): not repeated; "
        "name the folder of the recorded model with --model-folder"
    )


def _compared(
    path: str, sha256: str, recorded: ScanResult, found: ScanResult, tolerance: float
) -> Verification:
    differences = compare_results(recorded, found, tolerance)
    same_detector = _same_parts(recorded.detector, found.detector)
    failed = sum(not difference.within for difference in differences)
    return Verification(
        path=path,
        reproduces=not failed and same_detector is not False,
        message=_sentence(recorded, found, differences, failed, same_detector),
        sha256=sha256,
        recorded_path=recorded.path,
        same_file=True,
        same_model=None if recorded.model is None else True,
        same_detector=same_detector,
        differences=differences,
        changes=tuple(_changes(recorded, found)),
    )


def _same_parts(recorded: ModelStamp | None, found: ModelStamp | None) -> bool | None:
    if recorded is None:
        return None
    return found is not None and (recorded.name, recorded.version, dict(recorded.sha256)) == (
        found.name,
        found.version,
        dict(found.sha256),
    )


def _sentence(
    recorded: ScanResult,
    found: ScanResult,
    differences: tuple[Difference, ...],
    failed: int,
    same_detector: bool | None,
) -> str:
    answer = _answer(recorded)
    if failed:
        ours = _answer(found)
        verdict = f"recorded {answer}, here {ours}" if ours != answer else f"{answer} both times"
        return f"does NOT reproduce: {plural(failed, 'figure')} beyond tolerance ({verdict})"
    if same_detector is False:
        return f"other face detector than recorded: the result is the same ({answer}), its parts are not"
    if differences:
        return f"reproduces within tolerance, {plural(len(differences), 'figure')} not exactly ({answer})"
    return f"reproduces to the last digit ({answer})"


def _answer(result: ScanResult) -> str:
    words = label_words(result.label, result.reason)
    if result.fake_probability is None:
        return words
    return f"{words}, probability of a fake {percent(result.fake_probability)}"


def _changes(recorded: ScanResult, found: ScanResult) -> Iterator[Change]:
    """Tool, engine and library versions, machine and credentials that are not as they were."""
    before, now = _surroundings(recorded), _surroundings(found)
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield Change(name, before.get(name), now.get(name))


def _surroundings(result: ScanResult) -> Mapping[str, str]:
    named = {"dfdetect": result.tool_version}
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
        f"Content Credentials: {name.replace('_', ' ')}": ", ".join(value)
        if isinstance(value, tuple)
        else str(value)
        for name, value in said.items()
        if value not in (None, ())
    }
