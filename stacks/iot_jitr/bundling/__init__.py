"""The one Lambda asset that all functions share: our sources and the libraries they import, no Docker."""

from iot_jitr.bundling.asset import (
    ARCHITECTURE,
    RUNTIME,
    VARIANT_KEY,
    BundlingError,
    FunctionBundle,
    Variant,
)

__all__ = ["ARCHITECTURE", "RUNTIME", "VARIANT_KEY", "BundlingError", "FunctionBundle", "Variant"]
