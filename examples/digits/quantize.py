"""Quantises digits_fp32.onnx to int8 and writes digits_int8.onnx and test.npz.

    pip install -r requirements.txt
    python quantize.py

Post-training, minimum-maximum ranges over the training images; weights per output channel (per
tensor in the dense layer), int8 graph input and output, QuantizeLinear/DequantizeLinear pairs in
the style that tf2onnx leaves when it converts a TFLite file.
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import dataset
import integer

HERE = os.path.dirname(os.path.abspath(__file__))
F = np.float32
CONVS = [("conv1", 1, False), ("conv2", 2, False), ("depthwise", 1, True), ("pointwise", 1, False)]


def activation_parameters(values):
    """-> (scale float32, zero point) of an asymmetric int8 range that holds zero"""
    lo, hi = min(values.min(), 0.0), max(values.max(), 0.0)
    scale = F((hi - lo) / 255)
    return scale, int(np.clip(np.rint(-128 - lo / np.float64(scale)), -128, 127))


def quantise_weight(w, per_channel):
    """-> (int8 weights in -127..127, float32 scale: one per first axis, or one)"""
    top = np.abs(w).max(tuple(range(1, w.ndim))) if per_channel else np.abs(w).max()
    scale = np.asarray(top / 127, F)
    shape = (-1,) + (1,) * (w.ndim - 1) if per_channel else ()
    return np.clip(np.rint(w / scale.reshape(shape).astype(np.float64)), -127, 127).astype(np.int8), scale


def quantise(weights, images):
    """Float weights by name and calibration images [n, 1, 8, 8] -> the net as integer.run takes it.

    Ranges are taken in float64 so that they are the same whatever the machine's vector unit.
    """
    x = images.astype(np.float64)
    net = {"image": activation_parameters(x), "convs": []}
    s = net["image"][0]
    for name, stride, depthwise in CONVS:
        w, b = weights[f"{name}.weight"].astype(np.float64), weights[f"{name}.bias"].astype(np.float64)
        x = np.maximum(integer.convolve(x, w, stride, depthwise) + b[:, None, None], 0)
        q, sw = quantise_weight(w, per_channel=True)
        bias_scale = s * sw
        out = activation_parameters(x)
        net["convs"].append({"name": name, "stride": stride, "depthwise": depthwise, "weight": q,
                             "weight_scale": sw, "bias": np.rint(b / bias_scale).astype(np.int32),
                             "bias_scale": bias_scale, "out": out})
        s = out[0]
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5)).reshape(n, -1)
    # A scale of its own: with that of its input a quarter of all sums would lie on a rounding tie.
    net["pool"] = activation_parameters(x)
    s = net["pool"][0]
    w, b = weights["dense.weight"].astype(np.float64), weights["dense.bias"].astype(np.float64)
    q, sw = quantise_weight(w, per_channel=False)
    net["dense"] = {"weight": q, "weight_scale": sw, "bias": np.rint(b / F(s * sw)).astype(np.int32),
                    "bias_scale": np.asarray(s * sw, F), "out": activation_parameters(x @ w + b)}
    net["probabilities"] = (F(1 / 256), -128)
    return net


class QdqGraph:
    """Collects nodes and initialisers; dequantise and quantise add the pairs."""

    def __init__(self):
        self.nodes, self.init = [], []

    def constant(self, name, value):
        self.init.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{kind}/{output}", **attributes))
        return output

    def dequantise(self, source, output, scale, zero_point, **attributes):
        return self.node("DequantizeLinear", [
            source, self.constant(f"{output}/scale", scale), self.constant(f"{output}/zero_point", zero_point)],
            output, **attributes)

    def quantise(self, source, output, params):
        return self.node("QuantizeLinear", [
            source, self.constant(f"{output}/scale", params[0]),
            self.constant(f"{output}/zero_point", np.int8(params[1]))], output)

    def weights(self, name, layer):
        """dequantised weight and bias of a layer; per-channel scales lie along axis 0"""
        axis = {"axis": 0} if layer["weight_scale"].ndim else {}
        zeros = layer["weight_scale"].shape
        return [self.dequantise(self.constant(f"{name}/{part}", layer[part]), f"{name}/{part}_dequant",
                                layer[f"{part}_scale"], np.zeros(zeros, layer[part].dtype), **axis)
                for part in ("weight", "bias")]


def export(net):
    """-> ModelProto, int8 [batch, 1, 8, 8] in, int8 [batch, 10] out"""
    g, x, params = QdqGraph(), "image", net["image"]
    for layer in net["convs"]:
        name, k = layer["name"], layer["weight"].shape[2]
        weights = g.weights(name, layer)
        x = g.dequantise(x, f"{name}/input_dequant", params[0], np.int8(params[1]))
        x = g.node("Conv", [x] + weights, f"{name}/prequant", kernel_shape=[k, k],
                   strides=[layer["stride"]] * 2, pads=[k // 2] * 4, dilations=[1, 1],
                   group=len(layer["bias"]) if layer["depthwise"] else 1)
        x = g.quantise(g.node("Relu", [x], f"{name}/relu"), name, layer["out"])
        params = layer["out"]
    x = g.dequantise(x, "pool/input_dequant", params[0], np.int8(params[1]))
    x = g.node("AveragePool", [x], "pool/prequant", kernel_shape=[2, 2], strides=[2, 2])
    params = net["pool"]
    x = g.quantise(x, "pool", params)
    x = g.node("Reshape", [x, g.constant("flatten/shape", np.array([-1, 128]))], "flatten")
    w, b = g.weights("dense", net["dense"])
    x = g.dequantise(x, "dense/input_dequant", params[0], np.int8(params[1]))
    x = g.node("Add", [g.node("MatMul", [x, w], "dense/matmul"), b], "dense/prequant")
    params = net["dense"]["out"]
    x = g.dequantise(g.quantise(x, "dense", params), "softmax/input_dequant", params[0], np.int8(params[1]))
    g.quantise(g.node("Softmax", [x], "softmax/prequant", axis=-1), "probabilities", net["probabilities"])
    graph = helper.make_graph(
        g.nodes, "digits_int8", [helper.make_tensor_value_info("image", TensorProto.INT8, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.INT8, ["batch", 10])], g.init)
    model = helper.make_model(graph, producer_name="burin-digits", ir_version=8,
                              opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    source = onnx.load(os.path.join(HERE, "digits_fp32.onnx"))
    weights = {i.name: numpy_helper.to_array(i) for i in source.graph.initializer}
    train_x, _, test_x, test_y = dataset.load()
    net = quantise(weights, train_x[:, None])
    path = os.path.join(HERE, "digits_int8.onnx")
    onnx.save(export(net), path)

    scale, zero_point = net["image"]
    x = integer.saturate(test_x / scale, zero_point)[:, None, None]
    exact = integer.run(net, x[:, 0])[:, None]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    ort = np.stack([session.run(None, {"image": sample})[0] for sample in x])
    np.savez(os.path.join(HERE, "test.npz"), in0=x, out0=exact, labels=test_y.astype(np.uint8))
    print(f"input: q = rne(pixel / {scale}) {zero_point:+d}")
    print(f"test accuracy {np.mean(exact[:, 0].argmax(1) == test_y):.4f} of {len(test_y)}")
    print(f"{np.count_nonzero(ort != exact)} of {exact.size} outputs differ from onnxruntime")


if __name__ == "__main__":
    main()
