"""The quantised digits net in exact integer arithmetic, without any run time.

Accumulators are exact integers: sum of (x - zero point) * weight, plus bias. Then
q = saturate(rne(f32(f32(acc) * m)) + zero point), m = f32(f32(sx * sw) / sy), where f32 rounds to
IEEE binary32 and rne rounds half to even; every float32 operation rounds once.
"""
import numpy as np

F = np.float32


def saturate(x, zero_point):
    """int8 of a rounded float plus its zero point"""
    return np.clip(np.rint(x).astype(np.float64) + zero_point, -128, 127).astype(np.int8)


def convolve(x, w, stride, depthwise):
    """x [n, c, h, w] and w [o, c or 1, k, k] int64, zeros around the edges -> int64 [n, o, h', w']"""
    k, out = w.shape[2], -(-x.shape[2] // stride)
    x = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    acc = 0
    for i in range(k):
        for j in range(k):
            xs = x[:, :, i:i + stride * (out - 1) + 1:stride, j:j + stride * (out - 1) + 1:stride]
            acc = acc + (xs * w[:, 0, i, j][:, None, None] if depthwise else
                         np.einsum("nchw,oc->nohw", xs, w[:, :, i, j]))
    return acc


def run(net, x):
    """net as quantize.py builds it, x int8 [n, 1, 8, 8] -> int8 probabilities [n, 10]"""
    q, (s, z) = x, net["image"]
    for layer in net["convs"]:
        sy, zy = layer["out"]
        acc = convolve(q.astype(np.int64) - z, layer["weight"].astype(np.int64), layer["stride"],
                       layer["depthwise"]) + layer["bias"].astype(np.int64)[:, None, None]
        m = (layer["weight_scale"] * s / sy).astype(F)
        q = saturate(np.maximum(acc, 0).astype(F) * m[:, None, None], zy)
        s, z = sy, zy
    n, c, h, w = q.shape
    total = (q.astype(np.int64) - z).reshape(n, c, h // 2, 2, w // 2, 2).sum((3, 5))
    sy, zy = net["pool"]
    q = saturate(total.astype(F) * s / F(4) / sy, zy).reshape(n, -1)
    s, z = sy, zy
    dense, (sy, zy) = net["dense"], net["dense"]["out"]
    acc = (q.astype(np.int64) - z) @ dense["weight"].astype(np.int64) + dense["bias"]
    q = saturate(acc.astype(F) * F(F(s * dense["weight_scale"]) / sy), zy)
    logits = (q.astype(np.int64) - zy).astype(F) * sy
    e = np.exp(logits - logits.max(1, keepdims=True))
    sy, zy = net["probabilities"]
    return saturate(e / e.sum(1, keepdims=True, dtype=F) / sy, zy)
