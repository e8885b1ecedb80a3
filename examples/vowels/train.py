"""Trains a small convolutional net on spoken vowels and writes vowels_fp32.onnx and test_fp32.npz.

    cd examples
    pip install -r vowels/requirements.txt
    python -m vowels.train [--cache DIR]
"""
import os

from series import net as nets  # before numpy: it sets the number of threads
from series import int8, wheel

import numpy as np

from vowels import dataset

HERE = os.path.dirname(os.path.abspath(__file__))
NET = nets.Net("lpc", channels=12, steps=dataset.STEPS, average=8, classes=9, convs=[
    nets.Conv("conv1", 3, 12, 24),
    nets.Conv("depthwise", 3, 24, 24, depthwise=True),
    nets.Conv("pointwise", 1, 24, 32, pool=2),
    nets.Conv("conv2", 3, 32, 32),
])
# Chosen by five-fold cross-validation on the training utterances, never on the test utterances.
SETTINGS = nets.Training(seed=1, epochs=120, batch=15, rate=3e-3, decay=2e-2, smoothing=0.1)
# The float samples are the first test utterances, ten of each speaker, to keep the repository small.
FLOAT_SAMPLES = 90


def vary(x, rng):
    """a little noise on every coefficient"""
    return x + rng.normal(0, 0.05, x.shape).astype(np.float32)


def main():
    train_x, train_y, test_x, test_y, _ = dataset.load(wheel.cache_argument(__doc__))
    params = nets.train(NET, SETTINGS, train_x, train_y, vary)
    path = os.path.join(HERE, "vowels_fp32.onnx")
    nets.export(NET, params, path, "vowels")
    int8.write_float_samples(os.path.join(HERE, "test_fp32.npz"), path, test_x[:FLOAT_SAMPLES], test_y[:FLOAT_SAMPLES])
    for part, x, y in (("training", train_x, train_y), ("test", test_x, test_y)):
        print(f"{part} accuracy {np.mean(nets.predict(NET, params, x) == y):.4f} of {len(y)}")


if __name__ == "__main__":
    main()
