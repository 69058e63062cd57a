"""Content Credentials: of files that the test signs itself, with a certificate chain of its own."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import encode, numbered, quarters, video

from dfdetect.errors import SettingsError
from dfdetect.media import credentials as module
from dfdetect.media.evidence import gather_evidence
from dfdetect.media.source import make_source
from dfdetect.results import Credentials

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
STORE = bytes.fromhex("6332706100110010800000aa00389b71")
Sign = Callable[..., bytes]


@dataclasses.dataclass(frozen=True)
class Identity:
    """A root certificate, and a chain and a key that sign."""

    root: str
    chain: bytes
    key: bytes

    def sign(self, media: bytes, form: str, manifest: dict[str, Any], **where: Any) -> bytes:
        """`media` with a signed manifest; `where`: ``remote`` URL, and ``edit`` for the intent."""
        info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=self.chain, private_key=self.key, ta_url=None)
        signed = io.BytesIO()
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(manifest)) as builder:
            if where.get("edit"):
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            if "remote" in where:
                builder.set_no_embed()
                builder.set_remote_url(where["remote"])
            builder.sign(signer, form, io.BytesIO(media), signed)
        return signed.getvalue()


@pytest.fixture(scope="module")
def identity() -> Identity:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(name: str) -> x509.Name:
        words = ((NameOID.ORGANIZATION_NAME, "Test Works"), (NameOID.COMMON_NAME, name))
        return x509.Name([x509.NameAttribute(kind, word) for kind, word in words])

    def certificate(name: str, key: Any, authority: bool) -> bytes:
        public = key.public_key()
        builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named("Root"))
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
        usage = x509.KeyUsage(not authority, *[False] * 4, authority, authority, *[False] * 2)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(authority, None), True),
            (usage, True),
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False),
        ]
        if not authority:
            extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    now = datetime.now(UTC)
    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    top = certificate("Root", root, True)
    key = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(top.decode(), certificate("Camera", own, False) + top, key)


def photo(form: str = "jpeg") -> bytes:
    return encode(quarters(), form)


def clip() -> bytes:
    return video(numbered(8))


def manifest(source: str, *, label: str = "c2pa.actions.v2", generator: str = "Painter") -> dict[str, Any]:
    action = {"action": "c2pa.created", "digitalSourceType": source}
    return {
        "claim_generator_info": [{"name": generator, "version": "1.2"}],
        "assertions": [{"label": label, "data": {"actions": [action]}}],
    }


def read(data: bytes, trust_list: str | None = None) -> Credentials:
    found = gather_evidence(make_source(data), trust_list).credentials
    assert found is not None
    return found


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "gif", "tiff", "mp4"])
def test_a_signed_file_is_present_and_valid(form: str, identity: Identity) -> None:
    media = clip() if form == "mp4" else photo(form)
    mime = "video/mp4" if form == "mp4" else f"image/{form}"
    found = read(identity.sign(media, mime, manifest(IPTC + "digitalCapture")))
    assert found == Credentials(
        present=True,
        valid=True,
        trusted=None,
        signer="Camera (Test Works)",
        generator="Painter 1.2",
        declares_generated=False,
        problems=(),
    )


@pytest.mark.parametrize("data", [photo(), photo("png"), clip(), b"%PDF-1.7\n" + STORE])
def test_a_file_without_them_says_nothing(data: bytes) -> None:
    assert read(data) == Credentials(present=False)


def test_trust_needs_a_list(identity: Identity, tmp_path: Path) -> None:
    signed = identity.sign(photo(), "image/jpeg", manifest(IPTC + "digitalCapture"))
    path = tmp_path / "trusted.pem"
    path.write_text(f"# A comment, as lists have them.\n{identity.root}")
    assert read(signed, module.read_trust_list(path)).trusted is True
    stranger = read(signed, _other_root())
    assert (stranger.valid, stranger.trusted) == (True, False)
    assert stranger.problems == ("signingCredential.untrusted",)


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\xfe"])
def test_a_trust_list_must_hold_certificates(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "list.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"trust list .*list\.pem"):
        module.read_trust_list(path)


def _other_root() -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("form", ["jpeg", "mp4"])
def test_a_tampered_copy_is_present_and_not_valid(form: str, identity: Identity) -> None:
    media, mime = (photo(), "image/jpeg") if form == "jpeg" else (clip(), "video/mp4")
    signed = bytearray(identity.sign(media, mime, manifest(IPTC + "digitalCapture")))
    place = len(signed) - 20 if form == "jpeg" else signed.index(b"mdat") + 40
    signed[place] ^= 1
    found = read(bytes(signed), identity.root)
    assert (found.present, found.valid, found.trusted) == (True, False, False)
    assert found.problems == (f"assertion.{'dataHash' if form == 'jpeg' else 'bmffHash'}.mismatch",)
    assert found.signer == "Camera (Test Works)"


def test_a_forged_claim_is_not_valid(identity: Identity) -> None:
    """Whoever turns *generated* into *captured* in the manifest breaks the signature's chain of hashes."""
    signed = identity.sign(photo(), "image/jpeg", manifest(IPTC + "trainedAlgorithmicMedia"))
    forged = signed.replace(b"trainedAlgorithmicMedia", b"digitalCapture?????????")
    assert forged != signed
    found = read(forged)
    assert found.valid is False
    assert "assertion.hashedURI.mismatch" in found.problems


def test_a_manifest_that_cannot_be_read_is_present_and_not_valid(identity: Identity) -> None:
    signed = bytearray(identity.sign(photo(), "image/jpeg", manifest(IPTC + "digitalCapture")))
    place = signed.index(STORE) + 40
    signed[place : place + 60] = bytes(60)
    assert read(bytes(signed)) == Credentials(present=True, valid=False, problems=("general.error",))


@pytest.mark.parametrize(
    ("source", "label", "declared"),
    [
        ("trainedAlgorithmicMedia", "c2pa.actions.v2", True),
        ("trainedAlgorithmicMedia", "c2pa.actions", True),
        ("compositeWithTrainedAlgorithmicMedia", "c2pa.actions.v2", True),
        ("compositeSynthetic", "c2pa.actions.v2", True),
        ("algorithmicMedia", "c2pa.actions.v2", False),
        ("humanEdits", "c2pa.actions.v2", False),
    ],
)
def test_what_the_manifest_declares(source: str, label: str, declared: bool, identity: Identity) -> None:
    signed = identity.sign(photo(), "image/jpeg", manifest(IPTC + source, label=label))
    assert read(signed).declares_generated is declared


def test_a_generated_picture_stays_declared_after_an_edit(identity: Identity) -> None:
    generated = identity.sign(photo(), "image/jpeg", manifest(IPTC + "trainedAlgorithmicMedia"))
    crop = {"claim_generator_info": [{"name": "Crop Tool"}], "assertions": []}
    found = read(identity.sign(generated, "image/jpeg", crop, edit=True))
    assert (found.valid, found.generator, found.declares_generated) == (True, "Crop Tool", True)


def test_an_edit_of_something_unsigned_declares_nothing(identity: Identity) -> None:
    crop = {"claim_generator_info": [{"name": "Crop Tool"}], "assertions": []}
    found = read(identity.sign(photo(), "image/jpeg", crop, edit=True))
    assert (found.valid, found.declares_generated) == (True, None)


def test_a_manifest_elsewhere_is_not_fetched(identity: Identity) -> None:
    """The address is of a server that this test runs; nobody may call."""
    import http.server
    import threading

    calls: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(404)

        def log_message(self, *words: object) -> None:
            """Quietly."""

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/manifest.c2pa"
        signed = identity.sign(photo(), "image/jpeg", manifest(IPTC + "digitalCapture"), remote=address)
        found = read(signed)
        server.shutdown()
    assert found == Credentials(present=True, problems=("manifest.inaccessible",))
    assert calls == []


def test_a_huge_photo_is_not_loaded(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = identity.sign(photo(), "image/jpeg", manifest(IPTC + "digitalCapture"))
    monkeypatch.setattr(module, "_MOST_PHOTO_BYTES", len(signed) - 1)
    assert read(signed) == Credentials(present=True, problems=("dfdetect.tooLarge",))


def test_an_unknown_format_with_a_store_is_not_called_clean() -> None:
    assert read(b"\x01\x02\x03\x04" * 64 + STORE) == Credentials(
        present=True, problems=("dfdetect.unknownFormat",)
    )


def test_the_trace_is_found_across_pieces() -> None:
    data = bytes(range(256)) + STORE + bytes(50)
    for size in (1, 7, 15, 16, 255, 257):
        finder = module.TraceFinder()
        for start in range(0, len(data), size):
            finder.feed(data[start : start + size])
        assert finder.trace is module.Trace.STORE, size


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damage_never_raises(data: st.DataObject, identity: Identity) -> None:
    mime, media = data.draw(st.sampled_from([("image/jpeg", photo()), ("image/png", photo("png"))]))
    damaged = bytearray(_cached(identity, mime, media))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        if data.draw(st.booleans()):
            damaged[place] = data.draw(st.integers(0, 255))
        else:
            del damaged[place : place + data.draw(st.integers(1, 400))]
        if not damaged:
            return
    found = read(bytes(damaged))
    assert found.present or found == Credentials(present=False)


_SIGNED: dict[str, bytes] = {}


def _cached(identity: Identity, mime: str, media: bytes) -> bytes:
    if mime not in _SIGNED:
        _SIGNED[mime] = identity.sign(media, mime, manifest(IPTC + "digitalCapture"))
    return _SIGNED[mime]


def test_without_the_package_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "c2pa" else real(name, *rest)
    )
    assert gather_evidence(make_source(photo())).credentials is None


def test_the_package_is_not_imported_for_files_without_credentials() -> None:
    code = (
        "import sys; from dfdetect.media.evidence import gather_evidence;"
        "from dfdetect.media.source import make_source;"
        f"found = gather_evidence(make_source({photo('png')!r})).credentials;"
        "assert found is not None and not found.present; sys.exit('c2pa' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
