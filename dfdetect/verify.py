"""Does a scan come out again as it was recorded?  An evidence record and a file in, a `Verification` out.

The file is found in the record by the sha256 of its bytes, whatever it is called by now; then the model that
is installed must be the recorded one; then the scan is repeated with the recorded settings, and everything
that the record says is compared.  Should the record have several results of these bytes, all of them must
come out again: a second one under another name could otherwise say anything.
"""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dfdetect import __version__
from dfdetect.detector import Detector
from dfdetect.errors import InputError, MediaError, ModelError, SettingsError
from dfdetect.media.evidence import hash_source
from dfdetect.media.source import make_source
from dfdetect.names import plural, printable
from dfdetect.record.compare import (
    Difference,
    compare_origin,
    compare_results,
    compare_summary,
)
from dfdetect.record.parse import read_document
from dfdetect.record.surroundings import Change as Change
from dfdetect.record.surroundings import compare_credentials, find_changes
from dfdetect.results import ModelStamp, Reason, ScanResult
from dfdetect.scoring.models import ModelFolder, is_shipped, load_model, logit_tolerance
from dfdetect.settings import Settings
from dfdetect.words import label_words, percent

# How messages call what was scanned without a path: bytes, an open file, standard input.
_NAMELESS = ("the data", "the stream", "'standard input'")


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
    own_model: str | None = None
    """The folder of the model, where it did not come with dfdetect, whether the record names it or
    `model_folder` does: whoever made it chose what judges there.  Of several results of these bytes, that of
    the first with one."""
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
        found, around = read_document(record, strict=True)
        results = list(found)
        self._by_path: dict[str, list[ScanResult]] = defaultdict(list)
        for result in results:
            self._by_path[os.path.normpath(result.path)].append(result)
            self._by_name.setdefault(os.path.basename(result.path), result)
            if result.evidence is not None and result.evidence.sha256 is not None:
                self._by_hash[result.evidence.sha256].append(result)
        if not self._by_hash:
            raise InputError(
                f"{os.fspath(record)} holds no hash of a file, so nothing can be verified with it: "
                "make a record with dfdetect scan --report record=FILE"
            )
        self._summary = () if around is None else compare_summary(around, results)
        self._folders: dict[str, ModelFolder] = {}
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
        entries = self._entries(sha256, path)
        if not entries:
            return Verification(path, False, self._unknown(path, sha256), sha256)
        scans: dict[Settings, ScanResult] = {}
        together = _together([(entry, self._repeat(path, sha256, entry, scans)) for entry in entries])
        paths = dict.fromkeys(os.path.normpath(entry.path) for entry in entries)
        others = [result for name in paths for result in self._by_path[name] if _sha256(result) != sha256]
        told = "".join(map(_namesake, (other for other in others if _sha256(other) is not None)))
        return dataclasses.replace(together, message=together.message + told)

    def _repeat(
        self, path: str, sha256: str, recorded: ScanResult, scans: dict[Settings, ScanResult]
    ) -> Verification:
        """Verify one recorded result; `scans` holds those that have been made of this file."""
        settings = self._settings(recorded)
        try:
            folder = self._load(settings.model)
        except ModelError as error:
            message = f"cannot be repeated here: {error}; name its folder with --model-folder"
            return Verification(path, False, message, sha256, recorded.path, True, model_missing=True)
        problem = _other_model(recorded.model, folder)
        if problem is not None:
            return Verification(path, False, problem, sha256, recorded.path, True, False)
        if settings not in scans:
            scans[settings] = self._scan(path, settings)
        found = scans[settings]
        if found.evidence is None or found.evidence.sha256 != sha256:
            return Verification(path, False, "the file changed while it was verified: try again", sha256)
        found = _renamed(found, path, recorded)
        differences = (
            *self._summary,
            *self._unbound(recorded),
            *compare_origin(recorded, found),
            *compare_credentials(recorded, found),
            *compare_results(recorded, found, logit_tolerance(folder)),
        )
        compared = _compared(path, sha256, recorded, found, differences)
        return compared if recorded.model is None else _with_own_model(compared, folder)

    def _entries(self, sha256: str, path: str) -> list[ScanResult]:
        """The results of these bytes, those of the same name first."""
        name = os.path.basename(path)
        return sorted(self._by_hash.get(sha256, []), key=lambda entry: os.path.basename(entry.path) != name)

    def _unbound(self, recorded: ScanResult) -> Iterator[Difference]:
        """Further results of the recorded path that are bound to no bytes: a scan gives one for each path."""
        for other in self._by_path[os.path.normpath(recorded.path)]:
            if _sha256(other) is None:
                yield Difference(f"another result of '{other.path}'", _answer(other), None, None, False)

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
        values: dict[str, object] = {"evidence": True, "pictures": False}
        if self._model_folder is not None:
            values["model"] = self._model_folder
        try:
            settings = Settings.from_mapping(recorded.settings).replace(**values)
        except (SettingsError, TypeError) as error:
            made_by = recorded.tool_version
            remedy = (
                "the file can only be scanned anew"
                if made_by == __version__
                else f"it was made by dfdetect {made_by}: verify it with that version"
            )
            raise SettingsError(f"the record's settings cannot be used ({error}); {remedy}") from error
        # Whom somebody trusted changes no figure, and what a record names as their list may be any file.
        return settings.replace(trust_list=None)

    def _load(self, model: str) -> ModelFolder:
        if model not in self._folders:
            self._folders[model] = load_model(model)
        return self._folders[model]

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


def _sha256(result: ScanResult) -> str | None:
    return None if result.evidence is None else result.evidence.sha256


def _namesake(other: ScanResult) -> str:
    """What to add about a result of other bytes that is recorded under the same path."""
    said = f"{_answer(other)}, of other bytes (sha256 {(_sha256(other) or '')[:12]}…)"
    return f"; the record has another result of '{printable(other.path)}': {said}, which was not verified"


def _other_model(recorded: ModelStamp | None, folder: ModelFolder) -> str | None:
    """What to say when the installed model is not the recorded one; None when it is."""
    if recorded is None:
        return None
    names = sorted({*recorded.sha256, *folder.hashes})
    other = [name for name in names if recorded.sha256.get(name) != folder.hashes.get(name)]
    other += ["name"] if recorded.name != folder.card.name else []
    other += ["version"] if recorded.version != folder.card.version else []
    if not other:
        return None
    return (
        f"recorded with model {recorded.name} {recorded.version}, which is not the one here "
        f"({folder.card.name} {folder.card.version}; {', '.join(other)} differ): not repeated; "
        "name the folder of the recorded model with --model-folder"
    )


def _renamed(found: ScanResult, path: str, recorded: ScanResult) -> ScanResult:
    """The result with the recorded name in its message: that of an unreadable file begins with its name."""
    here = f"'{printable(path)}'"
    if found.message == recorded.message or not found.message.startswith(here):
        return found
    rest = found.message.removeprefix(here)
    named = f"'{printable(recorded.path)}'{rest}"
    said = next((text for name in _NAMELESS if (text := name + rest) == recorded.message), named)
    return dataclasses.replace(found, message=said)


def _together(outcomes: Sequence[tuple[ScanResult, Verification]]) -> Verification:
    """Those of all results of the same bytes in one: the first's, unless another comes out again less well.

    Every other answer, and every other model that a record brought along, is told in the message too.
    """
    (_, first), *others = outcomes
    if not others:
        return first
    chosen, told = max(outcomes, key=lambda pair: _gravity(pair[1]))
    said = {(_answer(chosen), told.own_model)}
    messages = [told.message if told is first else f"as {chosen.path}: {told.message}"]
    for entry, outcome in outcomes:
        claim = (_answer(entry), outcome.own_model)
        if claim not in said:
            said.add(claim)
            messages.append(
                f"the record has another result of the same bytes, as {entry.path}: {outcome.message}"
            )
    return dataclasses.replace(
        told,
        message="; ".join(messages),
        recorded_path=first.recorded_path,
        own_model=next((outcome.own_model for _, outcome in outcomes if outcome.own_model), None),
        differences=(*first.differences, *_of_others(first, [outcome for _, outcome in others])),
        changes=tuple(dict.fromkeys(change for _, outcome in outcomes for change in outcome.changes)),
    )


def _gravity(outcome: Verification) -> int:
    """How much an outcome weighs: one that does not reproduce more than one of which nothing is known, and
    this more than any that does, those to the last digit least."""
    if not outcome.reproduces:
        return 3 if outcome.model_missing else 4
    other_version = any(change.name == "dfdetect" for change in outcome.changes)
    return 2 if other_version and _sentences(outcome.differences) else 1 if outcome.differences else 0


def _of_others(first: Verification, others: Sequence[Verification]) -> Iterator[Difference]:
    """The differences of further results, each named by its file, but for those that all have."""
    for other in others:
        for difference in other.differences:
            if difference not in first.differences:
                what = f"as {other.recorded_path}: {difference.what}"
                yield dataclasses.replace(difference, what=what)


def _compared(
    path: str,
    sha256: str,
    recorded: ScanResult,
    found: ScanResult,
    differences: tuple[Difference, ...],
) -> Verification:
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
        changes=tuple(find_changes(recorded, found)),
    )


def _with_own_model(compared: Verification, folder: ModelFolder) -> Verification:
    """The same, and whether the model is somebody's own: it may be made to give this very result."""
    if is_shipped(folder.path):
        return compared
    place = os.fspath(folder.path)
    said = f"judged by the model in '{printable(place)}', which did not come with dfdetect"
    return dataclasses.replace(compared, own_model=place, message=f"{compared.message}; {said}")


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
    sentences = _sentences(differences)
    if sentences and recorded.tool_version != found.tool_version:
        return (
            f"reproduces in its figures within tolerance, NOT in its words ({answer}): "
            f"{plural(sentences, 'sentence')} not as dfdetect {found.tool_version} says it, which another "
            f"version ({recorded.tool_version}) may have written; go by the figures"
        )
    if differences:
        return f"reproduces within tolerance, {plural(len(differences), 'figure')} not exactly ({answer})"
    return f"reproduces to the last digit ({answer})"


def _sentences(differences: Sequence[Difference]) -> int:
    """How many of them are of words, not figures."""
    return sum(isinstance(d.recorded, str) and isinstance(d.found, str) for d in differences)


def _answer(result: ScanResult) -> str:
    words = label_words(result.label, result.reason)
    if result.fake_probability is None:
        return words
    return f"{words}, probability of a fake {percent(result.fake_probability)}"
