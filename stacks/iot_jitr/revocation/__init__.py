"""The resources of revocation: the bucket of the indexes, the CRL publisher, the sweep and their triggers."""

from iot_jitr.revocation.construct import Revocation

__all__ = ["Revocation"]
