"""Data sets that lie inside the wheel of aeon on PyPI, read without installing it."""
import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

VERSION = "1.6.0"
WHEEL = f"aeon-{VERSION}-py3-none-any.whl"
SHA256 = "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409"


def cache_argument(description):
    """-> the folder that the user names with --cache, or None"""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--cache", metavar="DIR", help=f"keep {WHEEL} (6 MB) in this folder and take it "
                        "from there next time; without it the wheel is fetched into a temporary folder")
    return parser.parse_args().cache


def fetched(folder):
    """-> path of the wheel in a folder, downloaded by pip where it is not there yet"""
    path = os.path.join(folder, WHEEL)
    if not os.path.exists(path):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                        "--no-deps", "--only-binary=:all:", f"aeon=={VERSION}", "--dest", folder], check=True)
    with open(path, "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path} is not the wheel that these examples were made with: its SHA-256 is {found}, "
                         f"not {SHA256}. Remove it and try again.")
    return path


def parse(text):
    """The text of a .ts file -> (series, labels, class names)

    Each series is a list of float64 arrays, one a channel; labels index the class names, which are in
    the order of the file's @classLabel line.
    """
    head, body = text.split("@data\n")
    names = next(line for line in head.splitlines() if line.startswith("@classLabel")).split()[2:]
    series, labels = [], []
    for line in body.splitlines():
        *channels, label = line.split(":")
        series.append([np.array(c.split(","), np.float64) for c in channels])
        labels.append(names.index(label))
    return series, np.array(labels), names


def in_turn(labels):
    """-> the order that takes the first sample of each class, then the second of each, and so on"""
    rank = np.array([np.count_nonzero(labels[:i] == label) for i, label in enumerate(labels)])
    return np.lexsort((labels, rank))


def load(problem, cache=None):
    """-> (train series, train labels, test series, test labels, class names) of a data set in the wheel

    The split is the archive's own; the test series, which lie there class by class, are taken in turn.
    """
    with tempfile.TemporaryDirectory() as temporary:
        with zipfile.ZipFile(fetched(cache or temporary)) as wheel:
            (train, train_y, names), (test, test_y, _) = [
                parse(wheel.read(f"aeon/datasets/data/{problem}/{problem}_{part}.ts").decode())
                for part in ("TRAIN", "TEST")]
    order = in_turn(test_y)
    return train, train_y, [test[i] for i in order], test_y[order], names
