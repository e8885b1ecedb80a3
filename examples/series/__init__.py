"""What the examples of time series share: their data, a small 1-D net, its int8 form.

The parts are run as modules from the folder `examples`, as in `python -m motion.train`.
"""
