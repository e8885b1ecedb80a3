"""JapaneseVowels: two vowels said by nine speakers, and the archive's own split."""
import numpy as np

from series import wheel

STEPS = 16


def stretched(channels):
    """Channels of any one length -> [channels, STEPS], linear interpolation between neighbours.

    Step i of 0..15 is the value at i * (length - 1) / 15, so that the first and the last stay.
    """
    length = len(channels[0])
    at = np.linspace(0, length - 1, STEPS)
    return [np.interp(at, np.arange(length), channel) for channel in channels]


def load(cache=None):
    """-> (train utterances, train labels, test utterances, test labels, class names)

    Utterances are float32 [n, 12, 16]: 12 coefficients of the linear prediction analysis, 7 to 29
    frames of it stretched or compressed to 16. 270 train, 30 of each speaker, and 370 test.
    """
    train, train_y, test, test_y, names = wheel.load("JapaneseVowels", cache)
    train, test = (np.array([stretched(s) for s in part], np.float32) for part in (train, test))
    return train, train_y, test, test_y, names
