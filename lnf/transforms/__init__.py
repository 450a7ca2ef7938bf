"""Scalar transforms: invertible, elementwise, one module each."""
