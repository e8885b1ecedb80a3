"""Signal to noise of quantised models against their float model, all run by onnxruntime.

    python compare.py FLOAT.onnx CALIBRATION.npz [QUANTISED.onnx ...]

Quantises FLOAT with onnxruntime's quantize_static in every sensible setting on the same samples and
prints, for each of these and for every QUANTISED model, the signal to noise ratio in dB of the
tensor that feeds the last Softmax (or of the output) and the part of the samples in which the class
is that of the float model. CALIBRATION holds in0 [samples, ...] (an .npy works too).
"""

import contextlib
import itertools
import json
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Reader(CalibrationDataReader):
    """Hands samples out one by one."""

    def __init__(self, name, samples):
        self.rows = iter([{name: s} for s in samples])

    def get_next(self):
        return next(self.rows, None)


def judged(model):
    """Names of what is compared: the tensor in front of a Softmax that ends the graph, or outputs."""
    by_output = {o: n for n in model.graph.node for o in n.output}
    name = model.graph.output[0].name
    node = by_output[name]
    while node.op_type in ("DequantizeLinear", "QuantizeLinear"):
        node = by_output[node.input[0]]
    return node.input[0] if node.op_type == "Softmax" else name


def run(path, samples):
    """The judged tensor for every sample, in onnxruntime without optimisation."""
    model = onnx.load(path)
    name = judged(model)
    if name not in [o.name for o in model.graph.output]:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        model = onnx.shape_inference.infer_shapes(model)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    feed = session.get_inputs()[0].name
    at = [o.name for o in session.get_outputs()].index(name)
    return np.array([session.run(None, {feed: s})[at].ravel() for s in samples])


def quality(real, other):
    noise = np.sum((real - other) ** 2)
    snr = 10 * np.log10(np.sum(real**2) / noise) if noise else np.inf
    return round(float(snr), 2), float(np.mean(real.argmax(1) == other.argmax(1)))


def main(float_path, samples_path, *others):
    loaded = np.load(samples_path)
    samples = loaded if isinstance(loaded, np.ndarray) else loaded["in0"]
    session = ort.InferenceSession(float_path)
    port = session.get_inputs()[0]
    shape = [d if isinstance(d, int) else 1 for d in port.shape]
    samples = samples.reshape([-1, *shape])
    real = run(float_path, samples)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepared, made = os.path.join(folder, "p.onnx"), os.path.join(folder, "q.onnx")
        quant_pre_process(float_path, prepared, skip_symbolic_shape=True)
        settings = itertools.product(
            ["MinMax", "Percentile", "Entropy"], [QuantType.QInt8, QuantType.QUInt8], [True, False]
        )
        for method, dtype, symmetric in settings:
            label = f"onnxruntime {method} {dtype.name}{' symmetric' if symmetric else ''}"
            try:
                quantize_static(
                    prepared,
                    made,
                    Reader(port.name, samples),
                    quant_format=QuantFormat.QDQ,
                    activation_type=dtype,
                    weight_type=QuantType.QInt8,
                    per_channel=True,
                    calibrate_method=CalibrationMethod[method],
                    extra_options={"ActivationSymmetric": symmetric},
                )
                rows.append((label, *quality(real, run(made, samples))))
            except Exception as error:  # a setting that fails is a row of its own
                rows.append((label, None, str(error)[:60]))
    for path in others:
        rows.append((os.path.basename(path), *quality(real, run(path, samples))))
    return [dict(zip(("model", "snr", "agreement"), r)) for r in rows]


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # onnxruntime prints its progress
        rows = main(*sys.argv[1:])
    print(json.dumps(rows, indent=1))
