"""Writes ONNX's own backend test cases to a folder, through onnx's public API.

    pip install onnx==1.23.2
    python tools/onnx_suite.py FOLDER

Each case becomes FOLDER/<case>/model.onnx with test_data_set_<i>/{input,output}_<j>.pb, and a data.json
where its tolerances are not the runner's (rtol 1e-3, atol 1e-7). FOLDER/version.txt, written last, says
which onnx it was.
"""

import json
import shutil
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

PINNED = "1.23.2"
RTOL, ATOL = 1e-3, 1e-7


def encode(value, info):
    """One input or output as the bytes of a .pb file."""
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name).SerializeToString()
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name).SerializeToString()
    if kind == "map_type":
        return numpy_helper.from_dict(value, info.name).SerializeToString()
    if isinstance(value, TensorProto):
        return value.SerializeToString()
    return numpy_helper.from_array(value, info.name).SerializeToString()


def write_case(case, folder):
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    for i, (inputs, outputs) in enumerate(case.data_sets):
        data_set = folder / f"test_data_set_{i}"
        data_set.mkdir()
        graph = case.model.graph
        for role, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
            for j, (value, info) in enumerate(zip(values, infos)):
                (data_set / f"{role}_{j}.pb").write_bytes(encode(value, info))
    if (case.rtol, case.atol) != (RTOL, ATOL):
        (folder / "data.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/onnx_suite.py FOLDER")
    if onnx.__version__ != PINNED:
        sys.exit(f"onnx {onnx.__version__} is installed where {PINNED} belongs: pip install onnx=={PINNED}")
    root = Path(sys.argv[1])
    if root.exists() and any(root.iterdir()) and not (root / "version.txt").exists():
        sys.exit(f"{root} holds other files")
    shutil.rmtree(root, ignore_errors=True)
    cases = load_model_tests(kind="node")
    for case in cases:
        write_case(case, root / case.name)
    (root / "version.txt").write_text(f"onnx {onnx.__version__}\n")
    print(f"{len(cases)} cases in {root}")


if __name__ == "__main__":
    main()
