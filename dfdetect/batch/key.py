"""What decides the figures of a scan: two scans of the same key give the same, and may share a journal."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from typing import Any

from dfdetect import __version__
from dfdetect.names import printable
from dfdetect.packaged import MODELS, required
from dfdetect.scoring.models import ModelFolder
from dfdetect.settings import Settings

_NO_FIGURE = frozenset({"timeout", "threads", "seed"})
"""Settings that decide whether or how soon there is a result, not which one; a scan draws no lots.

Threads by default follow from the number of workers, which decides no figure either: what they move is the
sixth digit of a logit with the engine ``torch``, and damaged video, which is not decoded twice alike unless
`Settings.evidence` has it decoded on one."""
_SAID_ELSEWHERE = frozenset({"dfdetect", "dfdetect-sha256", "platform", "processor"})
_OF_NEED = frozenset({"pillow-heif"})
"""Packages without which a file has no result that is kept: one that comes or goes alters none of them."""
_INSTRUCTIONS = re.compile(r"(?:avx|amx|sse|ssse|fma|f16c|asimd|sve|sme|i8mm|bf16|fphp)\w*")
"""By these libraries choose their kernels, whose sums round differently, and a model its 8-bit network."""
_TOLD = 4
"""Differences of two keys that are named."""


def scan_key(settings: Settings, model: ModelFolder) -> dict[str, Any]:
    """Name of whatever decides the figures of a scan → its value, or a hash of it.

    The code, the settings, the content of every file that they lead to, the versions of the libraries that
    read and judge, and the instructions of the processor.
    """
    from dfdetect.media.evidence import versions

    key: dict[str, Any] = {"dfdetect": __version__, "code": versions().get("dfdetect-sha256")}
    key |= {name: value for name, value in settings.as_dict().items() if name not in _NO_FIGURE}
    key |= {f"{file} of the model": model.hashes[file] for file in sorted(model.hashes)}
    if settings.detector == "mtcnn":
        card = (required(MODELS) / "mtcnn" / "card.json").read_bytes()
        key["card of the face detector"] = hashlib.sha256(card).hexdigest()
    if settings.trust_list is not None:
        from dfdetect.media.credentials import read_trust_list

        found = read_trust_list(settings.trust_list)
        key["content of the trust list"] = hashlib.sha256(found.encode()).hexdigest()
    passed_over = _SAID_ELSEWHERE | _idle_packages(settings)
    key |= {name: version for name, version in versions().items() if name not in passed_over}
    return key | {"processor": _processor()}


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """In what two keys differ, for people; empty if they do not."""
    names = [
        name
        for name in dict.fromkeys((*there, *here))
        if there.get(name) != here.get(name)
        and not (name in _OF_NEED and None in (there.get(name), here.get(name)))
    ]
    told = [_difference(name, there.get(name), here.get(name)) for name in names[:_TOLD]]
    return "; ".join([*told, "…"] if len(names) > _TOLD else told)


def _idle_packages(settings: Settings) -> set[str]:
    """Packages that are not used with these settings."""
    reference = settings.detector == "facenet-pytorch"
    used = {
        "openvino": settings.engine == "openvino",
        "torch": settings.engine == "torch" or reference,
        "torchvision": reference,
        "facenet-pytorch": reference,
        "c2pa-python": settings.evidence,
    }
    return {name for name, is_used in used.items() if not is_used}


def _processor() -> list[str]:
    """The architecture and, where the system tells (Linux), the instructions for many numbers at once."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
            words = next(flags, "").split()
    except OSError:
        words = []
    return [platform.machine(), *sorted({word for word in words if _INSTRUCTIONS.fullmatch(word)})]


def _difference(name: str, there: object, here: object) -> str:
    """In words; hashes, which say nothing to people, are left out."""
    if name == "code" or " of the " in name:
        return f"the {name} is another"
    if isinstance(there, list) and isinstance(here, list):
        sides = ((there, here, "there"), (here, there, "now"))
        only = [
            f"{_word(' '.join(str(item) for item in one if item not in other))} only {side}"
            for one, other, side in sides
            if any(item not in other for item in one)
        ]
        return f"{name} {', '.join(only)}"
    return f"{name} {_word(there)} there, {_word(here)} now"


def _word(value: object) -> str:
    if value is None:
        return "none"
    return printable(value if isinstance(value, str) else json.dumps(value))[:60]
