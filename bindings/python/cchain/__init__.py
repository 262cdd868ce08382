"""cchain: a compile-output cache, from Python.

    import cchain

    with cchain.Cache() as cache:
        result = cache.run(["gcc", "-O2", "-c", "a.c", "-o", "a.o"])
        print("hit" if result else "miss: " + result.reason)

`python -m cchain compile_commands.json` warms the cache from a compilation database. The library is the one that CCHAIN_LIB names, else one
beside the package, else libcchain.so.0 of the system. README.md has more; cchain.h is the manual of the library.

SPDX-License-Identifier: Apache-2.0
"""
from ._abi import CC_LOG_DEBUG as LOG_DEBUG
from ._abi import CC_LOG_ERROR as LOG_ERROR
from ._abi import CC_LOG_INFO as LOG_INFO
from ._abi import CC_LOG_WARN as LOG_WARN
from ._abi import library as _library
from ._cache import Cache, Invocation, LayerHealth, LayerStats, Output, Result, Session, Stats, Task
from .errors import (
    CancelledError,
    ClosedError,
    ConfigError,
    Error,
    FileError,
    ForkedError,
    InternalError,
    InvalidError,
    NoMemoryError,
    StateError,
    TenantError,
    UncacheableError,
)
from .key import Key

__version__ = "0.1.0"
#: The version of the library that was found.
library_version: str = _library.cc_version_string().decode()

__all__ = [
    "Cache", "Invocation", "Result", "Output", "Task", "Session", "Stats", "LayerStats", "LayerHealth", "Key",
    "Error", "InvalidError", "ClosedError", "NoMemoryError", "FileError", "ConfigError", "TenantError", "StateError", "ForkedError",
    "CancelledError", "UncacheableError", "InternalError",
    "LOG_ERROR", "LOG_WARN", "LOG_INFO", "LOG_DEBUG", "library_version",
]  # fmt: skip
