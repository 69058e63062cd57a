"""What kind of file some bytes are, told from the bytes alone; a file's name is never looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 65_536
"""How much of the beginning of a file `sniff` wants to see."""
TAIL_BYTES = 18
"""How much of its end `is_targa` wants to see."""


class Family(StrEnum):
    """Who reads such a file."""

    PHOTO = "photo"
    """Pillow; GIF, PNG and WebP may turn out to be animated."""
    VIDEO = "video"
    """FFmpeg."""
    AUDIO = "audio"
    """Sound; FFmpeg decides whether there is a picture as well."""
    TEXT = "text"
    """Readable text, e.g. an error page that was saved under the name of a video, or a picture in numbers."""
    OTHER = "other"
    """A well-known file that is not media: an archive, a document, a program."""
    UNKNOWN = "unknown"
    """No known signature; FFmpeg may still recognise it."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The answer of `sniff`: a family and a lower-case format name (empty when unknown)."""

    family: Family
    format: str


_PHOTOS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jpegxl"),
    (b"\xff\x0a", "jpegxl"),
    (b"8BPS", "psd"),
    (b"\x00\x00\x01\x00", "ico"),
)
_VIDEOS = (
    (b"FLV\x01", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"\x06\x0e\x2b\x34", "mxf"),
    (b".RMF", "rm"),
    (b"DKIF", "ivf"),
    (b"YUV4MPEG2", "yuv4mpeg"),
    (b"OggS", "ogg"),
    (b"\x1f\x07\x00\x3f", "dv"),
    (b"\x1f\x07\x00\xbf", "dv"),
)
_SOUNDS = (
    (b"ID3", "mp3"),
    (b"fLaC", "flac"),
    (b"#!AMR", "amr"),
    (b"caff", "caf"),
    (b"FORM", "aiff"),
)
_OTHERS = (
    (b"%PDF", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "rar"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x7fELF", "elf"),
    (b"SQLite format 3", "sqlite"),
    (b"\xd0\xcf\x11\xe0", "ole"),
)
_RARE_PICTURES = (
    b"DDS |\x00\x00\x00",
    b"qoif",
    b"SDPX",
    b"XPDS",
    b"\x76\x2f\x31\x01",  # OpenEXR
    b"\x59\xa6\x6a\x95",  # Sun raster
    b"DanM",
    b"LinS",
    b"SIMPLE  =",  # FITS
)
# P1 to P3 are written as text and read by nobody here: width, height, from P2 on the white, the first value.
_NUMBERS = rb"(?:\s+(?:#[^\n]*\n\s*)*[0-9]+){%d}(?!\S)"
_TEXT_NETPBM = (
    (re.compile(rb"P1" + _NUMBERS % 2 + rb"\s*[01]"), "ascii pbm"),
    (re.compile(rb"P2" + _NUMBERS % 4), "ascii pgm"),
    (re.compile(rb"P3" + _NUMBERS % 6), "ascii ppm"),
)
_NETPBM = re.compile(rb"P[456FfHh]\n(?:#[^\n]*\n)*[0-9]+\s")
# Five packets of a transport stream, of which FFmpeg finds the first wherever it begins: mark, no error, and
# something inside.  All sizes are multiples of four: no array of four-byte numbers that all have the mark.
_PACKET = rb"G[\0-\x7f].[\x10-\x3f\x50-\x7f\x90-\xbf\xd0-\xff](?!G.{3}G).{%d}"
_LATE_PACKETS = tuple(
    re.compile(_PACKET % size + b"(?:" + _PACKET % size + b"){3}G", re.DOTALL) for size in (184, 188, 200)
)
_ISO_OLD = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def sniff(head: bytes) -> Sniffed:
    """Tell the family and format from the first bytes of a file (give it `HEAD_BYTES` or all there are)."""
    if head[:2] == b"\0\0" and (found := _iso(head)):  # the length of its first box may spell another magic
        return found
    for table, family in (
        (_PHOTOS, Family.PHOTO),
        (_VIDEOS, Family.VIDEO),
        (_SOUNDS, Family.AUDIO),
        (_OTHERS, Family.OTHER),
    ):
        for magic, name in table:
            if head.startswith(magic) and (name != "ico" or _is_icon(head)):
                return Sniffed(family, name)
    found = _riff(head) or _iso(head) or _matroska(head) or _bitmap(head) or _transport_stream(head)
    if found:
        return found
    if is_text(head):
        for picture, name in _TEXT_NETPBM:
            if picture.match(head):
                return Sniffed(Family.TEXT, name)
        return Sniffed(Family.TEXT, "html" if _is_html(head) else "text")
    # MPEG audio without tags: eleven sync bits, and neither the reserved version nor layer.
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08:
        return Sniffed(Family.AUDIO, "aac" if head[1] & 0x06 == 0 else "mp3")
    return Sniffed(Family.UNKNOWN, "")


def is_rare_picture(head: bytes) -> bool:
    """True for a picture of a format of which `sniff` knows nothing and that FFmpeg recognises.

    Netpbm, PCX, SGI, DDS, QOI, DPX, OpenEXR, Sun raster, XWD, Microsoft Paint 1, FITS.
    """
    if head.startswith(_RARE_PICTURES) or _NETPBM.match(head):
        return True
    return _is_sgi(head) or _is_pcx(head) or _is_window_dump(head)


def is_targa(head: bytes, tail: bytes) -> bool:
    """True for a TGA, by its last bytes or, since old ones have no mark at all, by a header without a flaw.

    That is too little to go by where anything else could make sense of the file.
    """
    if tail.endswith(b"TRUEVISION-XFILE.\x00"):
        return True
    if len(head) < 18 or not (any(head[12:14]) and any(head[14:16])) or head[17] & 0xC0:
        return False
    if head[2] in (1, 9):  # its colours are in a list
        return head[1] == 1 and any(head[5:7]) and head[7] in (15, 16, 24, 32) and head[16] == 8
    return head[2] in (2, 3, 10, 11) and not any(head[3:8]) and not head[1] and head[16] in (8, 16, 24, 32)


def is_text(head: bytes) -> bool:
    """True for UTF-8 or UTF-16 text: hardly any control characters, no zero bytes."""
    sample = head[:4096]
    if not sample:
        return False
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = sample[: len(sample) & ~1].decode("utf-16", errors="replace")
        return text.count("\ufffd") < 0.02 * len(text) and sum(c < "\u0250" for c in text) > 0.5 * len(text)
    if b"\x00" in sample:
        return False
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # The sample may end in the middle of a character, or the text may be in an 8-bit code.
        if error.start < len(sample) - 4 and sum(b < 32 or b > 126 for b in sample) > 0.1 * len(sample):
            return False
        text = sample.decode("latin-1")
    return sum(c < " " and c not in "\t\r\n\f\x1b" for c in text) <= 0.02 * len(text)


def _is_html(head: bytes) -> bool:
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in start


def _riff(head: bytes) -> Sniffed | None:
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        return None
    form = head[8:12]
    if form == b"WEBP":
        return Sniffed(Family.PHOTO, "webp")
    if form.startswith(b"AVI"):
        return Sniffed(Family.VIDEO, "avi")
    return Sniffed(Family.AUDIO, "wav") if form == b"WAVE" else None


def _iso(head: bytes) -> Sniffed | None:
    """MP4, QuickTime, AVIF, HEIC: all begin with a box whose type is at offset 4."""
    if head[4:8] in _ISO_OLD:
        return Sniffed(Family.VIDEO, "mov")
    if head[4:8] == b"styp":
        return Sniffed(Family.VIDEO, "mp4")
    if head[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(head[:4], "big"), 512)
    major = head[8:12]
    brands = {head[i : i + 4] for i in range(16, length - 3, 4)} | {major}
    if b"avis" in brands and major != b"avif":
        return Sniffed(Family.VIDEO, "avif")
    if b"avif" in brands:
        return Sniffed(Family.PHOTO, "avif")
    if major in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx"):
        return Sniffed(Family.PHOTO, "heic")
    if major in (b"M4A ", b"M4B ", b"M4P "):
        return Sniffed(Family.AUDIO, "m4a")
    return Sniffed(Family.VIDEO, "mov" if major == b"qt  " else "mp4")


def _matroska(head: bytes) -> Sniffed | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return Sniffed(Family.VIDEO, "webm" if b"webm" in head[:64] else "matroska")


def _bitmap(head: bytes) -> Sniffed | None:
    # "BM" alone is two letters of any text; the size of the second header tells a real bitmap.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124):
        return Sniffed(Family.PHOTO, "bmp")
    return None


def _is_icon(head: bytes) -> bool:
    # Four bytes that may begin anything: its first entry must point behind the list of entries.
    count, length, at = (
        int.from_bytes(head[start:end], "little") for start, end in ((4, 6), (14, 18), (18, 22))
    )
    return count > 0 and length > 0 and at >= 6 + 16 * count


def _is_sgi(head: bytes) -> bool:
    # Two bytes are little to go by: packed or not, bytes per value, one to three dimensions.
    return len(head) >= 12 and head[:2] == b"\x01\xda" and head[2] < 2 and head[3:6] in _SGI_KINDS


_SGI_KINDS = tuple(bytes((size, 0, dimensions)) for size in (1, 2) for dimensions in (1, 2, 3))


def _is_pcx(head: bytes) -> bool:
    # A line break may begin any text; a header of 128 bytes that ends in zeros does not.
    if len(head) < 128 or head[0] != 10 or head[1] > 5 or head[2] > 1:
        return False
    return head[3] in (1, 2, 4, 8) and not any(head[74:128])


def _is_window_dump(head: bytes) -> bool:
    if len(head) < 100 or head[4:8] != b"\x00\x00\x00\x07":
        return False
    depth = int.from_bytes(head[12:16], "big")
    return 100 <= int.from_bytes(head[:4], "big") < 4096 and head[8:11] == b"\0\0\0" and 1 <= depth <= 32


def _transport_stream(head: bytes) -> Sniffed | None:
    """Packets of one size: from the first byte on ("mpegts"), or behind others ("ts")."""
    for size, first in ((188, 0), (192, 4), (204, 0)):
        marks = head[first : first + size * 5 : size]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return Sniffed(Family.VIDEO, "mpegts")
    for packets in _LATE_PACKETS:
        if (found := packets.search(head)) and not is_text(found[0]):
            return Sniffed(Family.VIDEO, "ts")
    return None
