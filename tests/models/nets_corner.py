"""Integer corner cases: each net is a few nodes that stand in real files somewhere."""
import numpy as np
from onnx import TensorProto, helper

from builder import QdqNet
from catalogue import net

F = np.float32
INT4 = helper.tensor_dtype_to_np_dtype(TensorProto.INT4)


def out(n, x, shape):
    n.output(x, n.params[x][2].name, shape)
    return n


def zero_points(name, seed, dtype, zero_in, zero_middle, zero_out):
    n = QdqNet(name, seed, dtype=dtype)
    x = n.quantised_input("x", [1, 3, 7, 7], 0.02, zero_in)
    x = n.conv(x, "c1", (5, 3, 3, 3), relu=False, output_zero=zero_middle, pads=[2, 0, 1, 1])
    x = n.conv(x, "c2", (3, 5, 2, 2), relu=False, output_zero=zero_out, pads=[0, 1, 1, 0])
    return out(n, x, [1, 3, 8, 6])


@net("zero points at the ends of int8: input 127, middle -128, output 127; asymmetric padding with them")
def corner_zero_points_s8():
    return zero_points("corner_zero_points_s8", 601, "int8", 127, -128, 127)


@net("zero points at the ends of uint8: input 255, middle 0, output 255")
def corner_zero_points_u8():
    return zero_points("corner_zero_points_u8", 602, "uint8", 255, 0, 255)


@net("all weights -128, all weights 127, and both with the largest inputs: the largest sums that int8 gives")
def corner_largest_products():
    n = QdqNet("corner_largest_products", 603)
    x = n.quantised_input("x", [1, 7, 5, 5], 0.01, -128)
    w = np.full((5, 7, 3, 3), -128)
    w[1], w[2, :, :, ::2] = 127, 127
    w[3:] = n.rng.integers(-128, 128, (2, 7, 3, 3))
    x = n.conv(x, "c", (5, 7, 3, 3), relu=False, values=w, per_channel=False, scale=0.003, pads=[1, 1, 1, 1])
    return out(n, x, [1, 5, 5, 5])


@net("weight scales of 5e-12 beside ordinary ones; the biases of those channels reach 2^31 - 1 and -2^31")
def corner_tiny_scales():
    n = QdqNet("corner_tiny_scales", 604)
    x = n.quantised_input("x", [1, 3, 6, 6], 0.05, 3)
    scale = np.array([5e-12, 5e-12, 0.004, 0.01, 1e-9], F)
    bias = np.array([2 ** 31 - 1 - 200_000, -2 ** 31 + 200_000, 1234, -567, 1_000_000_000])
    x = n.conv(x, "c", (5, 3, 3, 3), relu=False, scale=scale, bias_values=bias, pads=[1, 1, 1, 1], output_scale=0.02,
               output_zero=-5)
    return out(n, x, [1, 5, 6, 6])


@net("biases near 2^31 that matter: the sums stay inside int32 and are rounded to 24 bits before they are scaled")
def corner_large_bias():
    n = QdqNet("corner_large_bias", 605)
    x = n.quantised_input("x", [1, 7], 0.5, -20)
    bias = np.array([2 ** 31 - 1 - 150_000, -2 ** 31 + 150_000, 16_777_217, -16_777_219, 33_554_435])
    names = n.weights("d", x, (7, 5), 1, False, scale=0.001, bias_values=bias)
    y = n.node("MatMul", [n.dequantise(x), names[0]], "d/matmul")
    y = n.node("Add", [names[1], y], "d/prequant")
    return out(n, n.quantise(y, "d", 9000, 1), [1, 5])


@net("an accumulator that leaves int32: the sum is exact, and wraps nowhere",
     note="onnxruntime has no int32 here either: it adds in float32")
def corner_past_int32():
    n = QdqNet("corner_past_int32", 606)
    x = n.quantised_input("x", [1, 9, 4, 4], 0.5, -128)
    w = np.full((3, 9, 3, 3), 127)
    w[1] = -128
    bias = np.array([2 ** 31 - 1, -2 ** 31, 2 ** 31 - 1])
    w[2] = n.rng.integers(-128, 128, (9, 3, 3))
    x = n.conv(x, "c", (3, 9, 3, 3), relu=False, values=w, per_channel=False, scale=0.25, bias_values=bias,
               pads=[1, 1, 1, 1], output_scale=2.2e6, output_zero=0)
    return out(n, x, [1, 3, 4, 4])


@net("Clip before QuantizeLinear with bounds that are not multiples of the output scale; Clip with one bound")
def corner_clip():
    n = QdqNet("corner_clip", 607)
    x = n.quantised_input("x", [1, 3, 5, 5], 0.03, 9)
    low, high = n.const("low", F(-0.7304)), n.const("high", F(1.1137))
    outs = []
    for name, bounds in (("both", [low, high]), ("above", ["", high]), ("below", [low])):
        w = n.weights(name, x, (4, 3, 3, 3))
        y = n.node("Conv", [n.dequantise(x), *w], f"{name}/conv", kernel_shape=[3, 3])
        y = n.quantise(n.node("Clip", [y, *bounds], f"{name}/clip"), name, 0.0123, 7)
        outs.append(y)
    for y in outs:
        out(n, y, [1, 4, 3, 3])
    return n


@net("Clip to [0, 6] with attributes, as opset 10 and older write it")
def corner_clip_attributes():
    n = QdqNet("corner_clip_attributes", 608, dtype="uint8", opset=10)
    x = n.quantised_input("x", [1, 3, 5, 5], 0.03, 90)
    y = n.node("Clip", [n.dequantise(x)], "k0", min=-1.0, max=3.0)
    x = n.quantise(y, "q0", 0.0157, 64)
    w = n.weights("c", x, (4, 3, 3, 3), per_channel=False)
    y = n.node("Conv", [n.dequantise(x), *w], "c/conv", kernel_shape=[3, 3])
    return out(n, n.quantise(n.node("Clip", [y], "c/clip", min=0.0, max=6.0), "c", 6 / 255, 0), [1, 4, 3, 3])


@net("Sigmoid, Tanh, LeakyRelu, HardSigmoid, Relu, Clip and a chain of three between DequantizeLinear and "
     "QuantizeLinear, over all 256 values")
def corner_tables():
    n = QdqNet("corner_tables", 609)
    x = n.quantised_input("x", [1, 256], 0.045, 21)
    for op, options, scale, zero in [("Sigmoid", {}, 1 / 256, -128), ("Tanh", {}, 1 / 128, 0),
                                     ("LeakyRelu", {"alpha": 0.15}, 0.0391, -100), ("HardSigmoid", {}, 1 / 255, -128),
                                     ("Relu", {}, 0.0213, -128)]:
        y = n.node(op, [n.dequantise(x)], f"{op}/float", **options)
        out(n, n.quantise(y, f"{op}/quantised", scale, zero), [1, 256])
    y = n.node("Tanh", [n.dequantise(x)], "chain/tanh")
    y = n.node("LeakyRelu", [y], "chain/leaky", alpha=0.3)
    y = n.node("Clip", [y, n.const("low", F(-0.2)), n.const("high", F(0.9))], "chain/clip")
    return out(n, n.quantise(y, "chain", 0.0053, -90), [1, 256])


@net("requantisation alone: DequantizeLinear and QuantizeLinear with another scale, finer, coarser, with another type, "
     "and by a power of two, where half of all values are ties")
def corner_requantise():
    n = QdqNet("corner_requantise", 610)
    x = n.quantised_input("x", [1, 256], 0.03125, -13)
    for name, scale, zero, dtype in [("finer", 0.0113, 4, "int8"), ("coarser", 0.107, -77, "int8"),
                                     ("half", 0.0625, 3, "int8"), ("quarter", 0.125, 128, "uint8"),
                                     ("moved", 0.03125, 115, "uint8")]:
        out(n, n.quantise(n.dequantise(x), name, scale, zero, dtype), [1, 256])
    return n


@net("Concat of three tensors with different scales and zero points along channels and along width, one of them twice; "
     "Concat of equal scales, which is a copy")
def corner_concat():
    n = QdqNet("corner_concat", 611)
    a = n.quantised_input("a", [1, 3, 4, 5], 0.05, -11)
    b = n.quantised_input("b", [1, 5, 4, 5], 0.021, 40)
    c = n.quantised_input("c", [1, 1, 4, 5], 0.133, -128)
    y = n.node("Concat", [n.dequantise(v) for v in (a, b, c, a)], "channels/float", axis=1)
    out(n, n.quantise(y, "channels", 0.0719, -30), [1, 12, 4, 5])
    y = n.node("Concat", [n.dequantise(a), n.dequantise(a)], "width/float", axis=3)
    out(n, n.quantise(y, "width", 0.05, -11), [1, 3, 4, 10])
    return n


@net("Add and Mul of two quantised tensors with different scales, Add of a tensor to itself, Relu after Add, "
     "Add of a quantised constant per channel")
def corner_add_mul():
    n = QdqNet("corner_add_mul", 612)
    a = n.quantised_input("a", [1, 3, 7, 5], 0.0471, -19)
    b = n.quantised_input("b", [1, 3, 7, 5], 0.0193, 77)
    add = n.node("Add", [n.dequantise(a), n.dequantise(b)], "add/float")
    out(n, n.quantise(add, "add", 0.0611, 5), [1, 3, 7, 5])
    relu = n.node("Relu", [n.node("Add", [n.dequantise(b), n.dequantise(a)], "relu/add")], "relu/float")
    out(n, n.quantise(relu, "relu", 0.0317, -128), [1, 3, 7, 5])
    twice = n.node("Add", [n.dequantise(a), n.dequantise(a)], "twice/float")
    out(n, n.quantise(twice, "twice", 0.0833, -21), [1, 3, 7, 5])
    mul = n.node("Mul", [n.dequantise(a), n.dequantise(b)], "mul/float")
    out(n, n.quantise(mul, "mul", 0.0779, 12), [1, 3, 7, 5])
    k = n.dequantised_constant("k", n.rng.integers(-128, 128, (1, 3, 1, 1)).astype(np.int8), np.asarray(0.037, F), {})
    shifted = n.node("Add", [n.dequantise(a), k], "shifted/float")
    return out(n, n.quantise(shifted, "shifted", 0.0691, -2), [1, 3, 7, 5])


@net("Conv with strides 3 and 2 and a kernel wider than high, then 1-D Conv with stride 2, odd channel counts 3, 5, 7")
def corner_odd_shapes():
    n = QdqNet("corner_odd_shapes", 613)
    x = n.quantised_input("x", [1, 3, 11, 13], 0.033, -3)
    x = n.conv(x, "c1", (5, 3, 2, 5), strides=[3, 2], pads=[0, 2, 1, 1], dilations=[2, 1])
    x = n.same("Reshape", x, "rows", [n.const("shape", np.array([0, 5, -1], np.int64))])
    x = n.conv(x, "c2", (7, 5, 3), strides=[2], pads=[1, 0])
    x = n.conv(x, "c3", (7, 1, 4), group=7, auto_pad="SAME_LOWER", relu=False)
    return out(n, x, [1, 7, 12])


@net("MaxPool on quantised values with padding and zero point 127 (padding never wins), MaxPool between "
     "DequantizeLinear and QuantizeLinear with another scale, MaxPool on a convolution before it is quantised")
def corner_max_pool():
    n = QdqNet("corner_max_pool", 614)
    x = n.quantised_input("x", [1, 3, 7, 6], 0.04, 127)
    out(n, n.same("MaxPool", x, "plain", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), [1, 3, 4, 3])
    y = n.node("MaxPool", [n.dequantise(x)], "scaled/float", kernel_shape=[2, 2], strides=[1, 2])
    out(n, n.quantise(y, "scaled", 0.057, 99), [1, 3, 6, 3])
    w = n.weights("c", x, (4, 3, 3, 3))
    y = n.node("Conv", [n.dequantise(x), *w], "c/conv", kernel_shape=[3, 3])
    y = n.node("MaxPool", [n.node("Relu", [y], "c/relu")], "c/pool", kernel_shape=[2, 2], strides=[2, 2])
    return out(n, n.quantise(y, "c"), [1, 4, 2, 2])


@net("average pools whose output has the parameters of their input: every second sum of two, a quarter of the 2x2 "
     "sums are rounding ties",
     note="onnxruntime adds in float32 and may break a tie the other way; the formula of integer.py is the contract")
def corner_pool_ties():
    n = QdqNet("corner_pool_ties", 615)
    x = n.quantised_input("x", [1, 5, 8, 8], 0.0235, -128)
    for name, kernel in (("two", [1, 2]), ("four", [2, 2]), ("sixteen", [4, 4])):
        y = n.node("AveragePool", [n.dequantise(x)], f"{name}/float", kernel_shape=kernel, strides=kernel)
        out(n, n.quantise(y, name, *n.params[x][:2]), [1, 5, 8 // kernel[0], 8 // kernel[1]])
    y = n.node("GlobalAveragePool", [n.dequantise(x)], "all/float")
    return out(n, n.quantise(y, "all", *n.params[x][:2]), [1, 5, 1, 1])


@net("a per-channel bias whose scale is a few parts in ten million away from f32(sx * sw), as some exporters write it: "
     "it is taken as it is")
def corner_bias_scale():
    n = QdqNet("corner_bias_scale", 616)
    x = n.quantised_input("x", [1, 3, 5, 5], 0.0371, 4)
    w = n.weights("c", x, (4, 3, 3, 3), bias=False)
    exact = n.constants["c/weight/scale"] * n.scale_of(x)
    b = n.dequantised_constant("c/bias", n.rng.integers(-90000, 90000, 4).astype(np.int32),
                               np.nextafter(np.nextafter(exact.astype(F), F(1)), F(1)), {"axis": 0})
    y = n.node("Conv", [n.dequantise(x), *w, b], "c/conv", kernel_shape=[3, 3])
    return out(n, n.quantise(y, "c"), [1, 4, 3, 3])


@net("biases with scales of their own (uint8 net, one Gemm and one Conv): rescaled once, round(b * sb / (sx * sw))")
def corner_bias_rescaled():
    n = QdqNet("corner_bias_rescaled", 620, dtype="uint8")
    x = n.quantised_input("x", [1, 3, 5, 5], 0.0371, 140)
    w = n.weights("c", x, (4, 3, 3, 3), bias=False)
    b = n.dequantised_constant("c/bias", n.rng.integers(-3000, 3000, 4).astype(np.int32), np.asarray(0.00071, F), {})
    x = n.quantise(n.node("Conv", [n.dequantise(x), *w, b], "c/conv", kernel_shape=[3, 3]), "c")
    x = n.same("Flatten", x, "flat")
    w = n.weights("d", x, (36, 5), 1, bias=False, per_channel=False)
    b = n.dequantised_constant("d/bias", n.rng.integers(-127, 128, 5).astype(np.int32), np.asarray(0.031, F), {})
    return out(n, n.quantise(n.node("Gemm", [n.dequantise(x), *w, b], "d/gemm"), "d"), [1, 5])


@net("a quantised net with float input and output: QuantizeLinear of the input (ties, values out of range), "
     "DequantizeLinear as the last node", samples=8)
def corner_float_borders():
    n = QdqNet("corner_float_borders", 617)
    n.input("x", "float32", ["batch", 3, 6, 6])
    n.exact.values["x"] = n.rng.standard_normal((1, 3, 6, 6)).astype(F)
    x = n.quantise("x", "x_quantised", 0.015625, 2)
    x = n.conv(x, "c", (4, 3, 3, 3), pads=[1, 1, 1, 1])
    n.output(n.dequantise(x, "y"), "float32", ["batch", 4, 6, 6])
    return n


@net("a convolution whose every channel is constant or saturates: zero weights, outputs that all clip")
def corner_constant_channels():
    n = QdqNet("corner_constant_channels", 618)
    x = n.quantised_input("x", [1, 3, 5, 5], 0.02, -8)
    w = n.rng.integers(-127, 128, (5, 3, 3, 3))
    w[1], w[3] = 0, 0
    x = n.conv(x, "c1", (5, 3, 3, 3), relu=False, values=w, bias_values=[300, 5000, -20, 0, 10 ** 6], pads=[1, 1, 1, 1],
               output_scale=0.05, output_zero=-10, scale=np.array([0.01, 0.01, 0.5, 0.02, 0.01], F))
    x = n.conv(x, "c2", (3, 5, 3, 3), relu=False, pads=[1, 1, 1, 1])
    return out(n, x, [1, 3, 5, 5])


@net("Softmax on quantised logits with a large and with a tiny scale, output scale 1/256 and -128", "softmax")
def corner_softmax():
    n = QdqNet("corner_softmax", 619)
    for name, scale in (("sharp", 0.7), ("flat", 0.004)):
        x = n.quantised_input(name, [1, 13], scale, 30)
        y = n.node("Softmax", [n.dequantise(x)], f"{name}/float", axis=1)
        out(n, n.quantise(y, f"{name}/quantised", 1 / 256, -128), [1, 13])
    return n


def wide(n, x, name, like=None):
    """x -> quantised to int16 without a zero point, over all that it was seen to be"""
    low, high = n.bounds(x)
    return n.quantise(x, name, F(max(-low, high, 1e-6) / 32767) if like is None else n.scale_of(like), 0, "int16")


@net("mixed precision: tensors of int16 between int8 ones, whose products pass 2^24 and int32, in Conv, depthwise, "
     "Gemm, Add of both types, AveragePool, Concat, Clip, an int16 input and output", "exact", samples=8)
def corner_int16():
    n = QdqNet("corner_int16", 620, opset=21, ir=10)
    a = n.quantised_input("a", [1, 3, 9, 7], 0.02, -8)
    b = n.quantised_input("b", [1, 8, 9, 7], 1 / 3000, 0, dtype="int16")

    def conv(x, name, shape, relu=True, **attributes):
        y = n.node("Conv", [n.dequantise(x), *n.weights(name, x, shape)], f"{name}/prequant", **attributes)
        return n.node("Relu", [y], f"{name}/relu") if relu else y

    x = wide(n, conv(a, "c1", (8, 3, 3, 3), pads=[1, 1, 1, 1]), "c1")
    x = wide(n, conv(x, "dw", (8, 1, 3, 3), group=8, pads=[1, 1, 1, 1]), "dw")
    low, high = n.const("low", F(0)), n.const("high", F(n.bounds("dw/relu")[1] / 2))
    y = n.quantise(n.node("Clip", [conv(x, "pw", (8, 8, 1, 1), relu=False), low, high], "pw/clip"), "pw")
    x = wide(n, n.node("Add", [n.dequantise(x), n.dequantise(y)], "sum/prequant"), "sum")
    z = wide(n, n.node("Concat", [n.dequantise(x), n.dequantise(b)], "joined/prequant", axis=1), "joined")
    z = wide(n, conv(z, "c2", (5, 16, 3, 3), relu=False, strides=[2, 2]), "c2")
    p = n.quantise(n.node("AveragePool", [n.dequantise(x)], "pool/prequant", kernel_shape=[3, 3], strides=[3, 3]), "pool",
                   n.scale_of(x), 0, "int16")
    p = n.same("Reshape", p, "flat", [n.const("shape", np.array([1, -1], np.int64))])
    w, bias = n.weights("dense", p, (6, 48), values=n.rng.choice([-127, 127], (6, 48)))
    d = n.node("Gemm", [n.dequantise(p), w, bias], "dense/prequant", transB=1)
    n.output(n.quantise(d, "dense"), "int8", [1, 6])
    n.output(z, "int16", [1, 5, 4, 3])
    return n


@net("weights of int4, per channel and as a whole, with products of int8 and int16, in Conv, depthwise, Gemm and MatMul",
     samples=6)
def corner_int4():
    n = QdqNet("corner_int4", 621, opset=21, ir=10)

    def weights(name, x, shape, axis=0, one=False):
        q = n.rng.integers(-8, 8, shape)
        s = np.exp(n.rng.uniform(-4, -2, () if one else shape[axis])).astype(F)
        at = {} if one else {"axis": axis}
        w = n.dequantised_constant(f"{name}/weight", q.astype(INT4), s, at)
        b = n.rng.integers(-400, 400, shape[axis]).astype(np.int32)
        return w, n.dequantised_constant(f"{name}/bias", b, np.asarray(n.scale_of(x) * s, F), {} if one else {"axis": 0})

    x = n.quantised_input("x", [1, 3, 9, 7], 0.02, -8)
    y = n.node("Conv", [n.dequantise(x), *weights("c1", x, (7, 3, 3, 3))], "c1/prequant", pads=[1, 1, 1, 1])
    x = n.quantise(n.node("Relu", [y], "c1/relu"), "c1")
    y = n.node("Conv", [n.dequantise(x), *weights("dw", x, (7, 1, 3, 3))], "dw/prequant", group=7, pads=[1, 1, 1, 1])
    x = wide(n, y, "dw")
    x = n.quantise(n.node("Conv", [n.dequantise(x), *weights("pw", x, (9, 7, 1, 1), one=True)], "pw/prequant"), "pw")
    x = n.quantise(n.node("AveragePool", [n.dequantise(x)], "pool/prequant", kernel_shape=[9, 7]), "pool")
    x = n.same("Reshape", x, "flat", [n.const("shape", np.array([1, -1], np.int64))])
    y = n.node("Gemm", [n.dequantise(x), *weights("gemm", x, (21, 9))], "gemm/prequant", transB=1)
    x = n.quantise(y, "gemm")
    w, b = weights("dense", x, (21, 5), axis=1)
    y = n.node("Add", [n.node("MatMul", [n.dequantise(x), w], "dense/product"), b], "dense/prequant")
    n.output(n.quantise(y, "dense"), "int8", [1, 5])
    return n


@net("constants that fit in four and two bits, signed and not: products of many columns and of one row, windows within "
     "channels, groups, each large enough to be stored so", samples=5)
def corner_int4_stored():
    n = QdqNet("corner_int4_stored", 633, opset=21, ir=10)

    def weights(name, x, shape, low=-7, high=7, zero=None, axis=0):
        q = n.rng.integers(low, high + 1, shape)
        s = np.exp(n.rng.uniform(-4, -2, shape[axis])).astype(F)
        at = {"axis": axis}
        if zero is None:
            w = n.dequantised_constant(f"{name}/weight", q.astype(INT4), s, at)
        else:
            w = n.node("DequantizeLinear", [
                n.const(f"{name}/weight", q.astype(np.uint8)), n.const(f"{name}/weight/scale", s),
                n.const(f"{name}/weight/zero", np.full(shape[axis], zero, np.uint8))], f"{name}/weight/dequant", **at)
        b = n.rng.integers(-400, 400, shape[axis]).astype(np.int32)
        return w, n.dequantised_constant(f"{name}/bias", b, np.asarray(n.scale_of(x) * s, F), {"axis": 0})

    def conv(x, name, shape, low=-7, high=7, zero=None, **attributes):
        y = n.node("Conv", [n.dequantise(x), *weights(name, x, shape, low, high, zero)], f"{name}/prequant", **attributes)
        return n.quantise(n.node("Relu", [y], f"{name}/relu"), name)

    x = n.quantised_input("x", [1, 4, 9, 8], 0.02, -8)
    x = conv(x, "c1", (32, 4, 3, 3), pads=[1, 1, 1, 1])
    x = conv(x, "dw", (32, 1, 3, 3), group=32, pads=[1, 1, 1, 1])
    x = conv(x, "pw", (40, 32, 1, 1))
    x = conv(x, "two", (24, 40, 1, 1), -2, 1)
    x = conv(x, "lowest", (24, 24, 1, 1), -8, 7)
    x = conv(x, "unsigned", (18, 24, 1, 1), 0, 15, 9)
    x = conv(x, "grouped", (24, 6, 3, 3), group=3, strides=[2, 2])
    x = n.same("Reshape", x, "flat", [n.const("shape", np.array([1, -1], np.int64))])
    y = n.node("Gemm", [n.dequantise(x), *weights("gemm", x, (24, 288))], "gemm/prequant", transB=1)
    x = n.quantise(y, "gemm")
    w, b = weights("dense", x, (24, 15), axis=1)
    y = n.node("Add", [n.node("MatMul", [n.dequantise(x), w], "dense/product"), b], "dense/prequant")
    n.output(n.quantise(y, "dense"), "int8", [1, 15])
    return n
