"""What can be known to be wrong before any file is looked at, by `Detector` and by type checkers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import dfdetect
from dfdetect import Detector, ScanResult, Settings
from dfdetect.batch.pool import scan_many
from dfdetect.errors import MissingExtraError, SettingsError
from dfdetect.packaged import SAMPLES, required
from dfdetect.scoring.engines import installed_engines


@pytest.mark.parametrize(
    ("engine", "package"), [("openvino", "openvino"), ("torch", "torch"), ("torch", "onnx")]
)
def test_an_engine_that_is_not_installed_is_refused_before_any_file(
    engine: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setitem(sys.modules, package, None)  # as when it is not installed
    with pytest.raises(MissingExtraError) as raised:
        Detector(model="light", engine=engine)
    said = str(raised.value)
    assert said.startswith(
        f"engine '{engine}' needs a package that is not installed (No module named '{package}')"
    )
    assert said.endswith(f'run: pip install "dfdetect[{engine}]"')


def test_an_openvino_that_computes_wrong_scores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino")
    said = r"needs OpenVINO 2026\.2 or later, not 2025\.4\.1, which"
    monkeypatch.setattr(openvino, "__version__", "2025.4.1-20426-82bbf0292c5-releases/2025/4")
    with pytest.raises(MissingExtraError, match=said):
        Detector(model="light", engine="openvino").scan(required(SAMPLES) / "astronaut.jpg")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2025.4.1")
    with pytest.raises(MissingExtraError, match=said):
        Detector(model="light", engine="openvino")


@pytest.mark.parametrize("package", ["torch", "torchvision", "facenet_pytorch"])
def test_a_face_detector_that_is_not_installed_is_refused_before_any_file(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "torchvision", "facenet_pytorch")):
        pytest.skip("the reference detector is not installed")
    monkeypatch.setitem(sys.modules, package, None)  # as when it is not installed
    said = rf"^detector 'facenet-pytorch' needs .* \({package}\); run: pip install \"dfdetect\[torch\]\"$"
    with pytest.raises(MissingExtraError, match=said):
        Detector(model="light", detector="facenet-pytorch")
    with pytest.raises(MissingExtraError, match=said):
        scan_many(iter(["a"]), Settings(model="light", detector="facenet-pytorch"), jobs=1)


def test_a_device_that_is_not_there_is_refused_before_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    for count, device in ((0, "cuda"), (0, "cuda:1"), (1, "cuda:1")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        said = rf"^device '{device}' is not there: .* sees no such CUDA device; use device 'cpu'$"
        with pytest.raises(SettingsError, match=said):
            Detector(model="light", engine="torch", device=device)


@pytest.mark.parametrize("engine", installed_engines())
def test_making_a_detector_loads_no_engine(engine: str) -> None:
    code = (
        f"import sys; from dfdetect import Detector; Detector(model='light', engine={engine!r}); "
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'openvino') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stdout.strip() == "[]"


def test_misspelt_names_are_told_by_type_checkers(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    user = tmp_path / "user.py"
    user.write_text(
        "import dfdetect\nfrom dfdetect import Detector, Label, Reason, ScanResult, Settings, __version__\n"
        "from dfdetect import Detektor\ndfdetect.nothing()\n"
    )
    quick = ("--config-file=", "--follow-imports=skip", f"--cache-dir={tmp_path}")
    said, _, _ = api.run([*quick, str(dfdetect.__file__), str(user)])
    errors = [line for line in said.splitlines() if "error:" in line]
    assert len(errors) == 2, said
    assert 'has no attribute "Detektor"' in errors[0]
    assert 'has no attribute "nothing"' in errors[1]


def test_type_hints_of_what_is_public_resolve() -> None:
    hints = [typing.get_type_hints(method) for method in (Detector.__init__, Detector.scan)]
    assert hints[0]["settings"] == Settings | None
    assert hints[1]["return"] is ScanResult
    assert set(hints[1]) == {"source", "name", "return"}


def test_what_is_no_settings_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"must be a Settings, not dict; .* Detector\(model='light'"):
        Detector({"model": "light"})  # type: ignore[arg-type]
