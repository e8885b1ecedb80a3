"""Exact integer meaning of QuantizeLinear/DequantizeLinear networks, in numpy.

Between a DequantizeLinear and the next QuantizeLinear a value is kept as one of

    Quantised   integers q with scale s and zero point z; the real value is (q - z) * s
    Accumulator exact integers a with scale s (per channel: broadcastable), and clip bounds to apply
    numpy float32 array

and only QuantizeLinear rounds: rne(f32(f32(a) * f32(s / sy))) + zy for an accumulator,
rne(f32(x / sy)) + zy for a float, saturated; rne rounds half to even, every float32 operation
rounds once. onnxruntime computes such graphs in float32 throughout and may land on the other side
of a rounding tie; make_models.py counts where.
"""
from dataclasses import dataclass, replace

import numpy as np
from onnx import helper, numpy_helper

F = np.float32


@dataclass
class Quantised:
    q: np.ndarray
    s: np.ndarray
    z: np.ndarray


@dataclass
class Accumulator:
    a: np.ndarray
    s: np.ndarray
    low: float | None = None
    high: float | None = None


def real(v):
    """float32 value of anything; elementwise operators without an integer rule work on this"""
    if isinstance(v, Quantised):
        return (v.q - v.z).astype(F) * v.s
    if isinstance(v, Accumulator):
        raise NotImplementedError("an accumulator is read before it is quantised")
    return v


def payload(v):
    return v.q if isinstance(v, Quantised) else v.a if isinstance(v, Accumulator) else v


def with_payload(v, x):
    """v with its elements moved about; per-channel scales would have to move along"""
    if isinstance(v, Quantised):
        assert v.s.ndim == 0
        return replace(v, q=x)
    if isinstance(v, Accumulator):
        return replace(v, a=x, s=v.s if v.s.size > 1 else v.s.reshape(()))
    return x


def saturate(x, dtype):
    info = np.iinfo(dtype)
    return np.clip(x, info.min, info.max).astype(dtype)


def requantise(v, sy, zy):
    if isinstance(v, Accumulator):
        q = np.rint(v.a.astype(F) * (v.s / sy).astype(F)).astype(np.float64)
        q = q if v.low is None else np.maximum(q, np.rint(F(v.low) / sy))
        q = q if v.high is None else np.minimum(q, np.rint(F(v.high) / sy))
    else:
        q = np.rint(real(v) / sy).astype(np.float64)
    return saturate(q + float(zy), zy.dtype)


def padding(attributes, size, kernel):
    """-> strides, dilations, padding before and after each spatial axis, output size"""
    n = len(kernel)
    strides, dilations = attributes.get("strides", [1] * n), attributes.get("dilations", [1] * n)
    pads = attributes.get("pads", [0] * 2 * n)
    before, after = list(pads[:n]), list(pads[n:])
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        for i in range(n):
            total = max((-(-size[i] // strides[i]) - 1) * strides[i] + extent[i] - size[i], 0)
            before[i] = total // 2 if auto == b"SAME_UPPER" else total - total // 2
            after[i] = total - before[i]
    out = [(size[i] + before[i] + after[i] - extent[i]) // strides[i] + 1 for i in range(n)]
    return strides, dilations, before, after, out


def windows(x, kernel, attributes, fill):
    """yields for each kernel position its index and the elements [n, c, out...] under it"""
    strides, dilations, before, after, out = padding(attributes, x.shape[2:], kernel)
    x = np.pad(x, [(0, 0), (0, 0), *zip(before, after)], constant_values=fill)
    for k in np.ndindex(*kernel):
        cut = [slice(k[i] * dilations[i], k[i] * dilations[i] + strides[i] * (out[i] - 1) + 1, strides[i])
               for i in range(len(kernel))]
        yield k, x[(slice(None), slice(None), *cut)]


def convolve(x, w, attributes):
    """x [n, c, ...], w [o, c / group, ...] int64 -> exact int64 [n, o, ...]"""
    group = attributes.get("group", 1)
    o, c = w.shape[:2]
    acc = 0
    for k, xs in windows(x, w.shape[2:], attributes, 0):
        taps = w[(slice(None), slice(None), *k)].reshape(group, o // group, c)
        xs = xs.reshape(xs.shape[0], group, c, *xs.shape[2:])
        acc = acc + np.einsum("goc,ngc...->ngo...", taps, xs)
    return acc.reshape(acc.shape[0], o, *acc.shape[3:])


def exact_exp(x):
    return np.exp(x.astype(np.float64))


UNARY = {
    "Sigmoid": lambda x, at: (1 / (1 + exact_exp(-x))).astype(F),
    "Tanh": lambda x, at: np.tanh(x.astype(np.float64)).astype(F),
    "LeakyRelu": lambda x, at: np.where(x < 0, F(at.get("alpha", 0.01)) * x, x),
    "HardSigmoid": lambda x, at: np.clip(F(at.get("alpha", 0.2)) * x + F(at.get("beta", 0.5)), F(0), F(1)),
}
SHAPERS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "MaxPool")


class Network:
    """Values by name; `step` computes one node, so that a net can be evaluated while it is built."""

    def __init__(self, opset, constants):
        self.opset, self.constants, self.values = opset, constants, {}

    def get(self, name):
        return self.values[name] if name in self.values else self.constants[name]

    def optional(self, node, index):
        return self.get(node.input[index]) if len(node.input) > index and node.input[index] else None

    def scalar(self, node, index, default):
        value = self.optional(node, index)
        return default if value is None else np.asarray(value).reshape(())[()]

    def step(self, node):
        at = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self.values[node.output[0]] = self.compute(node, at)

    def compute(self, node, at):
        op, x = node.op_type, self.get(node.input[0]) if node.input else None
        if op == "Constant":
            return numpy_helper.to_array(at["value"])
        if op == "DequantizeLinear":
            return self.dequantise(node, x, at)
        if op == "QuantizeLinear":
            return requantise(x, self.scalar(node, 1, F(1)), self.scalar(node, 2, np.uint8(0)))
        if op in ("Conv", "MatMul", "Gemm"):
            return self.product(node, op, x, at)
        if op == "Relu":
            return replace(x, a=np.maximum(x.a, 0)) if isinstance(x, Accumulator) else np.maximum(real(x), F(0))
        if op == "Clip":
            low = at["min"] if "min" in at else self.optional(node, 1)
            high = at["max"] if "max" in at else self.optional(node, 2)
            if isinstance(x, Accumulator):
                return replace(x, low=low, high=high)
            return np.clip(real(x), None if low is None else F(low), None if high is None else F(high))
        if op in ("Add", "Mul"):
            y = self.get(node.input[1])
            if isinstance(y, Accumulator):
                x, y = y, x
            if op == "Add" and isinstance(x, Accumulator):
                return Accumulator(x.a + (y.q - y.z), x.s)
            return real(x) + real(y) if op == "Add" else real(x) * real(y)
        if op in ("AveragePool", "GlobalAveragePool", "ReduceMean"):
            return self.mean(node, op, x, at)
        if op == "Softmax":
            axis = at.get("axis", -1)
            e = exact_exp(real(x) - real(x).max(axis, keepdims=True)).astype(F)
            return e / e.sum(axis, keepdims=True, dtype=F)
        if op == "Concat":
            return np.concatenate([real(self.get(i)) for i in node.input], at["axis"])
        if op in UNARY:
            return UNARY[op](real(x), at).astype(F)
        if op in SHAPERS:
            return with_payload(x, self.moved(node, op, payload(x), at))
        raise NotImplementedError(op)

    def dequantise(self, node, x, at):
        s = np.asarray(self.get(node.input[1]), F)
        z = self.optional(node, 2)
        z = np.zeros(s.shape, np.int64) if z is None else np.asarray(z).astype(np.int64)
        if s.ndim == 1 and s.size > 1:
            shape = [1] * x.ndim
            shape[at.get("axis", 1)] = -1
            s, z = s.reshape(shape), z.reshape(shape)
        elif s.ndim:
            s, z = s.reshape(()), z.reshape(())
        return Quantised(x.astype(np.int64), s, z)

    def product(self, node, op, x, at):
        w = self.get(node.input[1])
        xi, wi, sw = x.q - x.z, w.q - w.z, w.s
        if op == "Conv":
            acc = convolve(xi, wi, at)
            sw = sw.reshape(1, -1, *[1] * (acc.ndim - 2)) if sw.size > 1 else sw
        else:
            if at.get("transB", 0):
                wi, sw = wi.T, sw.T
            acc = xi @ wi
        b = self.optional(node, 2)
        if b is not None:
            shape = [1] * acc.ndim
            shape[1 if op == "Conv" else -1] = -1
            acc = acc + self.bias(b, x.s, sw).reshape(shape)
        return Accumulator(acc, np.asarray(x.s * sw, F))

    @staticmethod
    def bias(b, sx, sw):
        """integers of a bias in steps of f32(sx * sw): as they are where the scales agree within 1e-5"""
        factor = np.broadcast_to(b.s.reshape(-1).astype(np.float64) / (sx * sw.reshape(-1)), b.q.shape)
        return np.where(np.abs(factor - 1) < 1e-5, b.q, np.rint(b.q * factor)).astype(np.int64)

    def mean(self, node, op, x, at):
        q = x.q - x.z
        if op == "AveragePool":
            inside = 1 if at.get("count_include_pad", 0) else 0
            acc = sum(t for _, t in windows(q, at["kernel_shape"], at, 0))
            n = sum(t for _, t in windows(np.ones((1, 1, *q.shape[2:]), np.int64), at["kernel_shape"], at, inside))
        else:
            axes = tuple(range(2, q.ndim))
            if op == "ReduceMean":
                axes = tuple(int(a) for a in (at["axes"] if "axes" in at else self.get(node.input[1])))
            acc = q.sum(axes, keepdims=op == "GlobalAveragePool" or bool(at.get("keepdims", 1)))
            n = np.int64(np.prod([q.shape[a] for a in axes]))
        return acc.astype(F) * x.s / n.astype(F)

    def moved(self, node, op, a, at):
        if op == "Transpose":
            return a.transpose(at.get("perm"))
        if op == "Reshape":
            return a.reshape([a.shape[i] if d == 0 else d for i, d in enumerate(self.get(node.input[1]))])
        if op == "Flatten":
            return a.reshape(int(np.prod(a.shape[:at.get("axis", 1)])), -1)
        if op == "MaxPool":
            lowest = -np.inf if a.dtype.kind == "f" else np.iinfo(a.dtype).min
            return np.max([t for _, t in windows(a, at["kernel_shape"], at, lowest)], 0)
        if op in ("Squeeze", "Unsqueeze"):
            axes = tuple(at["axes"] if "axes" in at else (int(v) for v in self.get(node.input[1])))
            return a.squeeze(axes) if op == "Squeeze" else np.expand_dims(a, axes)
        return a
