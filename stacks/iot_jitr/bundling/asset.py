"""Build the Lambda asset on the machine that synthesizes, with pip or uv and without Docker.

For AWS, the hash-locked libraries are vendored for the functions' own platform, whatever the machine is. For
the local cloud, nothing is vendored: it runs the functions in its own interpreter. boto3 is never vendored:
the Lambda runtime brings it.

Compiled files make a cold import about three times faster, but only the functions' own Python version can
read them: they are added if the machine runs that version; otherwise they are left out, with a message.
"""

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

from iot_jitr.bundling.sources import LOCK, PACKAGE, copy_sources, fingerprint
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from constructs import IConstruct

RUNTIME = lambda_.Runtime.PYTHON_3_13
PYTHON_VERSION = (3, 13)
ARCHITECTURE = lambda_.Architecture.ARM_64

_VERSION = ".".join(map(str, PYTHON_VERSION))
_PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in (34, 28, 17)] + ["manylinux2014_aarch64"]
"""Wheels that run on Amazon Linux 2023, the runtime's system: glibc 2.34 or older, arm64."""
_UV_PLATFORM = "aarch64-manylinux_2_34"
_INSTALL_SECONDS = 300


VARIANT_KEY = "iot-jitr:variant"
"""Context key that names the asset's variant for the constructs below; `aws` where it is absent."""


class Variant(StrEnum):
    """Where the functions of an asset run."""

    AWS = "aws"
    """In Lambda: their libraries are vendored."""
    LOCAL = "local"
    """In the local cloud's own interpreter, which has the libraries."""

    @classmethod
    def of(cls, scope: "IConstruct") -> Self:
        """Return the variant for the constructs below `scope`."""
        return cls(scope.node.try_get_context(VARIANT_KEY) or cls.AWS)


class BundlingError(JitrError):
    """The functions' libraries could not be fetched: no installer, no network, or a hash does not match."""


@jsii.implements(cdk.ILocalBundling)
class FunctionBundle:
    """One variant of the asset, as `code` for the functions."""

    def __init__(self, variant: Variant) -> None:
        self._variant = variant
        self.failure: BundlingError | None = None
        """Why bundling failed: an exception raised in here reaches the caller only as a jsii stack trace."""

    @property
    def asset_hash(self) -> str:
        """Made from sources, lock, variant, runtime and architecture, and whether files are compiled."""
        files = "compiled" if _is_compiled() else "sources"
        return fingerprint(self._variant.value, RUNTIME.name, ARCHITECTURE.name, LOCK.read_text(), files)

    def code(self) -> lambda_.Code:
        """The asset; it is built once for all functions of an app."""
        return lambda_.Code.from_asset(
            str(PACKAGE),
            asset_hash=self.asset_hash,
            asset_hash_type=cdk.AssetHashType.CUSTOM,
            bundling=cdk.BundlingOptions(
                # Never pulled: this class either builds the asset or fails.
                image=cdk.DockerImage.from_registry("no-image-is-used"),
                local=self,
            ),
        )

    def try_bundle(self, output_dir: str, *_options: object, **_more: object) -> bool:
        """Called by the CDK when the asset is not in the assembly yet."""
        try:
            self.build(Path(output_dir))
        except BundlingError as error:
            self.failure = error
            raise
        return True

    def build(self, folder: Path) -> None:
        """Write the asset's files into `folder`.

        Raises:
            BundlingError: A library could not be installed.
        """
        copy_sources(folder)
        if self._variant is Variant.AWS:
            _vendor(folder)
        if _is_compiled():
            # "Unchecked": Lambda unpacks with its own time stamps, which would invalidate files with time
            # stamps.
            compileall.compile_dir(
                folder,
                quiet=2,
                workers=1,
                stripdir=str(folder),
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        elif self._variant is Variant.AWS:
            ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
            sys.stderr.write(
                f"iot-jitr: synthesized with Python {ours}, so the functions ship without compiled files; "
                f"with Python {_VERSION} their cold starts are shorter.\n"
            )
        _make_readable(folder)


def _is_compiled() -> bool:
    """Whether this machine runs the functions' Python, so that they can read what it compiles."""
    return sys.version_info[:2] == PYTHON_VERSION


def _make_readable(folder: Path) -> None:
    """Set the file modes that Lambda's user needs, independent of this machine's umask."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _vendor(folder: Path) -> None:
    """Install the locked libraries for the functions' platform into `folder`; nothing is resolved."""
    command = [*_installer(), "--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet"]
    command += [f"--python-version={_VERSION}", "--target", str(folder), "--requirement", str(LOCK)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        raise BundlingError(
            "the functions' libraries for the Lambda asset could not be fetched "
            f"(is the package index within reach?): {_last_error(error.stderr)}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BundlingError(
            f"the functions' libraries were not fetched within {_INSTALL_SECONDS} s; "
            "is the package index within reach?"
        ) from error
    # Remove the libraries' command line tools, which no function runs, and uv's lock file.
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)


def _installer() -> list[str]:
    """The command that installs, for the functions' platform: pip, or uv in an environment made by it."""
    if find_spec("pip") is not None:
        options = [
            "--no-input",
            "--disable-pip-version-check",
            "--no-user",
            "--no-compile",
            "--implementation=cp",
        ]
        options += ["--retries=2", "--timeout=15", *(f"--platform={platform}" for platform in _PLATFORMS)]
        return [sys.executable, "-m", "pip", "install", *options]
    # `uv run` sets the variable UV; an activated environment has uv on the path.
    if uv := os.environ.get("UV") or shutil.which("uv"):
        # Copies, because links would share their file modes with uv's cache.
        options = [f"--python={sys.executable}", f"--python-platform={_UV_PLATFORM}", "--link-mode=copy"]
        return [uv, "pip", "install", "--no-progress", *options]
    raise BundlingError(
        f"{sys.executable} has no pip, and there is no uv: the Lambda asset is built with either; "
        "run 'python -m ensurepip' in its environment"
    )


def _last_error(output: str) -> str:
    """Return the line with the error of pip's or uv's output; for uv, also its first cause."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    of_uv = [line.partition(": ")[2] for line in lines if line.startswith(("error: ", "cause: "))]
    if of_uv:
        return ": ".join(of_uv[:2])
    of_pip = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (of_pip or lines or ["no reason given"])[-1]
