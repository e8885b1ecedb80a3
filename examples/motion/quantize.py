"""Quantises motion_fp32.onnx to int8 and writes motion_int8.onnx and test.npz.

    cd examples
    pip install -r motion/requirements.txt
    python -m motion.quantize [--cache DIR]
"""
from series import int8, wheel
from motion import dataset, train


def main():
    train_x, _, test_x, test_y, _ = dataset.load(wheel.cache_argument(__doc__))
    int8.write_int8(train.NET, "motion", train.HERE, train_x, test_x, test_y)


if __name__ == "__main__":
    main()
