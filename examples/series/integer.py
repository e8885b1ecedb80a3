"""A quantised 1-D net in exact integer arithmetic, without any run time.

Accumulators are exact integers: sum of (x - zero point) * weight, plus bias. Then
q = saturate(rne(f32(f32(acc) * m)) + zero point), m = f32(f32(sx * sw) / sy), where f32 rounds to
IEEE binary32 and rne rounds half to even; every float32 operation rounds once.
"""
import numpy as np

F = np.float32


def saturate(x, zero_point):
    """int8 of a float plus its zero point, rounded half to even"""
    return np.clip(np.rint(x).astype(np.float64) + zero_point, -128, 127).astype(np.int8)


def convolve(x, w, stride, depthwise):
    """x [n, c, t] and w [o, c or 1, k], zeros around the edges -> [n, o, t'], of the type of x and w"""
    k, out = w.shape[2], -(-x.shape[2] // stride)
    x = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2)))
    acc = 0
    for i in range(k):
        xs = x[:, :, i:i + stride * (out - 1) + 1:stride]
        acc = acc + (xs * w[:, 0, i][:, None] if depthwise else np.einsum("nct,oc->not", xs, w[:, :, i]))
    return acc


def windows(x, width):
    """[n, c, t] -> [n, c, windows, width], what does not fill a window left out"""
    n, c, steps = x.shape
    return x[:, :, :steps // width * width].reshape(n, c, steps // width, width)


def run(net, x):
    """net as int8.quantise builds it, x int8 [n, channels, time] -> int8 logits [n, classes]"""
    q, (s, z) = x, net["input"]
    for layer in net["convs"]:
        sy, zy = layer["out"]
        acc = convolve(q.astype(np.int64) - z, layer["weight"].astype(np.int64), layer["stride"],
                       layer["depthwise"]) + layer["bias"].astype(np.int64)[:, None]
        m = (layer["weight_scale"] * s / sy).astype(F)
        q = windows(saturate(np.maximum(acc, 0).astype(F) * m[:, None], zy), layer["pool"]).max(3)
        s, z = sy, zy
    total = windows(q.astype(np.int64) - z, net["average"]).sum(3)
    sy, zy = net["pooled"]
    q = saturate(total.astype(F) * s / F(net["average"]) / sy, zy).reshape(len(x), -1)
    s, z = sy, zy
    dense, (sy, zy) = net["dense"], net["dense"]["out"]
    acc = (q.astype(np.int64) - z) @ dense["weight"].astype(np.int64).T + dense["bias"]
    return saturate(acc.astype(F) * (dense["weight_scale"] * s / sy).astype(F), zy)
