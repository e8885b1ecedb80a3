"""Post-training quantisation of the 1-D nets, to int8 ONNX models and their reference outputs.

Minimum-maximum ranges over the training samples, weights per output channel, int8 graph input and
output, QuantizeLinear/DequantizeLinear pairs around every operator.
"""
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from series import integer
from series.net import average_pool, save_model

F = np.float32


def activation_parameters(values):
    """-> (scale float32, zero point) of an asymmetric int8 range that holds zero"""
    lo, hi = min(values.min(), 0.0), max(values.max(), 0.0)
    scale = F((hi - lo) / 255)
    return scale, int(np.clip(np.rint(-128 - lo / np.float64(scale)), -128, 127))


def quantised_layer(w, b, input_scale, out):
    """float64 weights, first axis the output channel, and bias -> the layer's integers and scales"""
    scale = np.asarray(np.abs(w).reshape(len(w), -1).max(1) / 127, F)
    steps = w / scale.reshape((-1,) + (1,) * (w.ndim - 1)).astype(np.float64)
    bias_scale = input_scale * scale
    return {"weight": np.clip(np.rint(steps), -127, 127).astype(np.int8), "weight_scale": scale,
            "bias": np.rint(b / bias_scale).astype(np.int32), "bias_scale": bias_scale,
            "out": activation_parameters(out)}


def quantise(net, weights, x):
    """Float weights by name and calibration samples [n, channels, time] -> as integer.run takes it.

    Ranges are taken in float64 so that they are the same whatever the machine's vector unit.
    """
    x = x.astype(np.float64)
    result = {"input": activation_parameters(x), "convs": [], "average": net.average}
    s = result["input"][0]
    for c in net.convs:
        w, b = (weights[f"{c.name}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        x = np.maximum(integer.convolve(x, w, c.stride, c.depthwise) + b[:, None], 0)
        result["convs"].append({**c._asdict(), **quantised_layer(w, b, s, x)})
        x = integer.windows(x, c.pool).max(3)
        s = result["convs"][-1]["out"][0]
    x = integer.windows(x, net.average).mean(3).reshape(len(x), -1)
    # A scale of its own: with that of its input many sums would lie on a rounding tie.
    result["pooled"] = activation_parameters(x)
    w, b = (weights[f"dense.{part}"].astype(np.float64) for part in ("weight", "bias"))
    result["dense"] = quantised_layer(w, b, result["pooled"][0], x @ w.T + b)
    return result


class QdqGraph:
    """Collects nodes and initialisers; `around` puts an operator between its pairs."""

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
        """dequantised weight and bias of a layer, per channel"""
        return [self.dequantise(self.constant(f"{name}/{part}", layer[part]), f"{name}/{part}_dequant",
                                layer[f"{part}_scale"], np.zeros(len(layer["weight"]), layer[part].dtype), axis=0)
                for part in ("weight", "bias")]


def export(net, quantised, path, name):
    """Writes the model: int8 [batch, channels, time] in, int8 logits [batch, classes] out."""
    g, x, params = QdqGraph(), net.input, quantised["input"]

    def dequantised(at):
        return g.dequantise(x, f"{at}/input_dequant", params[0], np.int8(params[1]))

    for layer in quantised["convs"]:
        at = layer["name"]
        y = g.node("Conv", [dequantised(at)] + g.weights(at, layer), f"{at}/prequant",
                   kernel_shape=[layer["taps"]], strides=[layer["stride"]], pads=[layer["taps"] // 2] * 2,
                   dilations=[1], group=layer["outputs"] if layer["depthwise"] else 1)
        params, x = layer["out"], g.quantise(g.node("Relu", [y], f"{at}/relu"), at, layer["out"])
        if layer["pool"] > 1:
            y = g.node("MaxPool", [dequantised(f"{at}_maximum")], f"{at}_maximum/prequant",
                       kernel_shape=[layer["pool"]], strides=[layer["pool"]])
            x = g.quantise(y, f"{at}_maximum", params)
    g.nodes.append(average_pool(net, dequantised("average"), "average/prequant"))
    params, x = quantised["pooled"], g.quantise("average/prequant", "average", quantised["pooled"])
    x = g.node("Flatten", [x], "flatten", axis=1)
    y = g.node("Gemm", [dequantised("dense")] + g.weights("dense", quantised["dense"]), "dense/prequant", transB=1)
    g.quantise(y, "logits", quantised["dense"]["out"])
    save_model(helper.make_graph(
        g.nodes, f"{name}_int8",
        [helper.make_tensor_value_info(net.input, TensorProto.INT8, ["batch", net.channels, net.steps])],
        [helper.make_tensor_value_info("logits", TensorProto.INT8, ["batch", net.classes])], g.init), path, name, 13)


def onnxruntime_outputs(path, samples):
    """what onnxruntime gives without graph optimisation, sample by sample"""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    name = session.get_inputs()[0].name
    return np.stack([session.run(None, {name: sample})[0] for sample in samples])


def write_float_samples(path, model, x, labels):
    """samples [n, channels, time] and what onnxruntime makes of them"""
    x = x[:, None]
    np.savez(path, in0=x, out0=onnxruntime_outputs(model, x), labels=labels.astype(np.uint8))


def write_int8(net, name, folder, train_x, test_x, test_y):
    """Quantises NAME_fp32.onnx of a folder and writes NAME_int8.onnx and test.npz beside it.

    test.npz: `in0` int8, `out0` int8 of exact integer arithmetic, `float0` the float model's logits for
    the same samples before their quantisation, `labels` uint8.
    """
    source, target = f"{folder}/{name}_fp32.onnx", f"{folder}/{name}_int8.onnx"
    weights = {i.name: numpy_helper.to_array(i) for i in onnx.load(source).graph.initializer}
    quantised = quantise(net, weights, train_x)
    export(net, quantised, target, name)

    scale, zero_point = quantised["input"]
    x = integer.saturate(test_x / scale, zero_point)[:, None]
    exact = integer.run(quantised, x[:, 0])[:, None]
    ort = onnxruntime_outputs(target, x)
    real = onnxruntime_outputs(source, test_x[:, None])
    np.savez(f"{folder}/test.npz", in0=x, out0=exact, float0=real, labels=test_y.astype(np.uint8))
    sy, zy = quantised["dense"]["out"]
    error = np.abs((exact.astype(F) - zy) * sy - real)
    print(f"input: q = rne(value / {scale}) {zero_point:+d}; logit = (q {-zy:+d}) * {sy}")
    print(f"test accuracy {np.mean(exact[:, 0].argmax(1) == test_y):.4f} of {len(test_y)}, "
          f"float model {np.mean(real[:, 0].argmax(1) == test_y):.4f}")
    print(f"logits differ from the float model's by {error.mean():.3f} on average, at most {error.max():.3f}, "
          f"where they span {real.min():.2f} to {real.max():.2f}")
    print(f"{np.count_nonzero(ort != exact)} of {exact.size} outputs differ from onnxruntime")
