"""Find, load, check and write model folders.

A model folder holds ``card.json``, the ONNX files that it names, and ``calibration.json``.  Shipped folders
lie in the package (``dfdetect._models``); any other folder is named by its path.  What the card vouches for
is hashed at every load, so that a network is never run with another one's calibration; only what has not
been touched since the same process (or the one that it was forked from) hashed it is not read again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfdetect.errors import ModelError, SettingsError
from dfdetect.interrupts import interrupts_held
from dfdetect.packaged import MODELS, packaged
from dfdetect.results import ModelStamp
from dfdetect.scoring.card import (
    CALIBRATION_FILE,
    CARD_FILE,
    CLASSIFIER,
    NETWORK_SUFFIX,
    ModelCard,
    card_values,
    parse_card,
    read_card,
    read_json,
)
from dfdetect.scoring.external import external_files

TOLERANCE = 0.05
EIGHT_BIT_TOLERANCE = 0.5
"""For networks with 8-bit activations: a difference in the last bit of a float, as between two processors or
engines, turns some roundings over: a face's logit then moves by about .2 (standard deviation)."""

_SETTLED_NS = 2_000_000_000
"""A file changed less than this before it was hashed may change again without a later time stamp."""
_external: dict[str, list[str]] = {}
"""Sha256 of a network → the files beside it that hold weights of it."""
_hashed: dict[tuple[str | int, ...], str] = {}
"""What a file was when it was hashed (path, device, inode, size, time stamps) → its sha256."""


class UncalibratedError(ModelError):
    """Nothing is wrong with a model folder but that it has no calibration, or one of other networks."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model that was found complete and unaltered."""

    path: Path
    card: ModelCard
    calibration: Mapping[str, Any]
    """The content of ``calibration.json``; empty for a folder that is not a classifier."""
    hashes: Mapping[str, str]
    """File name → sha256 of every file that the card vouches for, and of the card."""

    def stamp(self, engine: str = "") -> ModelStamp:
        """What a result says about the model that took part."""
        return ModelStamp(self.card.name, self.card.version, dict(self.hashes), engine)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """Whether one file of a model folder is the one that its card vouches for."""

    file: str
    ok: bool
    message: str
    """Empty when the file is all right."""
    sha256: str
    """Of the file as it is; empty when it cannot be read."""


def list_models() -> list[str]:
    """Names of the shipped models that `load_model` takes, in alphabetical order (no face detectors)."""
    return [folder.name for folder in shipped_folders() if _is_classifier(folder)]


def refuse_shipped(name: str) -> None:
    """Raise `SettingsError` where `name` is a shipped model or leads to one: nothing may change it."""
    if is_shipped(find_folder(name)):
        raise SettingsError(
            f"'{name}' came with dfdetect and is left as it is; copy its folder and "
            "name the copy by its path, as in: --model ./my-model"
        )


def is_shipped(folder: Path) -> bool:
    """Whether `folder` is that of a model which came with dfdetect."""
    return any(folder.samefile(shipped) for shipped in shipped_folders())


def shipped_folders() -> list[Path]:
    """Every shipped model folder, face detectors too, in alphabetical order.

    Raises `ModelError` when they cannot be listed.
    """
    try:
        root = packaged(MODELS)
        if root is None:
            return []
        return sorted(folder for folder in root.iterdir() if (folder / CARD_FILE).is_file())
    except OSError as error:
        raise ModelError(f"the shipped models cannot be listed: {error.strerror or error}") from error


def find_folder(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a shipped model's name, or of a path; raises `ModelError` when there is none.

    A shipped name comes first: a folder of the same name is reached by ``./NAME``.
    """
    text = os.fspath(name_or_path)
    shipped = {folder.name: folder for folder in shipped_folders()}
    if text in shipped:
        return shipped[text]
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return path
        is_there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: the home of an unknown user
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"model '{text:.60}' cannot be looked for: {reason}") from error
    names = ", ".join(name for name in shipped if _is_classifier(shipped[name])) or "none"
    if is_there:
        raise ModelError(f"model '{text}' is a file; name the folder that holds its {CARD_FILE}")
    raise ModelError(
        f"there is no model '{text}': it is neither a shipped model ({names}) nor an existing folder"
    )


def load_model(name_or_path: str | os.PathLike[str]) -> ModelFolder:
    """Load a classifier's folder after checking every hash; raises `ModelError` that says what is wrong.

    It is an `UncalibratedError` where ``dfdetect calibrate`` mends it.
    """
    folder = find_folder(name_or_path)
    card = read_card(folder)
    if card.kind != CLASSIFIER:
        raise ModelError(f"{folder / CARD_FILE}: a {card.kind} cannot judge faces; name a classifier")
    named = CALIBRATION_FILE in card.files
    there = named and os.path.exists(folder / CALIBRATION_FILE)
    checks = _check_files(folder, card, _hash_settled)
    for check in checks:
        if not check.ok and (there or check.file != CALIBRATION_FILE):
            raise ModelError(f"model '{card.name}' in {folder}: {check.message}")
    if not there:
        wanting = f"there is no {CALIBRATION_FILE}" if named else f"its card names no {CALIBRATION_FILE}"
        raise UncalibratedError(
            f"{folder}: the model has not been calibrated: {wanting}; run dfdetect calibrate"
        )
    calibration = read_json(folder / CALIBRATION_FILE)
    _fits_networks(calibration, card, folder / CALIBRATION_FILE)
    hashes = {check.file: check.sha256 for check in checks}
    hashes[CARD_FILE] = hash_file(folder / CARD_FILE)
    return ModelFolder(path=folder, card=card, calibration=calibration, hashes=hashes)


def check_unchanged(model: ModelFolder) -> None:
    """Raise `ModelError` unless the networks and their weights are still the files that `load_model` hashed.

    For whoever has just opened them: until then they could have been replaced.  An untouched file costs no
    more than a look at its time stamps.  Card and calibration are left out, since `model` holds them.
    """
    for name, sha256 in model.hashes.items():
        if name not in (CARD_FILE, CALIBRATION_FILE) and _hash_settled(model.path / name) != sha256:
            raise ModelError(
                f"model '{model.card.name}' in {model.path}: {name} changed while the model was loaded; "
                "make a new Detector"
            )


def verify(folder: str | os.PathLike[str]) -> tuple[FileCheck, ...]:
    """Hash every file that a model folder's card names (networks and calibration), and say which differ.

    Nothing vouches for the card: whoever altered it with the files is not found out.
    Works for face detectors too.  Raises `ModelError` only when the card itself cannot be read.
    """
    path = find_folder(folder)
    return _check_files(path, read_card(path), hash_file)


def write_card(folder: str | os.PathLike[str], card: ModelCard) -> ModelCard:
    """Write ``card.json`` with the hashes of the files as they are now; returns the card as written.

    Every expert's file must be in the folder.  ``calibration.json`` is vouched for when it is there (without
    it the folder cannot be loaded yet: ``dfdetect calibrate`` comes next), other files when `card.files`
    names them.  The card is replaced in one step.
    """
    path = Path(folder)
    names = [e.file for e in card.experts]
    names += [CALIBRATION_FILE] if (path / CALIBRATION_FILE).exists() else []
    names += [name for name in card.files if name not in names]
    hashes = {name: hash_file(path / name) for name in names}
    experts = tuple(dataclasses.replace(e, sha256=hashes[e.file]) for e in card.experts)
    full = dataclasses.replace(card, experts=experts, files=hashes)
    target = path / CARD_FILE
    parse_card(card_values(full), target)  # a card that could not be read back is not written
    _write_json(target, card_values(full))
    return full


def save_calibration(folder: str | os.PathLike[str], calibration: Mapping[str, Any]) -> ModelCard:
    """Write ``calibration.json``, stamped with the networks it belongs to, and the card with its new hash."""
    path = Path(folder)
    card = read_card(path)
    networks = {e.file: hash_file(path / e.file) for e in card.experts}
    _write_json(path / CALIBRATION_FILE, {**calibration, "networks": networks})
    return write_card(path, card)


@contextlib.contextmanager
def restored_on_failure(folder: Path) -> Iterator[None]:
    """Put a folder's card and calibration back as they were unless the block comes to its end."""
    before = {path: _content(path) for path in (folder / CALIBRATION_FILE, folder / CARD_FILE)}
    try:
        yield
    except BaseException:  # Ctrl-C above all
        with interrupts_held():
            for path, content in before.items():
                if content is None:
                    path.unlink(missing_ok=True)
                elif content != _content(path):
                    _replace(path, content)
        raise


def logit_tolerance(folder: ModelFolder) -> float:
    """How far a file's logit may lie from that of another machine: what the networks' arithmetic allows."""
    eight_bit = any(expert.quick_file is not None for expert in folder.card.experts)
    return EIGHT_BIT_TOLERANCE if eight_bit else TOLERANCE


def hash_file(path: Path) -> str:
    """Sha256 of a file in hexadecimal; raises `ModelError` when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


def _hash_settled(path: Path) -> str:
    """As `hash_file`, from memory where the file is untouched: a tenth of a second for the default model."""
    try:
        before = path.stat()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    stamps = before.st_mtime_ns, before.st_ctime_ns
    key = (os.path.abspath(path), before.st_dev, before.st_ino, before.st_size, *stamps)
    if key not in _hashed:
        digest = hash_file(path)
        if time.time_ns() - max(stamps) < _SETTLED_NS:
            return digest
        _hashed[key] = digest
    return _hashed[key]


def _check_files(folder: Path, card: ModelCard, digest: Callable[[Path], str]) -> tuple[FileCheck, ...]:
    checks = [_check_file(folder / name, wanted, digest) for name, wanted in sorted(card.files.items())]
    networks = [check.file for check in checks if check.ok and check.file.endswith(NETWORK_SUFFIX)]
    return (*checks, *(check for name in networks for check in _check_external(folder, name, card)))


def _check_external(folder: Path, network: str, card: ModelCard) -> Iterator[FileCheck]:
    """The files that hold weights of a network and that the card does not vouch for."""
    sha256 = card.files[network]
    try:
        if sha256 not in _external:
            _external[sha256] = external_files(folder / network)
    except ModelError as error:
        yield FileCheck(network, False, str(error), sha256)
        return
    for name in _external[sha256]:
        if name not in card.files:
            message = (
                f"{network} keeps weights in '{name}', for which the card does not vouch; name that file, "
                f"with its sha256, under 'files' in {CARD_FILE}"
            )
            yield FileCheck(name, False, message, "")


def _check_file(path: Path, wanted: str, digest: Callable[[Path], str]) -> FileCheck:
    name = path.name
    try:
        found = digest(path)
    except ModelError as error:
        return FileCheck(name, False, str(error), "")
    if found == wanted:
        return FileCheck(name, True, "", found)
    message = (
        f"{name} is not the file that the card vouches for (sha256 {found[:12]}…, expected {wanted[:12]}…); "
        f"install the model again or, if you changed the file on purpose, put its new sha256 into {CARD_FILE}"
    )
    return FileCheck(name, False, message, found)


def _fits_networks(calibration: Mapping[str, Any], card: ModelCard, path: Path) -> None:
    """Refuse a calibration that says it was fitted on other networks than these."""
    networks = calibration.get("networks")
    if networks is None:
        return
    if networks != {e.file: e.sha256 for e in card.experts}:
        raise UncalibratedError(
            f"{path}: this calibration was fitted on other networks than those in the folder; "
            "run dfdetect calibrate"
        )


def _is_classifier(folder: Path) -> bool:
    try:
        card = read_json(folder / CARD_FILE)
    except ModelError:
        return False
    return card.get("kind", CLASSIFIER) == CLASSIFIER and bool(card.get("experts"))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _replace(path, text.encode())


def _replace(path: Path, content: bytes) -> None:
    """Write beside the target and rename, so that a reader never sees half a file."""
    # A name that nobody can foresee: others may be allowed to put a link into this folder.
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as stream:
            stream.write(content)
        os.replace(part, path)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
