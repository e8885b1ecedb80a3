"""Builds small ONNX nets; quantised ones are evaluated while they grow, which gives every
QuantizeLinear a scale that fits its values."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import integer

F = np.float32
ELEMENT = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT,
           "int16": TensorProto.INT16, "int32": TensorProto.INT32, "int64": TensorProto.INT64}


class Net:
    """Nodes, initialisers, inputs and outputs of one model, in the order they are added."""

    def __init__(self, name, seed, opset=13, ir=8, opsets=()):
        self.name, self.opset, self.ir, self.opsets = name, opset, ir, opsets
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initialisers, self.inputs, self.outputs, self.infos = [], [], [], [], []
        self.constants = {}

    def const(self, name, value):
        value = np.asarray(value)
        self.constants[name] = value
        self.initialisers.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op, inputs, output, domain="", name=None, **attributes):
        outputs = [output] if isinstance(output, str) else list(output)
        self.nodes.append(helper.make_node(op, list(inputs), outputs, f"{op}/{outputs[0]}" if name is None else name,
                                           domain=domain, **attributes))
        return outputs[0]

    def input(self, name, dtype, shape):
        self.inputs.append(helper.make_tensor_value_info(name, ELEMENT[dtype], shape))
        return name

    def output(self, name, dtype, shape):
        self.outputs.append(helper.make_tensor_value_info(name, ELEMENT[dtype], shape))
        return name

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(F)

    def weight(self, name, *shape):
        """float weight of roughly unit gain: the variance is one over the inputs of an output"""
        return self.const(name, self.normal(*shape) / F(np.sqrt(np.prod(shape[1:]))))

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.initialisers,
                                  value_info=self.infos)
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(*o) for o in self.opsets)]
        return helper.make_model(graph, producer_name="burin-tests", ir_version=self.ir, opset_imports=opsets)


class QdqNet(Net):
    """QuantizeLinear/DequantizeLinear net in the style that tf2onnx leaves: every use of a tensor
    has its own DequantizeLinear, weights and biases are dequantised constants."""

    def __init__(self, name, seed, dtype="int8", **options):
        super().__init__(name, seed, **options)
        self.dtype, self.params = np.dtype(dtype), {}
        self.exact = integer.Network(self.opset, self.constants)

    def node(self, op, inputs, output, **options):
        result = super().node(op, inputs, output, **options)
        self.exact.step(self.nodes[-1])
        return result

    def scalar(self, name, value, dtype):
        return self.const(name, np.asarray(value, dtype))

    def quantised_input(self, name, shape, scale, zero, run_shape=None, dtype=None):
        """shape as declared; run_shape with numbers for symbols"""
        dtype = np.dtype(dtype or self.dtype)
        self.input(name, dtype.name, shape)
        info = np.iinfo(dtype)
        self.exact.values[name] = self.rng.integers(info.min, info.max + 1, run_shape or shape).astype(dtype)
        self.params[name] = (F(scale), int(zero), dtype)
        return name

    def dequantise(self, x, output=None, **attributes):
        s, z, dtype = self.params[x]
        output = output or f"{x}_dequant_{len(self.nodes)}"
        return self.node("DequantizeLinear", [x, self.scalar(f"{output}/scale", s, F),
                                              self.scalar(f"{output}/zero_point", z, dtype)], output, **attributes)

    def quantise(self, x, output, scale=None, zero=None, dtype=None):
        """without scale: one that fits what the calibration input gives"""
        dtype = np.dtype(dtype or self.dtype)
        info = np.iinfo(dtype)
        if scale is None:
            low, high = self.bounds(x)
            scale = F(max(high - low, 1e-30) / 255)
            zero = int(np.clip(np.rint(info.min - low / scale), info.min, info.max)) if zero is None else zero
        self.params[output] = (F(scale), int(zero), dtype)
        return self.node("QuantizeLinear", [x, self.scalar(f"{output}/scale", scale, F),
                                            self.scalar(f"{output}/zero_point", zero, dtype)], output)

    def bounds(self, x):
        v = self.exact.values[x]
        r = v.a * v.s.astype(np.float64) if isinstance(v, integer.Accumulator) else integer.real(v)
        if isinstance(v, integer.Accumulator):
            r = r if v.low is None else np.maximum(r, v.low)
            r = r if v.high is None else np.minimum(r, v.high)
        return min(float(r.min()), 0.0), max(float(r.max()), 0.0)

    def scale_of(self, x):
        return self.params[x][0]

    def weights(self, name, x, shape, channel_axis=0, per_channel=True, scale=None, bias=True, values=None,
                bias_values=None):
        """-> names of the dequantised weight and bias; the bias scale is exactly f32(sx * sw)"""
        channels = shape[channel_axis]
        if values is None:
            values = self.rng.integers(-127, 128, shape)
            if per_channel:  # every channel of a real net reaches 127 somewhere
                np.moveaxis(values, channel_axis, 0).reshape(channels, -1)[:, 0] = 127
        if scale is None:
            scale = np.exp(self.rng.uniform(-6, -4, channels if per_channel else ())).astype(F)
        scale = np.asarray(scale, F)
        axis = {"axis": channel_axis} if scale.ndim else {}
        names = [self.dequantised_constant(f"{name}/weight", values.astype(np.int8), scale, axis)]
        if bias:
            b = self.rng.integers(-4000, 4000, channels) if bias_values is None else np.asarray(bias_values)
            bias_scale = np.asarray(self.scale_of(x) * scale, F)
            names.append(self.dequantised_constant(f"{name}/bias", b.astype(np.int32), bias_scale,
                                                   {"axis": 0} if scale.ndim else {}))
        return names

    def dequantised_constant(self, name, values, scale, axis):
        self.const(name, values)
        zeros = np.zeros(scale.shape, values.dtype)
        return self.node("DequantizeLinear", [name, self.const(f"{name}/scale", scale),
                                              self.const(f"{name}/zero_point", zeros)], f"{name}_dequant", **axis)

    def conv(self, x, name, shape, relu=True, output_scale=None, output_zero=None, **attributes):
        """quantised x -> Conv (-> Relu) -> quantised `name`; options for weights() may be mixed in"""
        options = {k: attributes.pop(k) for k in ("per_channel", "scale", "bias", "values", "bias_values")
                   if k in attributes}
        w = self.weights(name, x, shape, **options)
        y = self.node("Conv", [self.dequantise(x), *w], f"{name}/prequant", kernel_shape=list(shape[2:]), **attributes)
        if relu:
            y = self.node("Relu", [y], f"{name}/relu")
        return self.quantise(y, name, output_scale, output_zero)

    def dense(self, x, name, inputs, outputs, relu=False, per_channel=False):
        """quantised x [n, inputs] -> MatMul, Add (-> Relu) -> quantised `name`"""
        w, b = self.weights(name, x, (inputs, outputs), 1, per_channel)
        y = self.node("MatMul", [self.dequantise(x), w], f"{name}/matmul")
        y = self.node("Add", [y, b], f"{name}/prequant")
        if relu:
            y = self.node("Relu", [y], f"{name}/relu")
        return self.quantise(y, name)

    def same(self, op, x, output, inputs=(), **attributes):
        """operator that moves elements of a quantised tensor and keeps its parameters"""
        self.params[output] = self.params[x]
        return self.node(op, [x, *inputs], output, **attributes)
