"""Functions of Zephyr's Kconfig that generated modules call; what is true comes from the caller."""
import os


def standin(kconf, _, symbol):
    """y where the core that is stood in for has the symbol."""
    return "y" if symbol in os.environ["STANDIN_SYMBOLS"].split() else "n"


def dt_chosen_enabled(kconf, _, chosen):
    """y where the devicetree's /chosen has the property."""
    return "y" if chosen in os.environ["STANDIN_CHOSEN"].split() else "n"


functions = {"standin": (standin, 1, 1), "dt_chosen_enabled": (dt_chosen_enabled, 1, 1)}
