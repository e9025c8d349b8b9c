"""Revocation as it is deployed: the bucket of the indexes, the CRL publisher, the sweep, what starts them."""

from iot_jitr.revocation.construct import Revocation

__all__ = ["Revocation"]
