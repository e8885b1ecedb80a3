"""Whether onnxruntime reads a model that `deno task quantize` wrote, and computes what its C computes.

    deno task run QUANTISED.onnx --board host --inputs SAMPLES.npz --outputs OUTPUTS.npz
    python round_trip.py FLOAT.onnx QUANTISED.onnx SAMPLES.npz OUTPUTS.npz

Prints one JSON object: `checked` by onnx.checker, `kept` whether names, documentation and metadata
are those of the float model, and by output the part of the samples whose outputs are equal, within
one step of the coarsest float noise (`near`), and the signal to noise between both.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime as ort


def described(model):
    """What a user sees of a model: names, documentation, metadata, its ports."""
    graph = model.graph
    ports = [[(v.name, str(v.type.tensor_type.shape)) for v in side] for side in (graph.input, graph.output)]
    meta = sorted((p.key, p.value) for p in model.metadata_props)
    return [model.producer_name, model.doc_string, model.domain, graph.name, graph.doc_string, meta, ports]


def main(float_path, path, samples_path, outputs_path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    loaded, made = np.load(samples_path), np.load(outputs_path)
    arrays = {"in0": loaded} if isinstance(loaded, np.ndarray) else loaded
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options)
    ports = session.get_inputs()
    feeds = []
    for i, port in enumerate(ports):
        array = arrays[f"in{i}"] if f"in{i}" in arrays else arrays[port.name]
        shape = [d if isinstance(d, int) else 1 for d in port.shape]
        feeds.append(array.reshape([-1, *shape]))
    rows = [session.run(None, {p.name: f[s] for p, f in zip(ports, feeds)}) for s in range(len(feeds[0]))]
    outputs = {}
    for i, port in enumerate(session.get_outputs()):
        ours = made[f"out{i}"].reshape(len(rows), -1).astype(np.float64)
        theirs = np.array([r[i].ravel() for r in rows]).astype(np.float64)
        noise = np.sum((ours - theirs) ** 2)
        outputs[port.name] = {
            "equal": float(np.mean(np.all(ours == theirs, axis=1))),
            "near": float(np.mean(np.all(np.isclose(ours, theirs, rtol=1e-5, atol=1e-6), axis=1))),
            "snr": round(float(10 * np.log10(np.sum(theirs**2) / noise)), 1) if noise else None,
        }
    kept = described(onnx.load(float_path)) == described(model)
    return {"opset": model.opset_import[0].version, "checked": True, "kept": kept, "outputs": outputs}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), indent=1))
