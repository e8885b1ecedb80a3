"""Float nets; the reference is onnxruntime, to be met within 1e-4 of the largest output."""
import numpy as np

from builder import Net
from catalogue import net

F = np.float32


def conv(n, x, name, shape, **attributes):
    bias = [n.const(f"{name}_b", n.normal(shape[0]))] if attributes.pop("bias", True) else []
    return n.node("Conv", [x, n.weight(f"{name}_w", *shape), *bias], name, kernel_shape=list(shape[2:]), **attributes)


def batch_norm(n, x, name, channels, **attributes):
    rng = n.rng
    return n.node("BatchNormalization", [
        x, n.const(f"{name}_scale", rng.uniform(0.5, 1.5, channels).astype(F)), n.const(f"{name}_shift", n.normal(channels)),
        n.const(f"{name}_mean", n.normal(channels)), n.const(f"{name}_var", rng.uniform(0.5, 2, channels).astype(F))],
        name, **attributes)


def float_net(covers):
    return net(covers, "float", "onnxruntime")


@float_net("Conv, BatchNormalization, Relu, MaxPool, BatchNormalization before a padded Conv, Flatten with C > 1 and "
           "H x W > 1, Gemm with transB, alpha, beta")
def float_conv_bn():
    n = Net("float_conv_bn", 401)
    x = n.input("x", "float32", ["batch", 3, 11, 10])
    x = n.node("Relu", [batch_norm(n, conv(n, x, "c1", (6, 3, 3, 3), bias=False), "bn1", 6)], "r1")
    x = n.node("MaxPool", [x], "p1", kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 0, 1])
    x = batch_norm(n, x, "bn2", 6, epsilon=1e-3)
    x = n.node("Relu", [batch_norm(n, conv(n, x, "c2", (5, 6, 3, 3), pads=[1, 1, 1, 1]), "bn3", 5)], "r2")
    x = n.node("Flatten", [x], "flat")
    x = n.node("Gemm", [x, n.weight("w", 7, 100), n.const("b", n.normal(1, 7))], "y", transB=1, alpha=0.5, beta=2.0)
    n.output(x, "float32", ["batch", 7])
    return n.model()


@float_net("dense net: Gemm, MatMul + Add, Relu, Sigmoid, Tanh, Softmax")
def float_mlp():
    n = Net("float_mlp", 402)
    x = n.input("x", "float32", ["batch", 23])
    x = n.node("Gemm", [x, n.const("w1", n.normal(23, 31) / F(5)), n.const("b1", n.normal(31))], "g1")
    x = n.node("Relu", [x], "r1")
    x = n.node("MatMul", [x, n.const("w2", n.normal(31, 17) / F(5))], "m2")
    x = n.node("Sigmoid", [n.node("Add", [n.const("b2", n.normal(17)), x], "a2")], "s2")
    x = n.node("Tanh", [n.node("Gemm", [x, n.const("w3", n.normal(17, 9) / F(4))], "g3")], "t3")
    n.output(n.node("Softmax", [x], "y"), "float32", ["batch", 9])
    return n.model()


@float_net("depthwise with multiplier, grouped, dilated and asymmetrically padded convolutions, Clip(0, 6), residual Add")
def float_grouped():
    n = Net("float_grouped", 403)
    x = n.input("x", "float32", ["batch", 4, 10, 9])
    x = conv(n, x, "dw", (8, 1, 3, 3), group=4, pads=[1, 1, 1, 1])
    x = n.node("Clip", [x, n.const("lo", F(0)), n.const("hi", F(6))], "k1")
    y = conv(n, x, "gr", (8, 4, 3, 2), group=2, dilations=[2, 3], pads=[3, 1, 1, 2])
    x = n.node("Add", [x, y], "sum")
    x = conv(n, x, "st", (5, 8, 2, 3), strides=[3, 2], pads=[0, 2, 1, 0], bias=False)
    n.output(x, "float32", ["batch", 5, 4, 5])
    return n.model()


@float_net("auto_pad SAME_UPPER, SAME_LOWER and VALID with strides, in Conv, MaxPool and AveragePool")
def float_auto_pad():
    n = Net("float_auto_pad", 404)
    x = n.input("x", "float32", ["batch", 2, 10, 7])
    x = conv(n, x, "c1", (4, 2, 4, 3), strides=[3, 2], auto_pad="SAME_UPPER")
    y = conv(n, n.inputs[0].name, "c2", (4, 2, 4, 2), strides=[3, 2], auto_pad="SAME_LOWER")
    x = n.node("Add", [x, y], "sum")
    n.output(n.node("MaxPool", [x], "m", kernel_shape=[2, 2], auto_pad="SAME_UPPER"), "float32", ["batch", 4, 4, 4])
    n.output(n.node("AveragePool", [x], "a", kernel_shape=[2, 2], auto_pad="SAME_LOWER"), "float32", ["batch", 4, 4, 4])
    n.output(n.node("AveragePool", [x], "v", kernel_shape=[3, 2], auto_pad="VALID"), "float32", ["batch", 4, 2, 3])
    return n.model()


@float_net("branches: Concat along channels and along width, Mul by a gate of shape [1, C, 1, 1], Sub, Div, "
           "GlobalAveragePool, GlobalMaxPool, Sigmoid")
def float_branches():
    n = Net("float_branches", 405)
    x = n.input("x", "float32", ["batch", 3, 8, 8])
    a = n.node("Relu", [conv(n, x, "a", (4, 3, 1, 1))], "ra")
    b = n.node("Tanh", [conv(n, x, "b", (3, 3, 3, 3), pads=[1, 1, 1, 1])], "tb")
    x = n.node("Concat", [a, b], "cat", axis=1)
    gate = n.node("Sigmoid", [conv(n, n.node("GlobalAveragePool", [x], "gap"), "g", (7, 7, 1, 1))], "gate")
    x = n.node("Mul", [x, gate], "gated")
    x = n.node("Sub", [n.node("Div", [x, n.const("std", n.rng.uniform(1, 2, (7, 1, 1)).astype(F))], "div"),
                       n.const("mean", n.normal(7, 1, 1))], "sub")
    x = n.node("Concat", [x, x], "wide", axis=-1)
    n.output(n.node("MaxPool", [x], "y", kernel_shape=[2, 2], strides=[2, 2]), "float32", ["batch", 7, 4, 8])
    n.output(n.node("GlobalMaxPool", [x], "z"), "float32", ["batch", 7, 1, 1])
    return n.model()


@float_net("1-D convolutions with dilation and causal padding, AveragePool and ReduceMean, LeakyRelu, Transpose")
def float_conv1d():
    n = Net("float_conv1d", 406)
    x = n.input("x", "float32", ["batch", 32, 5])
    x = n.node("Transpose", [x], "nct", perm=[0, 2, 1])
    x = n.node("LeakyRelu", [conv(n, x, "c1", (8, 5, 3), pads=[2, 0])], "l1", alpha=0.2)
    x = n.node("LeakyRelu", [conv(n, x, "c2", (8, 8, 3), dilations=[4], pads=[8, 0])], "l2")
    x = n.node("AveragePool", [x], "p", kernel_shape=[4], strides=[2], pads=[1, 1])
    n.output(n.node("ReduceMean", [x], "y", axes=[2], keepdims=0), "float32", ["batch", 8])
    return n.model()


@float_net("a net of no multiplications: Relu, MaxPool with dilation, Reshape with 0 and -1, Transpose, Squeeze, Unsqueeze")
def float_moves():
    n = Net("float_moves", 407)
    x = n.input("x", "float32", ["batch", 6, 8, 5])
    x = n.node("MaxPool", [n.node("Relu", [x], "r")], "m", kernel_shape=[3, 2], strides=[1, 2], dilations=[2, 1])
    x = n.node("Transpose", [x], "t", perm=[0, 2, 3, 1])
    x = n.node("Reshape", [x, n.const("s1", np.array([0, 2, -1, 1], np.int64))], "rs")
    x = n.node("Squeeze", [x, n.const("a1", np.array([3], np.int64))], "sq")
    x = n.node("Unsqueeze", [x, n.const("a2", np.array([1, 4], np.int64))], "y")
    n.output(x, "float32", ["batch", 1, 2, 24, 1])
    return n.model()


@float_net("weights that are stored in 16 bits: float16 through Cast in Conv, depthwise and Gemm, float32 constants that are "
           "bfloat16 in a MatMul")
def float_half_weights():
    n = Net("float_half_weights", 421)

    def half(name, *shape):
        w = (n.normal(*shape) / F(np.sqrt(np.prod(shape[1:])))).astype(np.float16)
        return n.node("Cast", [n.const(name, w)], f"{name}_f32", to=1)

    x = n.input("x", "float32", [1, 3, 9, 8])
    x = n.node("Conv", [x, half("w1", 16, 3, 3, 3), n.const("b1", n.normal(16))], "c1", pads=[1, 1, 1, 1])
    x = n.node("Relu", [x], "r1")
    x = n.node("Conv", [x, half("w2", 16, 1, 3, 3)], "c2", group=16)
    x = n.node("Conv", [x, half("w3", 13, 16, 1, 1), n.const("b3", n.normal(13))], "c3")
    x = n.node("Relu", [x], "r3")
    x = n.node("Flatten", [x], "flat")
    x = n.node("Gemm", [x, half("w4", 17, 546), n.const("b4", n.normal(17))], "g4", transB=1)
    bits = (n.normal(17, 19) / F(4)).view(np.uint32) & np.uint32(0xffff0000)
    x = n.node("MatMul", [x, n.const("w5", bits.view(F))], "y")
    n.output(x, "float32", [1, 19])
    return n.model()
