"""Float nets quantised by onnxruntime.quantization: QDQ (activations and weights as named) and
QOperator."""
import logging
import os
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from builder import Net
from catalogue import net

F = np.float32
logging.getLogger().setLevel(logging.ERROR)  # it advises a pre-processing that these nets do not need


class Reader(CalibrationDataReader):
    """16 random inputs with values of the kind that make_models.py samples"""

    def __init__(self, name, shape):
        rng = np.random.default_rng(5)
        self.feeds = iter([{name: (rng.standard_normal(shape) * (1 + k % 2)).astype(F)} for k in range(16)])

    def get_next(self):
        return next(self.feeds, None)


def quantised(source, shape, activation, weight, form=QuantFormat.QDQ, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        quantize_static(onnx.shape_inference.infer_shapes(source), path, Reader(source.graph.input[0].name, shape),
                        quant_format=form, activation_type=activation, weight_type=weight, **options)
        model = onnx.load(path)
    model.producer_name, model.producer_version = "burin-tests", ""
    return model


def cnn():
    """convolutions with Relu, MaxPool, depthwise, residual Add, GlobalAveragePool, Flatten, Gemm"""
    n = Net("cnn", 201)
    x = n.input("image", "float32", ["batch", 3, 12, 12])
    x = n.node("Conv", [x, n.weight("w1", 8, 3, 3, 3), n.const("b1", n.normal(8))], "c1", kernel_shape=[3, 3],
               pads=[1, 1, 1, 1])
    x = n.node("MaxPool", [n.node("Relu", [x], "r1")], "p1", kernel_shape=[2, 2], strides=[2, 2])
    y = n.node("Conv", [x, n.weight("w2", 8, 1, 3, 3), n.const("b2", n.normal(8))], "c2", kernel_shape=[3, 3],
               pads=[1, 1, 1, 1], group=8)
    y = n.node("Conv", [n.node("Relu", [y], "r2"), n.weight("w3", 8, 8, 1, 1)], "c3", kernel_shape=[1, 1])
    x = n.node("Relu", [n.node("Add", [x, y], "a3")], "r3")
    x = n.node("Flatten", [n.node("GlobalAveragePool", [x], "gap")], "flat", axis=1)
    x = n.node("Gemm", [x, n.weight("w4", 6, 8), n.const("b4", n.normal(6))], "logits", transB=1)
    n.output(x, "float32", ["batch", 6])
    return n.model(), [1, 3, 12, 12]


def mixed():
    """what cnn() has not: Concat, Mul, Sigmoid, Tanh, LeakyRelu, AveragePool, Clip, MatMul, Softmax"""
    n = Net("mixed", 202)
    x = n.input("signal", "float32", ["batch", 5, 9, 7])
    a = n.node("Conv", [x, n.weight("wa", 7, 5, 3, 3), n.const("ba", n.normal(7))], "ca", kernel_shape=[3, 3],
               strides=[2, 2], pads=[1, 1, 1, 1])
    a = n.node("LeakyRelu", [a], "la", alpha=0.1)
    b = n.node("Conv", [x, n.weight("wb", 6, 5, 1, 1), n.const("bb", n.normal(6))], "cb", kernel_shape=[1, 1],
               strides=[2, 2])
    b = n.node("Clip", [b, n.const("zero", F(0)), n.const("six", F(6))], "kb")
    x = n.node("Concat", [a, b], "cat", axis=1)
    x = n.node("AveragePool", [x], "pool", kernel_shape=[3, 3], strides=[2, 1])
    gate = n.node("Sigmoid", [n.node("Conv", [x, n.weight("wg", 13, 13, 1, 1), n.const("bg", n.normal(13))], "cg",
                                     kernel_shape=[1, 1])], "gate")
    x = n.node("Mul", [x, gate], "gated")
    x = n.node("Reshape", [x, n.const("shape", np.array([-1, 52], np.int64))], "flat")
    x = n.node("MatMul", [x, n.const("wd", n.normal(52, 4) / F(7))], "dense")
    n.output(n.node("Softmax", [x], "probabilities", axis=1), "float32", ["batch", 4])
    return n.model(), [1, 5, 9, 7]


S8, U8 = QuantType.QInt8, QuantType.QUInt8
SYMMETRIC = {"ActivationSymmetric": True}


@net("onnxruntime QDQ: uint8 asymmetric activations, int8 weights per channel")
def ort_cnn_qdq_u8s8_pc():
    return quantised(*cnn(), U8, S8, per_channel=True)


@net("onnxruntime QDQ: int8 symmetric activations, int8 weights per channel")
def ort_cnn_qdq_s8s8_sym_pc():
    return quantised(*cnn(), S8, S8, per_channel=True, extra_options=SYMMETRIC)


@net("onnxruntime QDQ: its defaults (int8 asymmetric activations, int8 weights per tensor)")
def ort_cnn_qdq_defaults():
    return quantised(*cnn(), S8, S8)


@net("onnxruntime QDQ, uint8/int8 per channel: Concat, Mul, Sigmoid, LeakyRelu, AveragePool, Clip, MatMul, Softmax",
     "softmax")
def ort_mixed_qdq_u8s8_pc():
    return quantised(*mixed(), U8, S8, per_channel=True)


@net("the same with int8 activations and weights, per tensor", "softmax")
def ort_mixed_qdq_s8s8():
    return quantised(*mixed(), S8, S8)


@net("onnxruntime QOperator: uint8 activations, int8 weights per channel", reference="onnxruntime")
def ort_cnn_qop_u8s8_pc():
    return quantised(*cnn(), U8, S8, QuantFormat.QOperator, per_channel=True)


@net("onnxruntime QOperator: uint8 activations and weights, with weight zero points", reference="onnxruntime")
def ort_cnn_qop_u8u8():
    return quantised(*cnn(), U8, U8, QuantFormat.QOperator)


@net("onnxruntime QOperator: int8 activations, int8 weights per tensor", reference="onnxruntime")
def ort_cnn_qop_s8s8():
    return quantised(*cnn(), S8, S8, QuantFormat.QOperator)


@net("onnxruntime QOperator, uint8/int8: QLinearConcat, QLinearMul, QLinearSigmoid, QLinearLeakyRelu, "
     "QLinearAveragePool, QLinearMatMul, QLinearSoftmax", "softmax", "onnxruntime")
def ort_mixed_qop_u8s8():
    return quantised(*mixed(), U8, S8, QuantFormat.QOperator)
