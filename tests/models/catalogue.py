"""The list of nets, filled by the nets_*.py files."""
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Entry:
    name: str
    covers: str
    tolerance: str  # exact | float | softmax
    reference: str  # exact (integer.py) | onnxruntime
    samples: int
    build: Callable
    note: str


CATALOGUE: list[Entry] = []


def net(covers, tolerance="exact", reference="exact", samples=6, note=""):
    """registers a function () -> Net or ModelProto under its own name"""
    def register(build):
        CATALOGUE.append(Entry(build.__name__, covers, tolerance, reference, samples, build, note))
        return build
    return register
