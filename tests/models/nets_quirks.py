"""Nets that compute little but are written in every way that real exporters write them."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from builder import Net, QdqNet
from catalogue import net

F = np.float32


def quirk(covers):
    return net(covers, "float", "onnxruntime", samples=4)


@quirk("IR version 3: every initialiser is listed among the graph inputs")
def quirk_initialisers_as_inputs():
    n = Net("quirk_initialisers_as_inputs", 501, opset=9, ir=3)
    w, b = n.weight("w", 4, 2, 3, 3), n.const("b", n.normal(4))
    n.input("w", "float32", [4, 2, 3, 3])
    x = n.input("x", "float32", [1, 2, 5, 5])
    n.input("b", "float32", [4])
    n.output(n.node("Conv", [x, w, b], "y", kernel_shape=[3, 3]), "float32", [1, 4, 3, 3])
    return n.model()


@quirk("optional inputs left empty: Clip without minimum or maximum, Gemm without C, Conv without bias; "
       "optional outputs left out")
def quirk_empty_inputs():
    n = Net("quirk_empty_inputs", 502)
    x = n.input("x", "float32", ["N", 2, 4, 4])
    x = n.node("Conv", [x, n.weight("w", 3, 2, 1, 1), ""], "c", kernel_shape=[1, 1])
    x = n.node("Clip", [x, "", n.const("hi", F(0.5))], "k1")
    x = n.node("Clip", [x, n.const("lo", F(-0.5)), ""], "k2")
    x = n.node("MaxPool", [x], ["m", ""], kernel_shape=[2, 2], strides=[2, 2])
    x = n.node("Dropout", [x, "", ""], ["d", ""])
    x = n.node("Flatten", [x], "f")
    n.output(n.node("Gemm", [x, n.const("g", n.normal(12, 3)), ""], "y"), "float32", ["N", 3])
    return n.model()


@quirk("several opset imports, of which some are not used, one of them of an unknown domain; a batch without a name; "
       "output shapes that are not given")
def quirk_opsets_anonymous_batch():
    n = Net("quirk_opsets_anonymous_batch", 503, opsets=(("ai.onnx.ml", 2), ("com.microsoft", 1), ("org.example", 4)))
    x = n.input("x", "float32", [None, 6])
    x = n.node("Gemm", [x, n.const("w", n.normal(6, 3)), n.const("b", n.normal(3))], "g")
    n.outputs.append(helper.make_tensor_value_info(n.node("Relu", [x], "y"), TensorProto.FLOAT, [None, None]))
    return n.model()


@quirk("names with / ; : . and spaces, names that become equal as C names, C keywords, a leading digit, no node names; "
       "two inputs and three outputs")
def quirk_names():
    n = Net("quirk/names;1", 504)
    a = n.input("in/put:0", "float32", [1, 4])
    b = n.input("in.put;0", "float32", [1, 4])
    n.const("model/w:0", n.normal(1, 4))
    n.const("model;w.0", n.normal(1, 4))
    n.node("Add", [a, "model/w:0"], "float", name="")
    n.node("Mul", [b, "model;w.0"], "2nd out", name="")
    n.node("Sub", ["float", "2nd out"], "2nd_out", name="")
    for output in ("float", "2nd out", "2nd_out"):
        n.output(output, "float32", [1, 4])
    return n.model()


@quirk("weights in Constant nodes (value, value_float, value_ints), Identity on a constant and at the end, Dropout")
def quirk_constant_nodes():
    n = Net("quirk_constant_nodes", 505)
    x = n.input("x", "float32", ["batch", 2, 3])
    w = n.node("Constant", [], "w", value=numpy_helper.from_array(n.normal(6, 4), "w"))
    shape = n.node("Constant", [], "shape", value_ints=[-1, 6])
    half = n.node("Constant", [], "half", value_float=0.5)
    x = n.node("Reshape", [x, shape], "flat")
    x = n.node("MatMul", [x, n.node("Identity", [w], "w2")], "m")
    x = n.node("Dropout", [n.node("Mul", [x, half], "scaled")], "dropped")
    n.output(n.node("Identity", [x], "y"), "float32", ["batch", 4])
    return n.model()


@quirk("the shape of Reshape computed at run time: Shape, Gather, Unsqueeze, Concat")
def quirk_computed_shapes():
    n = Net("quirk_computed_shapes", 506)
    x = n.node("Relu", [n.input("x", "float32", ["batch", 3, 4, 2])], "r")
    i = n.const("zero", np.array(0, np.int64))
    axes = n.const("axes", np.array([0], np.int64))
    batch = n.node("Unsqueeze", [n.node("Gather", [n.node("Shape", [x], "s"), i], "g", axis=0), axes], "u")
    y = n.node("Reshape", [x, n.node("Concat", [batch, n.const("rest", np.array([-1], np.int64))], "c", axis=0)], "flat")
    n.output(n.node("Gemm", [y, n.const("w", n.normal(24, 5))], "y"), "float32", ["batch", 5])
    return n.model()


@quirk("the same through Shape, Slice, ReduceProd, Cast to float and back, Mul and Div")
def quirk_computed_shapes_more():
    n = Net("quirk_computed_shapes_more", 508)
    x = n.node("Relu", [n.input("x", "float32", ["batch", 6, 4, 2])], "r")
    shape = n.node("Shape", [x], "s")
    cut = {k: n.const(f"at{k}", np.array([k], np.int64)) for k in (0, 1, 2, 4)}
    two = n.const("two", np.array([2], np.int64))
    batch = n.node("Slice", [shape, cut[0], cut[1]], "batch")
    planes = n.node("Div", [n.node("Slice", [shape, cut[1], cut[2]], "channels"), two], "planes")
    area = n.node("ReduceProd", [n.node("Slice", [shape, cut[2], cut[4]], "tail")], "area", keepdims=1)
    area = n.node("Cast", [n.node("Cast", [area], "af", to=TensorProto.FLOAT)], "ai", to=TensorProto.INT64)
    area = n.node("Mul", [area, two], "double")
    x = n.node("Reshape", [x, n.node("Concat", [batch, planes, area], "c", axis=0)], "rows")
    n.output(n.node("ReduceMean", [x], "y", axes=[2], keepdims=0), "float32", ["batch", 3])
    return n.model()


@quirk("a value used many times, nodes that nothing reads, a graph output that is also read, an unused input, "
       "an initialiser that two nodes read")
def quirk_dead_and_shared():
    n = Net("quirk_dead_and_shared", 507)
    x = n.input("x", "float32", [1, 5])
    n.input("unused", "float32", [1, 2])
    w = n.const("w", n.normal(1, 5))
    n.const("dead_w", n.normal(3, 3))
    a = n.node("Add", [x, w], "a")
    n.node("Mul", ["dead_w", "dead_w"], "dead")
    n.node("Tanh", [a], "also_dead")
    b = n.node("Mul", [a, a], "b")
    c = n.node("Add", [n.node("Add", [b, a], "ab"), w], "c")
    n.output("b", "float32", [1, 5])
    n.output(c, "float32", [1, 5])
    return n.model()


def before_branches(n, opset):
    """x [1, 3, 1, 6] through Clip, Squeeze, Unsqueeze and Dropout as the opset writes them -> [1, 1, 1, 3, 6]"""
    x = n.input("x", "float32", [1, 3, 1, 6])
    if opset < 11:
        x = n.node("Clip", [x], "clip", min=-0.8, max=1.5)
    else:
        x = n.node("Clip", [x, n.const("lo", F(-0.8)), n.const("hi", F(1.5))], "clip")
    if opset < 13:
        x = n.node("Unsqueeze", [n.node("Squeeze", [x], "sq", axes=[2])], "un", axes=[1, 2])
    else:
        x = n.node("Squeeze", [x, n.const("a2", np.array([2], np.int64))], "sq")
        x = n.node("Unsqueeze", [x, n.const("a12", np.array([1, 2] if opset < 18 else [-4, -3], np.int64))], "un")
    return n.node("Dropout", [x], "drop", **({"ratio": 0.3} if opset < 12 else {}))


def old_net(name, seed, opset):
    return Net(name, seed, opset=opset, ir=4 if opset < 11 else 8)


def finish(n, *outputs):
    for name, shape in outputs:
        n.output(name, "float32", shape)
    return n.model()


def basic(opset):
    n = old_net(f"quirk_opset{opset}", 510 + opset, opset)
    x = before_branches(n, opset)
    n.node("Softmax", [x], "soft")
    n.node("Softmax", [x], "soft3", axis=3)
    if opset < 18:
        n.node("ReduceMean", [x], "mean", axes=[1, 3], keepdims=0)
    else:
        n.node("ReduceMean", [x, n.const("a13", np.array([1, 3], np.int64))], "mean", keepdims=0)
    x = n.node("Squeeze", [x, *([n.const("a1", np.array([1], np.int64))] if opset > 12 else [])], "sq1",
               **({"axes": [1]} if opset < 13 else {}))
    n.node("Flatten", [x], "flat", axis=2)
    return finish(n, ("soft", [1, 1, 1, 3, 6]), ("soft3", [1, 1, 1, 3, 6]), ("mean", [1, 1, 6]), ("flat", [1, 18]))


def more(opset):
    n = old_net(f"quirk_opset{opset}_more", 540 + opset, opset)
    x = before_branches(n, opset)
    n.const("scale", n.rng.uniform(0.5, 1.5, 1).astype(F))
    for part in ("shift", "mean"):
        n.const(part, n.normal(1))
    n.const("var", n.rng.uniform(0.5, 2, 1).astype(F))
    x = n.node("BatchNormalization", [x, "scale", "shift", "mean", "var"], "bn")
    if opset < 18:
        n.node("ReduceMax", [x], "max", axes=[-2])
    else:
        n.node("ReduceMax", [x, n.const("a3", np.array([-2], np.int64))], "max")
    if opset < 13:
        n.node("ReduceSum", [x], "sum", axes=[2, 3], keepdims=1)
    else:
        n.node("ReduceSum", [x, n.const("a23", np.array([2, 3], np.int64))], "sum", keepdims=1)
    if opset < 10:
        n.node("Slice", [x], "cut", axes=[4], starts=[1], ends=[-1])
    else:
        n.node("Slice", [x, *(n.const(f"cut_{k}", np.array([v], np.int64)) for k, v in
                              (("from", 1), ("to", -1), ("axis", 4), ("step", 2)))], "cut")
    pads = [0, 0, 0, 1, 0, 0, 0, 0, 2, 0]
    if opset < 11:
        n.node("Pad", [x], "padded", pads=pads, value=0.25)
    else:
        n.node("Pad", [x, n.const("pads", np.array(pads, np.int64)), n.const("fill", F(0.25))], "padded")
    return finish(n, ("sum", [1, 1, 1, 1, 6]), ("max", [1, 1, 1, 1, 6]), ("cut", [1, 1, 1, 3, 4 if opset < 10 else 2]),
                  ("padded", [1, 1, 1, 6, 6]))


BASIC = ("Clip, Squeeze, Unsqueeze, Dropout, Softmax with and without axis, ReduceMean, Flatten as opset {} has them "
         "(attributes or inputs, defaults)")
MORE = "BatchNormalization, ReduceMax, ReduceSum, Slice, Pad as opset {} has them"


@quirk(BASIC.format(7))
def quirk_opset7():
    return basic(7)


@quirk(MORE.format(7))
def quirk_opset7_more():
    return more(7)


@quirk(BASIC.format(9))
def quirk_opset9():
    return basic(9)


@quirk(MORE.format(9))
def quirk_opset9_more():
    return more(9)


@quirk(BASIC.format(11))
def quirk_opset11():
    return basic(11)


@quirk(MORE.format(11))
def quirk_opset11_more():
    return more(11)


@quirk(BASIC.format(13))
def quirk_opset13():
    return basic(13)


@quirk(MORE.format(13))
def quirk_opset13_more():
    return more(13)


@quirk(BASIC.format(18))
def quirk_opset18():
    return basic(18)


@quirk(MORE.format(18))
def quirk_opset18_more():
    return more(18)


@quirk("weights stored in raw_data and in float_data and int64_data fields")
def quirk_typed_fields():
    n = Net("quirk_typed_fields", 530)
    x = n.input("x", "float32", ["batch", 6])
    n.initialisers.append(helper.make_tensor("w", TensorProto.FLOAT, [6, 4], n.normal(24).tolist()))
    n.initialisers.append(helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 2]))
    n.const("b", n.normal(4))
    x = n.node("Gemm", [x, "w", "b"], "g")
    n.output(n.node("Reshape", [x, "shape"], "y"), "float32", ["rows", 2])
    return n.model()


@net("quantised net whose weights, scales and zero points come from Constant nodes and Identity, whose zero points are "
     "left out (uint8, 0) and whose scales are vectors of one element", samples=4)
def quirk_qdq_constants():
    n = QdqNet("quirk_qdq_constants", 531, dtype="uint8")
    x = n.quantised_input("x", ["batch", 3, 6, 6], 0.03, 0, [1, 3, 6, 6])
    s = n.node("Constant", [], "s_raw", value=numpy_helper.from_array(np.array([0.03], F), "s"))
    s = n.node("Identity", [s], "s")
    w = n.rng.integers(-128, 128, (4, 3, 3, 3)).astype(np.int8)
    w = n.node("Constant", [], "w", value=numpy_helper.from_array(w, "w"))
    ws = n.node("Constant", [], "ws", value=numpy_helper.from_array(np.array(0.01, F), "ws"))
    x = n.node("DequantizeLinear", [x, s], "xd")
    wd = n.node("DequantizeLinear", [w, ws, n.const("wz", np.int8(0))], "wd")
    x = n.node("Conv", [x, wd], "c", kernel_shape=[3, 3])
    x = n.node("QuantizeLinear", [x, n.const("ys", np.array([0.2], F)), n.const("yz", np.array([40], np.uint8))], "y")
    n.output(x, "uint8", ["batch", 4, 4, 4])
    return n
