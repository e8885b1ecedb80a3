"""The handwritten digits of scikit-learn and the fixed split of this example."""
import numpy as np
from sklearn.datasets import load_digits

TEST_PER_CLASS = 36


def load():
    """-> (train images, train labels, test images, test labels)

    Images are float32 [n, 8, 8] with pixels 0..16, labels are int64 0..9. The test part has 36
    samples of each digit, 360 in all, drawn with a fixed seed; the other 1,437 train.
    """
    digits = load_digits()
    rng = np.random.RandomState(20240808)
    test = np.sort(np.concatenate([
        rng.permutation(np.flatnonzero(digits.target == d))[:TEST_PER_CLASS] for d in range(10)]))
    train = np.setdiff1d(np.arange(len(digits.target)), test)
    images = digits.images.astype(np.float32)
    return images[train], digits.target[train], images[test], digits.target[test]
