"""Make the most of the last, cut-off packet of an H.264 or HEVC file.

In MP4 and Matroska every unit of a picture is preceded by its length.  When the file ends within a
unit the decoder refuses the whole packet, although the upper part of the picture may be there.
"""

from __future__ import annotations


def length_size(codec: str, extradata: bytes | None) -> int:
    """Bytes of the length before each unit; 0 when this stream has no such lengths."""
    if not extradata or extradata[0] != 1:
        return 0
    if codec == "h264" and len(extradata) > 4:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21:
        return (extradata[21] & 3) + 1
    return 0


def shorten_last_unit(data: bytes, size: int) -> bytes:
    """Correct the length of the unit that reaches beyond the end of `data`; drop a lone header."""
    at = 0
    while at + size < len(data):
        length = int.from_bytes(data[at : at + size], "big")
        rest = len(data) - at - size
        if length > rest:
            return data[:at] + rest.to_bytes(size, "big") + data[at + size :]
        at += size + length
    return data[:at]
