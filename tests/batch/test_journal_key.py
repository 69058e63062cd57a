"""What a journal must agree in to be taken over."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from dfdetect.batch.key import scan_key
from dfdetect.scoring.models import load_model
from dfdetect.settings import Settings


def test_the_key_is_of_all_that_decides_figures(folder: Path) -> None:
    model = load_model("light")
    base = scan_key(Settings(model="light"), model)
    assert base == scan_key(Settings(model="light", timeout=5.0, threads=1, seed=7), model)
    for name, value in {"frames": 3, "pictures": True, "heatmaps": True, "prior": 0.1}.items():
        other = scan_key(Settings(model="light").replace(**{name: value}), model)
        assert {key for key in base | other if base.get(key) != other.get(key)} == {name}
    altered = dataclasses.replace(model, hashes={**model.hashes, "card.json": "00"})
    assert scan_key(Settings(model="light"), altered) != base
    certificate = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
    keys = []
    for text in ("AAAA", "BBBB"):
        Path("trust.pem").write_text(certificate.format(text))
        keys.append(scan_key(Settings(model="light", trust_list="trust.pem"), model))
    assert keys[0] != keys[1]


def test_the_key_is_of_all_libraries_that_take_part(folder: Path) -> None:
    model = load_model("light")
    key = scan_key(Settings(model="light"), model)
    for name in ("numpy", "Pillow", "av", "onnxruntime"):
        assert key[name] == importlib.metadata.version(name)
    assert key["python"] == platform.python_version()
    assert {"libavcodec", "libswscale", "libjpeg", "libwebp"} <= set(key)
    assert "opencv-python-headless" in key or "opencv-python" in key
    assert key["processor"][0] == platform.machine()
    if sys.platform == "linux" and platform.machine() == "x86_64":
        assert "sse2" in key["processor"]
    known = {"openvino", "torch", "torchvision", "facenet-pytorch", "c2pa-python", "platform"}
    assert not known & set(key), "these have no part in it"
    for settings, packages in (
        (Settings(engine="openvino"), {"openvino"}),
        (Settings(engine="torch"), {"torch"}),
        (Settings(detector="facenet-pytorch"), {"torch", "torchvision", "facenet-pytorch"}),
        (Settings(evidence=True), {"c2pa-python"}),
    ):
        installed = {name for name in packages if _is_installed(name)}
        assert known & set(scan_key(settings, model)) == installed


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_workers_are_still_forked(folder: Path) -> None:
    code = (
        "from dfdetect.batch.resources import spare_algebra_threads; spare_algebra_threads()\n"
        "from dfdetect.batch.key import scan_key\n"
        "from dfdetect.batch.process import choose_start_method\n"
        "from dfdetect.scoring.models import load_model\n"
        "from dfdetect.settings import Settings\n"
        "scan_key(Settings(model='light'), load_model('light')); print(choose_start_method())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "fork\n"
