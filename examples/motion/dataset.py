"""BasicMotions: ten seconds of a smart watch, four activities, and the archive's own split."""
import numpy as np

from series import wheel


def load(cache=None):
    """-> (train windows, train labels, test windows, test labels, class names)

    Windows are float32 [n, 6, 100]: accelerometer x, y, z and gyroscope x, y, z, 100 values of each,
    ten a second, in the units of the file. 40 train and 40 test, ten of each class.
    """
    train, train_y, test, test_y, names = wheel.load("BasicMotions", cache)
    return np.array(train, np.float32), train_y, np.array(test, np.float32), test_y, names
