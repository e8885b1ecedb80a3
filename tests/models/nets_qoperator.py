"""Integer operators written by hand: QLinear* of the standard and of com.microsoft."""
import numpy as np

from builder import Net
from catalogue import net

F = np.float32
MICROSOFT = (("com.microsoft", 1),)


class QNet(Net):
    """params[name] = (scale, zero point) of every quantised tensor"""

    def __init__(self, name, seed, dtype, **options):
        super().__init__(name, seed, opsets=MICROSOFT, **options)
        self.dtype, self.params = np.dtype(dtype), {}

    def quantised_input(self, name, shape, scale, zero):
        self.params[name] = (scale, zero)
        return self.input(name, self.dtype.name, shape)

    def triple(self, x):
        """x, its scale and its zero point as operator inputs"""
        return [x, *self.parameters(x)]

    def parameters(self, x):
        s, z = self.params[x]
        names = [f"{x}/scale", f"{x}/zero_point"]
        if names[0] not in self.constants:
            self.const(names[0], np.asarray(s, F))
            self.const(names[1], np.asarray(z, self.dtype))
        return names

    def apply(self, op, inputs, output, params, **attributes):
        """operator whose inputs are triples followed by output scale and zero point"""
        self.params[output] = params
        flat = [i for x in inputs for i in self.triple(x)]
        return self.node(op, [*flat, *self.parameters(output)], output, domain="com.microsoft", **attributes)

    def weight_triple(self, name, shape, dtype, scale, zero):
        info = np.iinfo(dtype)
        values = self.rng.integers(info.min, info.max + 1, shape).astype(dtype)
        return [self.const(name, values), self.const(f"{name}/scale", np.asarray(scale, F)),
                self.const(f"{name}/zero_point", np.asarray(zero, dtype))]

    def conv(self, x, name, shape, params, dtype="int8", scale=0.01, zero=0, **attributes):
        self.params[name] = params
        bias = self.const(f"{name}/bias", self.rng.integers(-5000, 5000, shape[0]).astype(np.int32))
        return self.node("QLinearConv", [*self.triple(x), *self.weight_triple(f"{name}/weight", shape, dtype, scale, zero),
                                         *self.parameters(name), bias], name, kernel_shape=list(shape[2:]), **attributes)


def finish(n, *outputs):
    for name, shape in outputs:
        n.output(name, n.dtype.name, shape)
    return n


def conv_net(name, seed, dtype, weight_dtype, weight_zero):
    """grouped, dilated, strided and asymmetrically padded convolutions, scales per channel"""
    n = QNet(name, seed, dtype)
    middle = (np.iinfo(dtype).min + np.iinfo(dtype).max + 1) // 2
    x = n.quantised_input("x", ["batch", 6, 9, 8], 0.02, middle + 5)
    scales = np.exp(n.rng.uniform(-5, -4, 9)).astype(F)
    x = n.conv(x, "grouped", (9, 2, 3, 3), (0.11, middle - 20), weight_dtype, scales, np.full(9, weight_zero),
               group=3, dilations=[2, 1], pads=[2, 0, 1, 3])
    x = n.conv(x, "depthwise", (9, 1, 3, 2), (0.9, middle), weight_dtype, 0.05, weight_zero, group=9, strides=[2, 3],
               auto_pad="SAME_UPPER")
    x = n.conv(x, "pointwise", (5, 9, 1, 1), (1.3, middle + 90), weight_dtype, 0.02, weight_zero)
    return finish(n, (x, ["batch", 5, 4, 3]))


@net("QLinearConv uint8 x int8: grouped, dilated, strided, SAME_UPPER, scales per channel", reference="onnxruntime")
def qop_conv_u8s8():
    return conv_net("qop_conv_u8s8", 301, "uint8", "int8", 0)


@net("QLinearConv uint8 x uint8, weight zero point 131", reference="onnxruntime")
def qop_conv_u8u8():
    return conv_net("qop_conv_u8u8", 302, "uint8", "uint8", 131)


@net("QLinearConv int8 x int8", reference="onnxruntime")
def qop_conv_s8s8():
    return conv_net("qop_conv_s8s8", 303, "int8", "int8", 0)


@net("QLinearConv int8 x int8, weight zero point -9", reference="onnxruntime")
def qop_conv_s8s8_zero():
    return conv_net("qop_conv_s8s8_zero", 304, "int8", "int8", -9)


def dense_net(name, seed, dtype, weight_dtype, weight_zero):
    n = QNet(name, seed, dtype)
    middle = (np.iinfo(dtype).min + np.iinfo(dtype).max + 1) // 2
    x = n.quantised_input("x", ["batch", 19], 0.05, middle - 3)
    n.params["matmul"] = (0.6, middle + 10)
    w = n.weight_triple("w1", (19, 13), weight_dtype, np.exp(n.rng.uniform(-5, -4, 13)), np.full(13, weight_zero))
    x = n.node("QLinearMatMul", [*n.triple(x), *w, *n.parameters("matmul")], "matmul")
    n.params["gemm"] = (1.1, middle - 40)
    w = n.weight_triple("w2", (11, 13), weight_dtype, 0.01, weight_zero)
    bias = n.const("b2", n.rng.integers(-3000, 3000, 11).astype(np.int32))
    x = n.node("QGemm", [*n.triple(x), *w, bias, *n.parameters("gemm")], "gemm", domain="com.microsoft", transB=1,
               alpha=0.7)
    w = n.weight_triple("w3", (11, 4), weight_dtype, np.exp(n.rng.uniform(-5, -4, 4)), np.full(4, weight_zero))
    n.node("QGemm", [*n.triple(x), *w, ""], "y", domain="com.microsoft")
    n.output("y", "float32", ["batch", 4])
    return n


@net("QLinearMatMul with scales per column, QGemm with transB, alpha and bias, QGemm with float output, uint8 x int8",
     reference="onnxruntime")
def qop_dense_u8s8():
    return dense_net("qop_dense_u8s8", 311, "uint8", "int8", 0)


@net("the same, uint8 weights with zero point 120", reference="onnxruntime")
def qop_dense_u8u8():
    return dense_net("qop_dense_u8u8", 312, "uint8", "uint8", 120)


@net("the same, int8 x int8", reference="onnxruntime")
def qop_dense_s8s8():
    return dense_net("qop_dense_s8s8", 313, "int8", "int8", 0)


def elementwise_net(name, seed, dtype, ties):
    """with ties: scales that are powers of two, so that many sums lie halfway between two steps"""
    n = QNet(name, seed, dtype)
    low = np.iinfo(dtype).min
    a = n.quantised_input("a", ["batch", 2, 16, 16], 0.5 if ties else 0.0371, low + 131)
    b = n.quantised_input("b", ["batch", 2, 16, 16], 0.25 if ties else 0.0522, low + 96)
    n.params["c"] = (0.125 if ties else 0.0633, low + 100)
    n.const("c", n.rng.integers(low, low + 256, (2, 1, 1)).astype(dtype))
    n.params["s"] = (0.5 if ties else 0.0211, low + 7)
    n.const("s", np.array([low + 77], dtype))
    n.apply("QLinearAdd", [a, b], "sum", (1.0 if ties else 0.0789, low + 121))
    n.apply("QLinearMul", [a, b], "product", (8.0 if ties else 0.0913, low + 125))
    n.apply("QLinearAdd", ["sum", "c"], "shifted", (2.0 if ties else 0.0841, low + 119))
    n.apply("QLinearMul", ["shifted", "s"], "scaled", (16.0 if ties else 0.1171, low + 127))
    n.apply("QLinearAdd", ["s", "product"], "last", (4.0 if ties else 0.1093, low + 129))
    return finish(n, *((name, ["batch", 2, 16, 16]) for name in ("sum", "product", "shifted", "scaled", "last")))


@net("QLinearAdd and QLinearMul, uint8: two tensors, a constant per channel, a scalar on either side",
     reference="onnxruntime")
def qop_add_mul_u8():
    return elementwise_net("qop_add_mul_u8", 321, "uint8", False)


@net("the same, int8", reference="onnxruntime")
def qop_add_mul_s8():
    return elementwise_net("qop_add_mul_s8", 322, "int8", False)


TIES = ("onnxruntime rounds after it has added the odd output zero point here, which breaks a tie the other way than "
        "rounding first")


@net("QLinearAdd and QLinearMul on rounding ties, uint8", reference="onnxruntime", note=TIES)
def qop_add_mul_ties_u8():
    return elementwise_net("qop_add_mul_ties_u8", 323, "uint8", True)


@net("QLinearAdd and QLinearMul on rounding ties, int8", reference="onnxruntime", note=TIES)
def qop_add_mul_ties_s8():
    return elementwise_net("qop_add_mul_ties_s8", 324, "int8", True)


def table_net(name, seed, dtype):
    n = QNet(name, seed, dtype)
    low = np.iinfo(dtype).min
    x = n.quantised_input("x", ["batch", 4, 64], 0.05, low + 119)
    n.apply("QLinearSigmoid", [x], "sigmoid", (1 / 256, low))
    n.apply("QLinearLeakyRelu", [x], "leaky", (0.04, low + 31), alpha=0.1)
    n.params["joined"] = (0.043, low + 60)
    n.node("QLinearConcat", [*n.parameters("joined"), *n.triple("sigmoid"), *n.triple("leaky"), *n.triple(x)], "joined",
           domain="com.microsoft", axis=1)
    return finish(n, ("sigmoid", ["batch", 4, 64]), ("leaky", ["batch", 4, 64]), ("joined", ["batch", 12, 64]))


@net("QLinearSigmoid, QLinearLeakyRelu, QLinearConcat of three scales over all 256 values, uint8",
     reference="onnxruntime")
def qop_tables_u8():
    return table_net("qop_tables_u8", 331, "uint8")


@net("the same, int8", reference="onnxruntime")
def qop_tables_s8():
    return table_net("qop_tables_s8", 332, "int8")


def pool_net(name, seed, dtype, ties):
    n = QNet(name, seed, dtype)
    low = np.iinfo(dtype).min
    x = n.quantised_input("x", ["batch", 7, 9, 8], 0.25 if ties else 0.03171, low + 111)
    s = n.params[x] if ties else (0.02697, low + 93)
    n.apply("QLinearAveragePool", [x], "valid", s, kernel_shape=[2, 2] if ties else [3, 3], strides=[2, 2])
    n.apply("QLinearAveragePool", [x], "padded", s, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    n.apply("QLinearAveragePool", [x], "counted", s, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1],
            count_include_pad=1)
    n.apply("QLinearGlobalAveragePool", ["valid"], "global", s)
    n.node("MaxPool", [x], "max", kernel_shape=[3, 3], strides=[2, 3], pads=[1, 1, 1, 0])
    return finish(n, ("valid", ["batch", 7, 4, 4] if ties else ["batch", 7, 4, 3]), ("padded", ["batch", 7, 5, 8]),
                  ("counted", ["batch", 7, 5, 8]), ("global", ["batch", 7, 1, 1]), ("max", ["batch", 7, 5, 3]))


@net("QLinearAveragePool without padding, with padding counted and not, QLinearGlobalAveragePool, MaxPool, uint8",
     reference="onnxruntime")
def qop_pools_u8():
    return pool_net("qop_pools_u8", 341, "uint8", False)


@net("the same, int8", reference="onnxruntime")
def qop_pools_s8():
    return pool_net("qop_pools_s8", 342, "int8", False)


@net("pools whose output has the scale of the input: a quarter of the 2x2 sums are rounding ties, uint8",
     reference="onnxruntime", note=TIES)
def qop_pools_ties_u8():
    return pool_net("qop_pools_ties_u8", 343, "uint8", True)


def softmax_net(name, seed, dtype):
    n = QNet(name, seed, dtype)
    low = np.iinfo(dtype).min
    x = n.quantised_input("x", ["batch", 6, 10], 0.021, low + 117)
    n.apply("QLinearSoftmax", [x], "last", (1 / 256, low), axis=2, opset=13)
    n.apply("QLinearSoftmax", [x], "middle", (1 / 256, low), axis=1, opset=13)
    n.apply("QLinearSoftmax", [x], "flattened", (1 / 256, low), axis=1, opset=12)
    return finish(n, *((name, ["batch", 6, 10]) for name in ("last", "middle", "flattened")))


@net("QLinearSoftmax along the last axis, a middle axis, and over all axes from 1 on (opset 12), uint8", "softmax",
     "onnxruntime")
def qop_softmax_u8():
    return softmax_net("qop_softmax_u8", 351, "uint8")


@net("the same, int8", "softmax", "onnxruntime")
def qop_softmax_s8():
    return softmax_net("qop_softmax_s8", 352, "int8")
