"""What goes wrong. A miss is no error, nor is a layer that fails: `cchain stats` tells of those.

SPDX-License-Identifier: Apache-2.0
"""
from __future__ import annotations

from . import _abi


class Error(Exception):
    """Of the library, with its text. `code` is the number in cchain.h."""

    code = 0


class InvalidError(Error):
    """An argument is wrong."""

    code = _abi.CC_E_INVALID


class ClosedError(InvalidError):
    """The cache has been closed."""


class NoMemoryError(Error):
    code = _abi.CC_E_NOMEM


class FileError(Error):
    """A file of the caller's can't be read."""

    code = _abi.CC_E_IO


class ConfigError(Error):
    """The configuration can't be used at all."""

    code = _abi.CC_E_CONFIG


class TenantError(Error):
    """The tenant is empty or no valid name."""

    code = _abi.CC_E_TENANT


class StateError(Error):
    """The call does not fit what was done with the invocation before."""

    code = _abi.CC_E_STATE


class ForkedError(Error):
    """The invocation was made before the fork that made this process."""

    code = _abi.CC_E_FORKED


class CancelledError(Error):
    """cancel() was called."""

    code = _abi.CC_E_CANCELLED


class UncacheableError(Error):
    """The result is not to be stored; the text says why."""

    code = _abi.CC_E_UNCACHEABLE


class InternalError(Error):
    """A bug of the library's."""

    code = _abi.CC_E_INTERNAL


_CLASSES = {
    c.code: c
    for c in (InvalidError, NoMemoryError, FileError, ConfigError, TenantError, StateError, ForkedError, CancelledError, UncacheableError, InternalError)
}


def last_error(code: int) -> Error:
    """The exception for a call of this thread that has just returned `code`."""
    text = _abi.library.cc_last_error().decode(errors="replace")
    error = _CLASSES.get(code, Error)(text)
    error.code = code
    return error
