"""A small 1-D convolutional net in plain numpy: what it computes, how it is trained, as ONNX.

A net is data: a list of `Conv` layers, each followed by Relu and, where it says so, a maximum pool;
then an average pool over `average` time steps (all of them make it a global one) and a dense layer
that gives one logit a class.

Inside, activations are [n, time, channels] and weights [tap, in, out] or, depthwise, [tap, channel],
since that makes every tap of a convolution one matrix product; the exported model has ONNX's [n,
channels, time].
"""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads sum in another order: other bytes

from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F = np.float32


class Conv(NamedTuple):
    name: str
    taps: int  # odd
    inputs: int
    outputs: int
    stride: int = 1
    depthwise: bool = False
    pool: int = 1  # width and stride of the maximum pool behind it; 1 is none


class Net(NamedTuple):
    input: str  # name of the graph input
    channels: int
    steps: int
    convs: list
    average: int
    classes: int


class Training(NamedTuple):
    seed: int
    epochs: int
    batch: int
    rate: float
    decay: float
    smoothing: float


def positions(net):
    """time steps that are left behind the convolutions, before the average pool"""
    steps = net.steps
    for c in net.convs:
        steps = -(-steps // c.stride) // c.pool
    return steps


def initial(net, rng):
    """He-initialised weights and zero biases, one pair a layer"""
    params = []
    for c in net.convs:
        shape = (c.taps, c.outputs) if c.depthwise else (c.taps, c.inputs, c.outputs)
        fan_in = int(np.prod(shape[:-1]))
        params += [rng.standard_normal(shape).astype(F) * F(np.sqrt(2 / fan_in)), np.zeros(c.outputs, F)]
    features = positions(net) // net.average * net.convs[-1].outputs
    return params + [rng.standard_normal((features, net.classes)).astype(F) * F(np.sqrt(1 / features)),
                     np.zeros(net.classes, F)]


def taps(x, k, stride):
    """yields, for each tap, the input elements [n, time, channels] that it meets"""
    out = -(-x.shape[1] // stride)
    padded = np.pad(x, ((0, 0), (k // 2, k // 2), (0, 0)))
    for i in range(k):
        yield i, padded[:, i:i + stride * (out - 1) + 1:stride]


def conv(x, w, b, stride):
    y = b
    for i, xs in taps(x, len(w), stride):
        y = y + (xs @ w[i] if w.ndim == 3 else xs * w[i])
    return y


def conv_gradients(x, w, stride, dy):
    """-> gradients of x, w, b"""
    k, steps = len(w), x.shape[1]
    dw, dx = np.zeros_like(w), np.zeros((x.shape[0], steps + k - 1, x.shape[2]), F)
    for i, xs in taps(x, k, stride):
        target = dx[:, i:i + stride * (dy.shape[1] - 1) + 1:stride]
        if w.ndim == 3:
            dw[i] = xs.reshape(-1, xs.shape[2]).T @ dy.reshape(-1, dy.shape[2])
            target += dy @ w[i].T
        else:
            dw[i] = (xs * dy).sum((0, 1))
            target += dy * w[i]
    return dx[:, k // 2:k // 2 + steps], dw, dy.sum((0, 1))


def windows(x, width):
    """[n, time, c] -> [n, windows, width, c], what does not fill a window left out"""
    n, steps, c = x.shape
    return x[:, :steps // width * width].reshape(n, steps // width, width, c)


def forward(net, params, x):
    """x [n, time, channels] -> (logits [n, classes], what the gradients need of every layer)"""
    seen = []
    for i, c in enumerate(net.convs):
        active = np.maximum(conv(x, params[2 * i], params[2 * i + 1], c.stride), F(0))
        seen.append((x, active))
        x = windows(active, c.pool).max(2)
    features = windows(x, net.average).mean(2).transpose(0, 2, 1).reshape(len(x), -1)
    return features @ params[-2] + params[-1], seen + [(x, features)]


def gradients(net, params, x, labels, smoothing):
    """gradients of the cross entropy with smoothed labels, in the order of the parameters"""
    logits, seen = forward(net, params, x)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    wanted = np.full_like(p, smoothing / net.classes)
    wanted[np.arange(len(labels)), labels] += F(1 - smoothing)
    d = (p - wanted) / F(len(labels))
    last, features = seen[-1]
    grads = [features.T @ d, d.sum(0)]
    d = (d @ params[-2].T / F(net.average)).reshape(len(x), last.shape[2], -1).transpose(0, 2, 1)
    d = d.repeat(net.average, 1)
    for i, c in reversed(list(enumerate(net.convs))):
        before, active = seen[i]
        if c.pool > 1:
            w = windows(active, c.pool)
            d = (d[:, :, None] * (np.arange(c.pool)[:, None] == w.argmax(2)[:, :, None])).reshape(d.shape[0], -1, d.shape[2])
        d = np.where(active > 0, d, F(0))
        d, dw, db = conv_gradients(before, params[2 * i], c.stride, d)
        grads = [dw, db] + grads
    return grads


def train(net, settings, x, labels, vary):
    """Adam with weight decay on the weights and a rate that falls to zero on half a cosine.

    x is float32 [n, channels, time]; vary(batch [n, time, channels], rng) gives the batch as the net
    shall see it this time. The logits of the result were trained on raw x.
    """
    x = np.ascontiguousarray(x.transpose(0, 2, 1))
    rng = np.random.default_rng(settings.seed)
    params = initial(net, rng)
    m, v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    batches = len(x) // settings.batch
    steps = settings.epochs * batches
    for step in range(steps):
        if step % batches == 0:
            order = rng.permutation(len(x))
        pick = order[step % batches * settings.batch:][:settings.batch]
        rate = settings.rate * 0.5 * (1 + np.cos(np.pi * step / steps))
        for i, g in enumerate(gradients(net, params, vary(x[pick], rng), labels[pick], settings.smoothing)):
            m[i] = F(0.9) * m[i] + F(0.1) * g
            v[i] = F(0.999) * v[i] + F(0.001) * g * g
            update = (m[i] / F(1 - 0.9 ** (step + 1))) / (np.sqrt(v[i] / F(1 - 0.999 ** (step + 1))) + F(1e-8))
            if params[i].ndim > 1:
                update = update + F(settings.decay) * params[i]
            params[i] = (params[i] - F(rate) * update).astype(F)
    return params


def predict(net, params, x):
    """x [n, channels, time] -> class indices"""
    return forward(net, params, x.transpose(0, 2, 1))[0].argmax(1)


def average_pool(net, source, output):
    """the node of the average pool"""
    if net.average == positions(net):
        return helper.make_node("GlobalAveragePool", [source], [output], "average")
    return helper.make_node("AveragePool", [source], [output], "average", kernel_shape=[net.average],
                            strides=[net.average])


def save_model(graph, path, name, opset):
    """writes the checked model"""
    model = helper.make_model(graph, producer_name=f"burin-{name}", ir_version=8,
                              opset_imports=[helper.make_opsetid("", opset)])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def export(net, params, path, name):
    """Writes the float model: float [batch, channels, time] in, float logits [batch, classes] out."""
    init, nodes, x = [], [], net.input
    for i, c in enumerate(net.convs):
        w = params[2 * i]
        w = np.ascontiguousarray(w.T[:, None] if c.depthwise else w.transpose(2, 1, 0))
        init += [numpy_helper.from_array(w, f"{c.name}.weight"),
                 numpy_helper.from_array(params[2 * i + 1], f"{c.name}.bias")]
        nodes += [
            helper.make_node("Conv", [x, f"{c.name}.weight", f"{c.name}.bias"], [f"{c.name}.conv"], c.name,
                             kernel_shape=[c.taps], strides=[c.stride], pads=[c.taps // 2] * 2,
                             group=c.outputs if c.depthwise else 1),
            helper.make_node("Relu", [f"{c.name}.conv"], [f"{c.name}.out"], f"{c.name}.relu")]
        x = f"{c.name}.out"
        if c.pool > 1:
            nodes.append(helper.make_node("MaxPool", [x], [f"{c.name}.pool"], f"{c.name}.maximum",
                                          kernel_shape=[c.pool], strides=[c.pool]))
            x = f"{c.name}.pool"
    init += [numpy_helper.from_array(np.ascontiguousarray(params[-2].T), "dense.weight"),
             numpy_helper.from_array(params[-1], "dense.bias")]
    nodes += [average_pool(net, x, "average.out"),
              helper.make_node("Flatten", ["average.out"], ["flatten.out"], "flatten", axis=1),
              helper.make_node("Gemm", ["flatten.out", "dense.weight", "dense.bias"], ["logits"], "dense", transB=1)]
    save_model(helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(net.input, TensorProto.FLOAT, ["batch", net.channels, net.steps])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", net.classes])], init), path, name, 17)
