"""Trains a small convolutional net on the digits in plain numpy and writes digits_fp32.onnx and
test_fp32.npz.

    pip install -r requirements.txt
    python train.py

Inside, activations are [n, height, width, channels] and weights [3, 3, in, out], since that makes
every tap of a convolution one matrix product; the exported model is NCHW as ONNX demands.
"""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads sum in another order: other bytes

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import dataset

# Chosen on parts held out of the training images, never on the test images.
SEED, EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 7, 60, 32, 8e-3, 2e-2, 0.1
HERE = os.path.dirname(os.path.abspath(__file__))
F = np.float32

# kind, input channels, output channels, stride
CONVS = [("full", 1, 8, 1), ("full", 8, 16, 2), ("depthwise", 16, 16, 1), ("point", 16, 32, 1)]
NAMES = ["conv1", "conv2", "depthwise", "pointwise"]


def initial(rng):
    """He-initialised weights and zero biases, one pair a layer."""
    params = []
    for kind, ci, co, _ in CONVS:
        shape = {"full": (3, 3, ci, co), "depthwise": (3, 3, co), "point": (1, 1, ci, co)}[kind]
        fan_in = int(np.prod(shape[:-1]))
        params += [rng.standard_normal(shape).astype(F) * F(np.sqrt(2 / fan_in)), np.zeros(co, F)]
    params += [rng.standard_normal((128, 10)).astype(F) * F(np.sqrt(1 / 128)), np.zeros(10, F)]
    return params


def taps(x, w, stride):
    """yields, for each kernel position, the input elements [n, h, w, c] that it meets"""
    k, out_h, out_w = w.shape[0], -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    for i in range(k):
        for j in range(k):
            yield i, j, padded[:, i:i + stride * out_h:stride, j:j + stride * out_w:stride][:, :out_h, :out_w]


def conv(x, w, b, stride):
    y = b
    for i, j, xs in taps(x, w, stride):
        y = y + (xs @ w[i, j] if w.ndim == 4 else xs * w[i, j])
    return y


def conv_gradients(x, w, stride, dy):
    """-> gradients of x, w, b"""
    k, (_, h, wd, _) = w.shape[0], x.shape
    dw, dx = np.zeros_like(w), np.zeros((x.shape[0], h + k - 1, wd + k - 1, x.shape[3]), F)
    for i, j, xs in taps(x, w, stride):
        target = dx[:, i:i + stride * dy.shape[1]:stride, j:j + stride * dy.shape[2]:stride]
        if w.ndim == 4:
            dw[i, j] = xs.reshape(-1, xs.shape[3]).T @ dy.reshape(-1, dy.shape[3])
            target += dy @ w[i, j].T
        else:
            dw[i, j] = (xs * dy).sum((0, 1, 2))
            target += dy * w[i, j]
    return dx[:, k // 2:k // 2 + h, k // 2:k // 2 + wd], dw, dy.sum((0, 1, 2))


def forward(params, x):
    """-> (logits [n, 10], inputs of every layer, for the gradients)"""
    seen = []
    for layer, (_, _, _, stride) in enumerate(CONVS):
        seen.append(x)
        x = np.maximum(conv(x, params[2 * layer], params[2 * layer + 1], stride), F(0))
    seen.append(x)
    n, _, _, c = x.shape
    pooled = x.reshape(n, 2, 2, 2, 2, c).mean((2, 4)).transpose(0, 3, 1, 2).reshape(n, 4 * c)
    seen.append(pooled)
    return pooled @ params[-2] + params[-1], seen


def gradients(params, x, labels):
    logits, seen = forward(params, x)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    wanted = np.full_like(p, SMOOTHING / 10)
    wanted[np.arange(len(labels)), labels] += F(1 - SMOOTHING)
    d = (p - wanted) / F(len(labels))
    grads = [seen[-1].T @ d, d.sum(0)]
    d = ((d @ params[-2].T) / F(4)).reshape(len(x), -1, 2, 2).transpose(0, 2, 3, 1)
    d = d.repeat(2, 1).repeat(2, 2)
    for layer in reversed(range(len(CONVS))):
        d = np.where(seen[layer + 1] > 0, d, F(0))
        d, dw, db = conv_gradients(seen[layer], params[2 * layer], CONVS[layer][3], d)
        grads = [dw, db] + grads
    return grads


def shifted(x, rng):
    """every second image moved by at most one pixel each way, edges filled with background"""
    out = x.copy()
    for n in np.flatnonzero(rng.random(len(x)) < 0.5):
        dy, dx = rng.integers(-1, 2, 2)
        out[n] = np.pad(x[n], 1)[1 - dy:9 - dy, 1 - dx:9 - dx]
    return out


def train(images, labels):
    """Adam with weight decay on the weights and a rate that falls to zero on half a cosine."""
    rng = np.random.default_rng(SEED)
    params = initial(rng)
    m, v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    steps = EPOCHS * (len(images) // BATCH)
    step = 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        for at in range(0, len(images) - BATCH + 1, BATCH):
            pick = order[at:at + BATCH]
            x = shifted(images[pick], rng)[..., None] / F(16)
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            step += 1
            for i, g in enumerate(gradients(params, x, labels[pick])):
                m[i] = F(0.9) * m[i] + F(0.1) * g
                v[i] = F(0.999) * v[i] + F(0.001) * g * g
                update = (m[i] / F(1 - 0.9 ** step)) / (np.sqrt(v[i] / F(1 - 0.999 ** step)) + F(1e-8))
                if params[i].ndim > 1:
                    update = update + F(DECAY) * params[i]
                params[i] = (params[i] - F(rate) * update).astype(F)
        if epoch % 10 == 9:
            hit = np.mean(forward(params, images[..., None] / F(16))[0].argmax(1) == labels)
            print(f"epoch {epoch + 1}: training accuracy {hit:.4f}", flush=True)
    return params


def export(params):
    """-> ModelProto: pixels 0..16 as float [batch, 1, 8, 8] in, probabilities [batch, 10] out"""
    weights = [np.ascontiguousarray(w.transpose(3, 2, 0, 1)) if w.ndim == 4 else
               np.ascontiguousarray(w.transpose(2, 0, 1)[:, None]) for w in params[0:8:2]]
    weights[0] = weights[0] / F(16)  # training saw pixel / 16; a power of two, so nothing is rounded
    init, nodes, x = [], [], "image"
    for name, w, b, (kind, _, co, stride) in zip(NAMES, weights, params[1:8:2], CONVS):
        init += [numpy_helper.from_array(w, f"{name}.weight"), numpy_helper.from_array(b, f"{name}.bias")]
        k = w.shape[2]
        nodes += [
            helper.make_node("Conv", [x, f"{name}.weight", f"{name}.bias"], [f"{name}.conv"], name,
                             kernel_shape=[k, k], strides=[stride, stride], pads=[k // 2] * 4,
                             group=co if kind == "depthwise" else 1),
            helper.make_node("Relu", [f"{name}.conv"], [f"{name}.out"], f"{name}.relu")]
        x = f"{name}.out"
    init += [numpy_helper.from_array(params[-2], "dense.weight"), 
             numpy_helper.from_array(params[-1], "dense.bias")]
    nodes += [
        helper.make_node("AveragePool", [x], ["pool.out"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pool.out"], ["flatten.out"], "flatten", axis=1),
        helper.make_node("Gemm", ["flatten.out", "dense.weight", "dense.bias"], ["logits"], "dense"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1)]
    graph = helper.make_graph(
        nodes, "digits", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])], init)
    model = helper.make_model(graph, producer_name="burin-digits", ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    train_x, train_y, test_x, test_y = dataset.load()
    model = export(train(train_x, train_y))
    path = os.path.join(HERE, "digits_fp32.onnx")
    onnx.save(model, path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    x = test_x[:, None, None]
    y = np.stack([session.run(None, {"image": sample})[0] for sample in x])
    np.savez(os.path.join(HERE, "test_fp32.npz"), in0=x, out0=y, labels=test_y.astype(np.uint8))
    print(f"test accuracy {np.mean(y[:, 0].argmax(1) == test_y):.4f} of {len(test_y)}")


if __name__ == "__main__":
    main()
