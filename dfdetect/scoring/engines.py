"""What runs a network: ONNX Runtime (default), OpenVINO or torch, all from the same ONNX file.

Every engine computes in float32 on purpose: OpenVINO and torch would otherwise use bfloat16 or TF32 where
the processor has it, and a score must not depend on the machine.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import importlib.util
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MissingExtraError, ModelError, SettingsError
from dfdetect.scoring.kernels import signed_bytes_are_exact
from dfdetect.sessions import give_back_memory, session_options
from dfdetect.settings import DEFAULT_ENGINE, ENGINES, Settings
from dfdetect.torch_threads import torch_threads

if TYPE_CHECKING:
    from dfdetect.scoring.card import ExpertCard

Floats = NDArray[np.float32]
Shapes = Mapping[str, Sequence[int | str | None]]
"""Names of tensors with what the file says of their dimensions: an open one is no int, and of some tensors it
says nothing."""


_OPENVINO = (2026, 2)
"""Older ones (2024.4 to 2026.1 were tried) misread the unsigned 8-bit weights, without an error."""


class Engine(Protocol):
    """A loaded network."""

    @property
    def label(self) -> str:
        """Engine, version and device, e.g. ``onnxruntime 1.32.0 cpu``; goes into the result."""

    def run(self, batch: Floats, heatmap: bool = False) -> tuple[Floats, Floats | None]:
        """Score a batch ``[n, 3, size, size]`` → logits ``[n]`` and, when asked for and there, heat maps.

        Heat maps are float32 ``[n, gh, gw]``.  Raises `ModelError` when the network fails, or gives another
        shape or a score that is not finite.
        """

    def view(self, expert: ExpertCard) -> Engine:
        """The same loaded network for another expert of the same file; raises `ModelError`."""


def create_engine(path: Path, expert: ExpertCard, settings: Settings) -> Engine:
    """Load the ONNX file `path` into the engine of `settings`.

    Raises `MissingExtraError` when the engine's package is not installed, `ModelError` when it cannot load
    the file or the file lacks the tensors that the card names, takes crops of another size, a fixed number of
    them, or something besides.
    """
    return _MAKERS[settings.engine](path, expert, settings)


def installed_engines() -> tuple[str, ...]:
    """The engines that can be chosen on this installation."""
    return tuple(name for name in ENGINES if not _absent(name))


def check_installed(settings: Settings) -> None:
    """Raise `MissingExtraError` when a package of the engine is not installed, or too old; imports none."""
    # ONNX Runtime comes with dfdetect: the usual start need not look for it.
    if settings.engine != DEFAULT_ENGINE and (absent := _absent(settings.engine)):
        raise _missing(settings.engine, f"No module named '{absent[0]}'")
    if settings.engine == "openvino":
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            _check_openvino(importlib.metadata.version("openvino"))


def check_engine(settings: Settings) -> None:
    """Raise before any file what `create_engine` would raise for the engine or its device.

    `MissingExtraError` as `check_installed`, `SettingsError` for a device that is not there.  Imports torch
    if the device is not the CPU, and nothing else.
    """
    check_installed(settings)
    if settings.device == "cpu":
        return
    try:
        import torch
    except ImportError as error:
        raise _missing(settings.engine, error) from error
    # Counting as a rule does not start CUDA, as `is_available` does: a process forked later could not use it.
    if int(settings.device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise _no_device(settings.device, torch.__version__)


def thread_count(settings: Settings) -> int:
    """Threads for an engine: as set, else two, since more lose on a shared machine and for small networks."""
    return settings.threads or max(1, min(2, os.cpu_count() or 1))


class _Loaded(ABC):
    """A network in memory, which can serve several experts of one file."""

    label: str

    def _serve(self, path: Path, inputs: Shapes, outputs: list[str], expert: ExpertCard) -> None:
        _check_names(path, list(inputs), [expert.input])
        _check_alone(path, list(inputs), expert)
        _check_shape(path, inputs[expert.input], expert)
        _check_names(path, outputs, _outputs(expert, True))
        self._path, self._inputs, self._outputs, self._expert = path, inputs, outputs, expert

    def view(self, expert: ExpertCard) -> Self:
        other = copy.copy(self)
        other._serve(self._path, self._inputs, self._outputs, expert)
        return other

    def run(self, batch: Floats, heatmap: bool = False) -> tuple[Floats, Floats | None]:
        try:
            outputs = self._compute({self._expert.input: batch}, _outputs(self._expert, heatmap))
            return _checked(self._path, len(batch), outputs)
        except (ModelError, MemoryError):
            raise
        except Exception as error:  # engines have no common base for what goes wrong in a network
            raise ModelError(
                f"{self.label} failed in {self._path}: {_first_line(error)}; "
                "try another engine, or export the network anew"
            ) from error

    @abstractmethod
    def _compute(self, feeds: dict[str, Floats], names: list[str]) -> list[Any]:
        """The tensors `names` of the network for the tensors `feeds`."""


class _OnnxRuntime(_Loaded):
    def __init__(self, path: Path, expert: ExpertCard, settings: Settings) -> None:
        import onnxruntime

        options = session_options(thread_count(settings))
        if expert.quick_file is not None and signed_bytes_are_exact():
            path = path.with_name(expert.quick_file)
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a class per status code, without a common base
            raise _cannot_load(path, "onnxruntime", error) from error
        give_back_memory()
        inputs = {i.name: i.shape for i in self._session.get_inputs()}
        self._serve(path, inputs, [o.name for o in self._session.get_outputs()], expert)
        self.label = f"onnxruntime {onnxruntime.__version__} cpu"

    def _compute(self, feeds: dict[str, Floats], names: list[str]) -> list[Any]:
        return list(self._session.run(names, feeds))


class _OpenVino(_Loaded):
    def __init__(self, path: Path, expert: ExpertCard, settings: Settings) -> None:
        try:
            import openvino
        except ImportError as error:
            raise _missing("openvino", error) from error
        _check_openvino(openvino.__version__)  # some distributions' packages tell it only now
        threads = thread_count(settings)
        config = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            core = openvino.Core()
            model = core.read_model(path)
            inputs = {name: _openvino_shape(port) for port in model.inputs for name in port.names}
            outputs = [name for port in model.outputs for name in port.names]
            self._serve(path, inputs, outputs, expert)
            self._request = core.compile_model(model, "CPU", config).create_infer_request()
        except RuntimeError as error:
            raise _cannot_load(path, "openvino", error) from error
        self.label = f"openvino {openvino.__version__.split('-')[0]} cpu"

    def _compute(self, feeds: dict[str, Floats], names: list[str]) -> list[Any]:
        self._request.infer(feeds)
        # Copied: the tensors belong to the request and change with the next batch.
        return [np.array(self._request.get_tensor(name).data) for name in names]


class _Torch(_Loaded):
    def __init__(self, path: Path, expert: ExpertCard, settings: Settings) -> None:
        try:
            import onnx  # noqa: F401  (the graph is read with it)
            import torch
        except ImportError as error:
            raise _missing("torch", error) from error
        from dfdetect.scoring.torch_graph import TorchGraph

        if settings.device != "cpu" and not torch.cuda.is_available():
            raise _no_device(settings.device, torch.__version__)
        self._threads = thread_count(settings)
        self._graph = TorchGraph.load(path, settings.device)
        self._serve(path, self._graph.inputs, list(self._graph.outputs), expert)
        self.label = f"torch {torch.__version__} {settings.device}"

    def _compute(self, feeds: dict[str, Floats], names: list[str]) -> list[Any]:
        with torch_threads(self._threads):
            return list(self._graph.run(feeds, names))


_MAKERS: dict[str, Callable[[Path, ExpertCard, Settings], Engine]] = {
    "onnxruntime": _OnnxRuntime,
    "openvino": _OpenVino,
    "torch": _Torch,
}
_PACKAGES = {"onnxruntime": ("onnxruntime",), "openvino": ("openvino",), "torch": ("onnx", "torch")}


def _absent(engine: str) -> list[str]:
    return [name for name in _PACKAGES[engine] if importlib.util.find_spec(name) is None]


def _outputs(expert: ExpertCard, heatmap: bool) -> list[str]:
    return [expert.logit, expert.heatmap] if heatmap and expert.heatmap else [expert.logit]


def _checked(path: Path, count: int, outputs: list[Any]) -> tuple[Floats, Floats | None]:
    logits = np.asarray(outputs[0], np.float32)
    if logits.size != count:
        raise ModelError(f"{path}: {count} crops gave scores of shape {list(logits.shape)}, not [{count}]")
    if not np.isfinite(logits).all():
        raise ModelError(f"{path}: the network gave a score that is not a finite number; it is damaged")
    if len(outputs) == 1:
        return logits.reshape(count), None
    maps = np.asarray(outputs[1], np.float32)
    if maps.ndim == 4 and maps.shape[1] == 1:
        maps = maps[:, 0]
    if maps.ndim != 3 or len(maps) != count:
        raise ModelError(f"{path}: {count} crops gave heat maps of shape {list(maps.shape)}, not [n, h, w]")
    return logits.reshape(count), maps


def _check_names(path: Path, there: list[str], wanted: list[str]) -> None:
    for name in wanted:
        if name not in there:
            raise ModelError(f"{path}: the card names a tensor '{name}', the network has {', '.join(there)}")


def _check_alone(path: Path, there: list[str], expert: ExpertCard) -> None:
    others = [name for name in there if name != expert.input]
    if others:
        raise ModelError(
            f"{path}: the network also takes {', '.join(others)}, which a scan does not have; "
            f"export it with '{expert.input}' as its only input"
        )


def _check_shape(path: Path, shape: Sequence[int | str | None], expert: ExpertCard) -> None:
    if not shape:  # the file does not say
        return
    wanted = (3, expert.crop.size, expert.crop.size)
    if len(shape) != 4 or any(isinstance(d, int) and d != w for d, w in zip(shape[1:], wanted, strict=True)):
        given = ", ".join("n" if d is None else str(d) for d in shape)
        raise ModelError(
            f"{path}: the network takes [{given}] and expert '{expert.name}' of the card gives it "
            f"[n, {', '.join(map(str, wanted))}]: correct its crop.size"
        )
    if isinstance(shape[0], int) and shape[0] >= 0:  # some exporters write -1 for an open one
        raise ModelError(
            f"{path}: the network takes {shape[0]} crops at once and no other number; "
            "export it with a dynamic batch"
        )


def _openvino_shape(port: Any) -> list[int | None]:
    shape = port.partial_shape
    return [d.get_length() if d.is_static else None for d in shape] if shape.rank.is_static else []


def _cannot_load(path: Path, engine: str, error: Exception) -> ModelError:
    return ModelError(f"{engine} cannot load {path}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _missing(engine: str, why: ImportError | str) -> MissingExtraError:
    return MissingExtraError(
        f"engine '{engine}' needs a package that is not installed ({why}); "
        f'run: pip install "dfdetect[{engine}]"'
    )


def _check_openvino(version: str) -> None:
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < _OPENVINO:
        year, number = _OPENVINO
        raise MissingExtraError(
            f"engine 'openvino' needs OpenVINO {year}.{number} or later, not {version.split('-')[0]}, which "
            'computes wrong scores with 8-bit networks; run: pip install -U "dfdetect[openvino]"'
        )


def _no_device(device: str, version: str) -> SettingsError:
    return SettingsError(
        f"device '{device}' is not there: torch {version} sees no such CUDA device; use device 'cpu'"
    )
