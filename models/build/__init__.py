"""Builds artifacts. Only modules that draw or convert graphs import TensorFlow."""
