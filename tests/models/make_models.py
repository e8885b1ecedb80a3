"""Makes every net of this folder with its samples and reference outputs, and models.json.

    pip install -r requirements.txt
    python make_models.py            # all
    python make_models.py NAME...    # some; models.json keeps the others
"""
import importlib
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import integer
from catalogue import CATALOGUE

HERE = os.path.dirname(os.path.abspath(__file__))
for module in ("nets_qdq", "nets_ort", "nets_qoperator", "nets_float", "nets_quirks", "nets_corner"):
    importlib.import_module(module)  # fills CATALOGUE, in this order


def run_onnxruntime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [session.run(None, feed) for feed in feeds]


def run_exact(model, feeds):
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    results = []
    for feed in feeds:
        network = integer.Network(opset, constants)
        network.values.update(feed)
        for node in model.graph.node:
            network.step(node)
        results.append([np.asarray(integer.real(network.get(o.name))) for o in model.graph.output])
    return results


def samples(model, count, seed):
    """-> feeds: smallest values, largest values, both in turn, then random ones; float inputs get
    zeros, ones and normal numbers. A symbolic size is 1."""
    given = {i.name for i in model.graph.initializer}
    rng = np.random.default_rng(seed)
    feeds = [{} for _ in range(count)]
    for value in model.graph.input:
        if value.name in given:
            continue
        tensor = value.type.tensor_type
        shape = [d.dim_value or 1 for d in tensor.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        for k, feed in enumerate(feeds):
            feed[value.name] = sample(k, shape, dtype, rng)
    return feeds


def sample(k, shape, dtype, rng):
    size = int(np.prod(shape))
    if dtype.kind == "f":
        x = [np.zeros(size), np.ones(size)][k] if k < 2 else rng.standard_normal(size) * (1 if k % 2 else 2)
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        x = [np.full(size, low), np.full(size, high), np.where(np.arange(size) % 2, low, high)][k] if k < 3 else \
            low + (np.arange(size) + 37 * k) % 256 if k == 3 else rng.integers(low, high + 1, size)
    return x.reshape(shape).astype(dtype)


def differing(a, b):
    return int(sum(np.count_nonzero(p != q) for x, y in zip(a, b) for p, q in zip(x, y)))


def make(entry):
    """writes NAME.onnx and NAME.npz -> its line of models.json"""
    built = entry.build()
    model = built if isinstance(built, onnx.ModelProto) else built.model()
    ours = all(o.domain in ("", "ai.onnx") for o in model.opset_import)
    onnx.checker.check_model(model, full_check=ours)  # shapes of other domains cannot be inferred
    seed = sum(entry.name.encode())
    feeds = samples(model, entry.samples, seed)
    reference = ort = run_onnxruntime(model, feeds)
    line = {"name": entry.name, "covers": entry.covers, "tolerance": entry.tolerance, "reference": entry.reference,
            "samples": entry.samples, "operators": sorted({(f"{n.domain}:" if n.domain else "") + n.op_type
                                                           for n in model.graph.node})}
    if entry.reference == "exact":
        reference = run_exact(model, feeds)
        line["differs_from_onnxruntime"] = differing(reference, ort)
    if entry.note:
        line["note"] = entry.note
    for mine, theirs, value in zip(reference[0], ort[0], model.graph.output):
        declared = [d.dim_value or size for d, size in zip(value.type.tensor_type.shape.dim, theirs.shape)]
        assert list(mine.shape) == list(theirs.shape) == declared, (entry.name, mine.shape, theirs.shape, declared)
        assert mine.dtype == theirs.dtype, (entry.name, mine.dtype, theirs.dtype)
    assert all(np.isfinite(o.astype(np.float64)).all() for r in reference for o in r), entry.name
    kinds = [len(np.unique(np.stack([r[j] for r in reference]))) for j in range(len(reference[0]))]
    onnx.save(model, os.path.join(HERE, f"{entry.name}.onnx"))
    arrays = {f"in{j}": np.stack([feed[name] for feed in feeds]) for j, name in enumerate(feeds[0])}
    arrays |= {f"out{j}": np.stack([r[j] for r in reference]) for j in range(len(reference[0]))}
    np.savez(os.path.join(HERE, f"{entry.name}.npz"), **arrays)
    print(f"{entry.name}: {len(model.graph.node)} nodes, distinct output values {kinds}, "
          f"differ from onnxruntime: {line.get('differs_from_onnxruntime', '-')}", flush=True)
    return line


def main(names):
    path = os.path.join(HERE, "models.json")
    lines = {}
    if names:
        with open(path) as file:
            lines = {line["name"]: line for line in json.load(file)}
    for entry in CATALOGUE:
        if not names or entry.name in names:
            lines[entry.name] = make(entry)
    ordered = [lines[e.name] for e in CATALOGUE if e.name in lines]
    with open(path, "w") as file:
        json.dump(ordered, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
