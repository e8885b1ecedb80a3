"""Quantises vowels_fp32.onnx to int8 and writes vowels_int8.onnx and test.npz.

    cd examples
    pip install -r vowels/requirements.txt
    python -m vowels.quantize [--cache DIR]
"""
from series import int8, wheel
from vowels import dataset, train


def main():
    train_x, _, test_x, test_y, _ = dataset.load(wheel.cache_argument(__doc__))
    int8.write_int8(train.NET, "vowels", train.HERE, train_x, test_x, test_y)


if __name__ == "__main__":
    main()
