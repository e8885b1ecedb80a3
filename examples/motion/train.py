"""Trains a small convolutional net on motions and writes motion_fp32.onnx and test_fp32.npz.

    cd examples
    pip install -r motion/requirements.txt
    python -m motion.train [--cache DIR]
"""
import os

from series import net as nets  # before numpy: it sets the number of threads
from series import int8, wheel

import numpy as np

from motion import dataset

HERE = os.path.dirname(os.path.abspath(__file__))
NET = nets.Net("imu", channels=6, steps=100, average=25, classes=4, convs=[
    nets.Conv("conv1", 5, 6, 12, stride=2),
    nets.Conv("depthwise1", 5, 12, 12, stride=2, depthwise=True),
    nets.Conv("pointwise1", 1, 12, 16),
    nets.Conv("depthwise2", 5, 16, 16, depthwise=True),
    nets.Conv("pointwise2", 1, 16, 24),
])
# Chosen by five-fold cross-validation on the training windows, never on the test windows.
SETTINGS = nets.Training(seed=1, epochs=80, batch=10, rate=4e-3, decay=2e-2, smoothing=0.05)


def vary(x, rng):
    """each window [time, channels] stronger or weaker, and turned round in time by any number of steps"""
    x = x * rng.uniform(0.7, 1.4, (len(x), 1, 1)).astype(np.float32)
    return np.stack([np.roll(window, rng.integers(len(window)), 0) for window in x])


def main():
    train_x, train_y, test_x, test_y, _ = dataset.load(wheel.cache_argument(__doc__))
    params = nets.train(NET, SETTINGS, train_x, train_y, vary)
    path = os.path.join(HERE, "motion_fp32.onnx")
    nets.export(NET, params, path, "motion")
    int8.write_float_samples(os.path.join(HERE, "test_fp32.npz"), path, test_x, test_y)
    for part, x, y in (("training", train_x, train_y), ("test", test_x, test_y)):
        print(f"{part} accuracy {np.mean(nets.predict(NET, params, x) == y):.4f} of {len(y)}")


if __name__ == "__main__":
    main()
