"""The one Lambda asset that all functions share: our sources and the libraries they import, no Docker."""

from iot_jitr.bundling.asset import ARCHITECTURE, RUNTIME, BundlingError, FunctionBundle

__all__ = ["ARCHITECTURE", "RUNTIME", "BundlingError", "FunctionBundle"]
