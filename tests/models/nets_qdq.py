"""Int8 nets in the style that tf2onnx leaves when it converts a quantised TFLite file."""
import numpy as np

from builder import QdqNet
from catalogue import net


@net("NHWC int8 input and Transpose, Conv with Relu kept before QuantizeLinear, asymmetric SAME padding, depthwise, "
     "pointwise, AveragePool, Transpose back, Reshape, MatMul + Add, Softmax, symbolic batch, names with / ; :",
     "softmax")
def tf_conv_dense():
    n = QdqNet("tf_conv_dense", 101)
    x = n.quantised_input("serving_default_input:0", ["unk__1", 12, 10, 3], 0.0078, -1, [1, 12, 10, 3])
    x = n.same("Transpose", x, "model/conv/BiasAdd;model/conv/Conv2D__10:0", perm=[0, 3, 1, 2])
    x = n.conv(x, "model/conv/BiasAdd;model/conv/Conv2D", (8, 3, 3, 3), strides=[2, 2], pads=[0, 0, 1, 1],
               dilations=[1, 1], group=1)
    x = n.conv(x, "model/dw/BiasAdd;model/dw/depthwise", (8, 1, 3, 3), strides=[1, 1], pads=[1, 1, 1, 1], group=8)
    x = n.conv(x, "model/pw/BiasAdd;model/pw/Conv2D", (12, 8, 1, 1), strides=[1, 1])
    pool = n.node("AveragePool", [n.dequantise(x)], "model/pool/AvgPool_prequant", kernel_shape=[3, 5], strides=[3, 5])
    s, z, _ = n.params[x]
    x = n.quantise(pool, "model/pool/AvgPool", s, z)
    x = n.same("Transpose", x, "model/pool/AvgPool__77:0", perm=[0, 2, 3, 1])
    x = n.same("Reshape", x, "model/flatten/Reshape", [n.const("const_fold_opt__191", np.array([-1, 24], np.int64))])
    x = n.dense(x, "model/dense/BiasAdd", 24, 7)
    x = n.node("Softmax", [n.dequantise(x)], "Identity_prequant")
    n.output(n.quantise(x, "StatefulPartitionedCall:0", 1 / 256, -128), "int8", ["unk__2", 7])
    return n


@net("residual block: Add of two convolutions and of a shortcut, each with Relu, strided 1x1 shortcut, "
     "ReduceMean over height and width, dense")
def tf_residual():
    n = QdqNet("tf_residual", 102)
    x = n.quantised_input("input_1", ["unk__1", 9, 9, 3], 0.02, 11, [1, 9, 9, 3])
    x = n.same("Transpose", x, "stem/in", perm=[0, 3, 1, 2])
    x = n.conv(x, "stem", (8, 3, 3, 3), pads=[1, 1, 1, 1])
    y = n.conv(x, "block1/a", (8, 8, 3, 3), pads=[1, 1, 1, 1])
    y = n.conv(y, "block1/b", (8, 8, 3, 3), relu=False, pads=[1, 1, 1, 1])
    y = n.node("Add", [n.dequantise(x), n.dequantise(y)], "block1/add")
    x = n.quantise(n.node("Relu", [y], "block1/relu"), "block1")
    y = n.conv(x, "block2/a", (16, 8, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    y = n.conv(y, "block2/b", (16, 16, 3, 3), relu=False, pads=[1, 1, 1, 1])
    z = n.conv(x, "block2/shortcut", (16, 8, 1, 1), relu=False, strides=[2, 2])
    y = n.node("Add", [n.dequantise(y), n.dequantise(z)], "block2/add")
    x = n.quantise(n.node("Relu", [y], "block2/relu"), "block2")
    x = n.quantise(n.node("ReduceMean", [n.dequantise(x)], "mean/prequant", axes=[2, 3], keepdims=0), "mean")
    n.output(n.dense(x, "logits", 16, 5), "int8", ["unk__2", 5])
    return n


@net("keyword-spotting front: flat int8 input, Reshape, 10x4 kernel with stride 2 and pads 4 1 5 1, depthwise")
def tf_kernel_10x4():
    n = QdqNet("tf_kernel_10x4", 103)
    x = n.quantised_input("input_1", ["unk__1", 25, 10, 1], 0.5847, 83, [1, 25, 10, 1])
    x = n.same("Reshape", x, "reshape", [n.const("new_shape__190", np.array([-1, 1, 25, 10], np.int64))])
    x = n.conv(x, "conv", (6, 1, 10, 4), strides=[2, 2], pads=[4, 1, 5, 1], dilations=[1, 1], group=1)
    x = n.conv(x, "dw", (6, 1, 3, 3), pads=[1, 1, 1, 1], group=6)
    x = n.conv(x, "pw", (10, 6, 1, 1))
    n.output(x, "int8", ["unk__2", 10, 13, 5])
    return n


@net("three dense layers on one number, Relu between MatMul + Add and QuantizeLinear",
     samples=32)
def tf_mlp():
    n = QdqNet("tf_mlp", 104)
    x = n.quantised_input("serving_default_dense_input:0", ["unk__1", 1], 0.0246, -128, [1, 1])
    x = n.dense(x, "sequential/dense/Relu;sequential/dense/BiasAdd", 1, 16, relu=True)
    x = n.dense(x, "sequential/dense_1/Relu;sequential/dense_1/BiasAdd", 16, 16, relu=True)
    n.output(n.dense(x, "StatefulPartitionedCall:0", 16, 1), "int8", ["unk__2", 1])
    return n


@net("autoencoder shape: dense layers with per-channel weights (DequantizeLinear axis 1), no Softmax")
def tf_autoencoder():
    n = QdqNet("tf_autoencoder", 105)
    x = n.quantised_input("input_1", ["unk__1", 40], 0.35, 89, [1, 40])
    for name, a, b in [("enc1", 40, 24), ("enc2", 24, 8), ("dec1", 8, 24)]:
        x = n.dense(x, name, a, b, relu=True, per_channel=True)
    n.output(n.dense(x, "Identity", 24, 40, per_channel=True), "int8", ["unk__2", 40])
    return n


@net("1-D convolutions as TFLite writes them: Unsqueeze, Conv with a kernel of height 1 and dilation, Squeeze; "
     "MaxPool on quantised values")
def tf_conv1d_unsqueeze():
    n = QdqNet("tf_conv1d_unsqueeze", 106)
    x = n.quantised_input("serving_default_x:0", ["unk__1", 5, 40], 0.05, -7, [1, 5, 40])
    axes = n.const("axes", np.array([2], np.int64))
    x = n.same("Unsqueeze", x, "expand", [axes])
    x = n.conv(x, "c1", (8, 5, 1, 5), pads=[0, 4, 0, 0])
    x = n.conv(x, "c2", (8, 8, 1, 3), dilations=[1, 3], pads=[0, 6, 0, 0])
    x = n.same("MaxPool", x, "pool", kernel_shape=[1, 4], strides=[1, 4])
    x = n.same("Squeeze", x, "squeeze", [axes])
    n.output(x, "int8", ["unk__2", 8, 10])
    return n


@net("AveragePool with padding that is and is not counted, overlapping windows, own output scales, "
     "GlobalAveragePool, two outputs")
def tf_pools():
    n = QdqNet("tf_pools", 107)
    x = n.quantised_input("x", ["unk__1", 5, 7, 6], 0.031, 17, [1, 5, 7, 6])
    a = n.node("AveragePool", [n.dequantise(x)], "a/pool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    a = n.quantise(a, "a")
    b = n.node("AveragePool", [n.dequantise(x)], "b/pool", kernel_shape=[2, 2], strides=[2, 2], pads=[1, 0, 0, 0],
               count_include_pad=1)
    b = n.quantise(b, "b")
    c = n.node("Concat", [n.dequantise(a), n.dequantise(n.conv(x, "c", (4, 5, 1, 1), strides=[2, 1]))], "d/concat",
               axis=1)
    c = n.quantise(c, "d")
    g = n.quantise(n.node("GlobalAveragePool", [n.dequantise(b)], "g/pool"), "g")
    n.output(c, "int8", ["unk__2", 9, 4, 6])
    n.output(g, "int8", ["unk__2", 5, 1, 1])
    return n


@net("uint8 activations in the same style, weights per tensor, Clip(0, 6) before QuantizeLinear, Gemm with transB")
def tf_uint8_relu6():
    n = QdqNet("tf_uint8_relu6", 108, dtype="uint8")
    x = n.quantised_input("image", ["unk__1", 3, 8, 8], 0.0235, 121, [1, 3, 8, 8])
    low, high = n.const("zero", np.float32(0)), n.const("six", np.float32(6))
    for name, shape, options in [("c1", (8, 3, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
                                 ("c2", (8, 1, 3, 3), {"pads": [1, 1, 1, 1], "group": 8})]:
        w = n.weights(name, x, shape, per_channel=False, scale=0.01)
        y = n.node("Conv", [n.dequantise(x), *w], f"{name}/conv", kernel_shape=[3, 3], **options)
        x = n.quantise(n.node("Clip", [y, low, high], f"{name}/clip"), name)
    x = n.same("Flatten", x, "flatten")
    w = n.weights("fc", x, (6, 128), per_channel=True)
    x = n.quantise(n.node("Gemm", [n.dequantise(x), *w], "fc/gemm", transB=1), "fc")
    n.output(x, "uint8", ["unk__2", 6])
    return n
