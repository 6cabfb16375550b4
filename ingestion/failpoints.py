"""The failpoints as the pipeline reaches them."""

from devices.failpoints import reach

__all__ = ["reach"]
