"""Keys for actions that the caller understands itself.

SPDX-License-Identifier: Apache-2.0
"""
from __future__ import annotations

import hashlib
import os
from typing import Union

_Value = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


class Key:
    """A SHA-256 over labelled fields: no two lists of fields look alike.

    >>> key = Key().add("words", "protoc", "--cpp_out=gen").file("input", "a.proto").digest()
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"cchain.Key 1")

    def add(self, label: str, *values: _Value) -> "Key":
        """Values that influence the outputs: arguments, variables, versions."""
        self._field(label.encode())
        self._hash.update(len(values).to_bytes(8, "little"))
        for value in values:
            self._field(os.fsencode(value))
        return self

    def file(self, label: str, path: _Value) -> "Key":
        """The contents of a file, not its name. Raises OSError if it can't be read."""
        digest = hashlib.sha256()
        with open(path, "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""):
                digest.update(block)
        return self.add(label, digest.digest())

    def digest(self) -> bytes:
        return self._hash.digest()

    def _field(self, data: bytes) -> None:
        self._hash.update(len(data).to_bytes(8, "little"))
        self._hash.update(data)
