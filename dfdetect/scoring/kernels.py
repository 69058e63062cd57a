"""Whether this processor's 8-bit kernels give right sums for signed weights.

Without VNNI (and its like) kernels multiply unsigned by signed bytes and add pairs of products in 16 bits,
which saturate: 255 * 127 * 2 is more than 32,767.  Rather than know every processor, one product with
the largest numbers is computed and looked at.
"""

from __future__ import annotations

import base64
import functools

import numpy as np

# ONNX, opset 13: y [n, 32] = MatMulInteger(a uint8 [n, 64], w); w is int8 [64, 32], all of it 127.
_PRODUCT = base64.b64decode(
    "CAgSADqUAQouCgFzEgF3Ig9Db25zdGFudE9mU2hhcGUqFQoFdmFsdWUqCQgBEANCAEoBf6ABBAoYCgFhCgF3EgF5Ig1NYXRNdWxJ"
    "bnRlZ2VyEgFnKhkIAhAHQgFzShBAAAAAAAAAACAAAAAAAAAAWhQKAWESDwoNCAISCQoDEgFuCgIIQGIUCgF5Eg8KDQgGEgkKAxIB"
    "bgoCCCBCBAoAEA0="
)


@functools.cache
def signed_bytes_are_exact() -> bool:
    """True where ONNX Runtime multiplies unsigned by signed bytes without overflow on this processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(_PRODUCT, options, providers=["CPUExecutionProvider"])
    largest = np.full((64, 64), 255, np.uint8)
    (sums,) = session.run(None, {"a": largest})
    return bool((sums == 64 * 255 * 127).all())
