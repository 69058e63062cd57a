"""Content Credentials (C2PA): what a signed manifest in a file says of it, and whether the signature holds.

Read with ``c2pa-python`` (extra ``c2pa``) and without any network: manifests that lie elsewhere are not
fetched, certificates are not checked for revocation.  A file without credentials says nothing about its
truth, and valid ones do not make it real; so they stand beside the verdict and never change it.
States, codes and labels are those of the C2PA Technical Specification 2.x (https://spec.c2pa.org).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import stat
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from dfdetect.errors import MediaError, SettingsError
from dfdetect.media.sniff import Family, sniff
from dfdetect.results import Credentials

if TYPE_CHECKING:
    from dfdetect.media.source import Source

# The type of the JUMBF superbox that is a manifest store, the same in every format; it stands so early in the
# store that no format's segments split it.
_STORE = bytes.fromhex("63327061-0011-0010-8000-00aa00389b71".replace("-", ""))
_LINK = b"dcterms:provenance"  # XMP: where a manifest lies that is not in the file

# The library holds a photo in memory as a whole, up to twice; it reads videos piece by piece.
_MOST_PHOTO_BYTES = 256 << 20
_MOST_TRUST_BYTES = 16 << 20
_MOST_TEXT, _MOST_CODES, _MOST_MANIFESTS, _MOST_DEPTH = 200, 32, 64, 12

# Digital source types of IPTC NewsCodes that stand for the work of a generative model, in whole or in part
# (http://cv.iptc.org/newscodes/digitalsourcetype); `algorithmicMedia` is drawn by a formula, not a model.
_GENERATED = frozenset(
    {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"}
)
_SOURCE_TYPE = frozenset({"digitalSourceType", "Iptc4xmpExt:DigitalSourceType"})
_ASSERTIONS = ("c2pa.actions", "c2pa.metadata", "cawg.metadata", "stds.iptc")
_DERIVED_FROM = frozenset({"parentOf", "componentOf"})

_NO_ACCESS, _BROKEN = "manifest.inaccessible", "general.error"
_TOO_LARGE, _UNKNOWN_FORMAT = "dfdetect.tooLarge", "dfdetect.unknownFormat"  # ours: not examined
_FORMATS = {"jpegxl": "jxl"}  # otherwise the library calls a format as `sniff` does


class Trace(IntEnum):
    """What in the bytes of a file hints at credentials."""

    NONE = 0
    LINK = 1
    """The address of a manifest, perhaps."""
    STORE = 2
    """A manifest store, perhaps damaged."""


class TraceFinder:
    """Looks for traces in bytes that come piece by piece.

    It spares all other files the parsers of the library, which read a whole photo into memory, and it tells
    a file with broken credentials from one that has none.
    """

    def __init__(self) -> None:
        self.trace = Trace.NONE
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        if self.trace is Trace.STORE:
            return
        window = self._tail + chunk
        if _STORE in window:
            self.trace = Trace.STORE
        elif _LINK in window:
            self.trace = Trace.LINK
        self._tail = window[-max(len(_STORE), len(_LINK)) + 1 :]


def read_trust_list(path: str | os.PathLike[str]) -> str:
    """The certificates (PEM) of a trust list such as https://github.com/c2pa-org/conformance-public offers.

    Raises `SettingsError` when the file cannot be read, is no regular file or too large, or holds none.
    """
    path = os.path.expanduser(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for, a device might never end
            raise OSError("it is not a regular file")
        with open(path, "rb") as file:
            data = file.read(_MOST_TRUST_BYTES + 1)
        if len(data) > _MOST_TRUST_BYTES:
            raise OSError(f"it is larger than {_MOST_TRUST_BYTES >> 20} MB")
        text = data.decode("utf-8").replace("\r\n", "\n")
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read the trust list {path}: {error}") from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise SettingsError(f"the trust list {path} holds no certificate: it must be a PEM file")
    return text


def read_credentials(source: Source, trace: Trace, trust_list: str | None = None) -> Credentials | None:
    """What the credentials of a file say; None when ``c2pa-python`` is not installed.

    `trace` is what a `TraceFinder` saw in all of its bytes.  `trust_list` holds the certificates of
    `read_trust_list`; without them `Credentials.trusted` is None, since no list ships with dfdetect.
    Never raises for what is in a file: a damaged manifest is *present* and not *valid*.
    """
    if importlib.util.find_spec("c2pa") is None:
        return None
    sniffed = sniff(source.head())
    if trace is Trace.NONE or sniffed.family in (Family.TEXT, Family.OTHER):
        return Credentials(present=False)
    try:
        c2pa: Any = importlib.import_module("c2pa")
    except (ImportError, OSError, RuntimeError):  # its native library is missing or does not fit
        return None
    if source.size > _MOST_PHOTO_BYTES and sniffed.family is Family.PHOTO:
        return Credentials(present=trace is Trace.STORE, problems=(_TOO_LARGE,))
    form = _FORMATS.get(sniffed.format, sniffed.format)
    try:
        with (
            source.buffered() as file,
            _context(c2pa, trust_list) as context,
            c2pa.Reader(form or None, file, context=context) as reader,
        ):
            store = json.loads(reader.json())
    except (c2pa.C2paError, MediaError, ValueError, RecursionError) as error:
        return _failed(c2pa, error, trace)
    return _credentials(store if isinstance(store, dict) else {}, trust_list is not None)


def _context(c2pa: Any, trust_list: str | None) -> Any:
    settings: dict[str, Any] = {
        "core": {"allowed_network_hosts": [], "allow_redirects": False},
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_trust": trust_list is not None,
        },
    }
    if trust_list is not None:
        settings["trust"] = {"trust_anchors": trust_list}
    return c2pa.Context.from_dict(settings)


def _failed(c2pa: Any, error: Exception, trace: Trace) -> Credentials:
    """What a failure of the library means, by its kind."""
    if isinstance(error, c2pa.C2paError.ManifestNotFound):
        return Credentials(present=False)
    if str(error).startswith("Remote"):  # the library has no class of its own for this one
        return Credentials(present=True, problems=(_NO_ACCESS,))
    if trace is not Trace.STORE:
        return Credentials(present=False)
    if isinstance(error, c2pa.C2paError.NotSupported):
        return Credentials(present=True, problems=(_UNKNOWN_FORMAT,))
    return Credentials(present=True, valid=False, problems=(_BROKEN,))


def _credentials(store: Mapping[str, Any], trust_checked: bool) -> Credentials:
    state = store.get("validation_state")
    active = _manifest(store, store.get("active_manifest"))
    return Credentials(
        present=True,
        valid=state in ("Valid", "Trusted"),
        trusted=state == "Trusted" if trust_checked else None,
        signer=_signer(active),
        generator=_generator(active),
        declares_generated=_declares_generated(store),
        problems=_problems(store),
    )


def _signer(manifest: Mapping[str, Any]) -> str | None:
    """``name (organisation)`` of the certificate that signed."""
    info = _mapping(manifest.get("signature_info"))
    name, issuer = _text(info.get("common_name")), _text(info.get("issuer"))
    return f"{name} ({issuer})" if name and issuer and name != issuer else name or issuer


def _generator(manifest: Mapping[str, Any]) -> str | None:
    """``name version`` of the program that made the claim."""
    info = next(iter(_mappings(manifest.get("claim_generator_info"))), {})
    words = [word for word in (_text(info.get("name")), _text(info.get("version"))) if word]
    return " ".join(words) or _text(manifest.get("claim_generator"))


def _declares_generated(store: Mapping[str, Any]) -> bool | None:
    """Whether the active manifest, or one of what the file was made from, names a generative source."""
    said = None
    for manifest in _lineage(store):
        for assertion in _mappings(manifest.get("assertions")):
            if str(assertion.get("label")).startswith(_ASSERTIONS):
                for source in _source_types(assertion.get("data"), _MOST_DEPTH):
                    if source.rstrip("/").rpartition("/")[2] in _GENERATED:
                        return True
                    said = False
    return said


def _lineage(store: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The active manifest and those of its parents and components, each once."""
    waiting, seen = [store.get("active_manifest")], set[str]()
    while waiting and len(seen) < _MOST_MANIFESTS:
        label = waiting.pop()
        if not isinstance(label, str) or label in seen:
            continue
        seen.add(label)
        manifest = _manifest(store, label)
        yield manifest
        waiting += [
            ingredient.get("active_manifest")
            for ingredient in _mappings(manifest.get("ingredients"))
            if ingredient.get("relationship") in _DERIVED_FROM
        ]


def _source_types(value: object, depth: int) -> Iterator[str]:
    """Every digital source type in an assertion, however deep."""
    if depth == 0:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            if name in _SOURCE_TYPE and isinstance(item, str):
                yield item
            else:
                yield from _source_types(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            yield from _source_types(item, depth - 1)


def _problems(store: Mapping[str, Any]) -> tuple[str, ...]:
    """Codes of every failed check, those of the active manifest first, each once."""
    results = _mapping(store.get("validation_results"))
    parts = [_mapping(results.get("activeManifest"))]
    parts += [_mapping(d.get("validationDeltas")) for d in _mappings(results.get("ingredientDeltas"))]
    failures = [item for part in parts for item in _mappings(part.get("failure"))]
    codes = (_text(item.get("code")) for item in failures)
    return tuple(dict.fromkeys(code for code in codes if code))[:_MOST_CODES]


def _manifest(store: Mapping[str, Any], label: object) -> Mapping[str, Any]:
    return _mapping(_mapping(store.get("manifests")).get(label))


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    """A text of the file, bounded; None for anything else and for an empty one."""
    return value.strip()[:_MOST_TEXT] or None if isinstance(value, str) else None
