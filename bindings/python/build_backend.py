"""The build backend (PEP 517, PEP 660): a wheel is a zip of the package, so nothing has to be installed to make one.

A libcchain.so.0 that was put into the package's folder goes into the wheel, which is then one of this platform.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import io
import os
import re
import sysconfig
import tarfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(HERE, "cchain")
LIBRARY = "libcchain.so.0"


def _read(*parts):
    with open(os.path.join(HERE, *parts), "rb") as f:
        return f.read()


def _version():
    return re.search(rb'^__version__ = "([^"]+)"', _read("cchain", "__init__.py"), re.M).group(1).decode()


def _metadata():
    text = "Metadata-Version: 2.1\nName: cchain\nVersion: %s\n" % _version()
    text += "Summary: A compile-output cache: look up, store, warm, from Python\n"
    text += "License: Apache-2.0\nRequires-Python: >=3.9\nDescription-Content-Type: text/markdown\n\n"
    return text.encode() + _read("README.md")


def _files():
    return sorted(n for n in os.listdir(PACKAGE) if n.endswith(".py") or n in ("py.typed", LIBRARY))


def _wheel(folder, files):
    """Writes a wheel of {name: bytes} and its metadata, the same bytes each time."""
    has_library = "cchain/" + LIBRARY in files
    tag = "py3-none-" + (re.sub(r"[-.]", "_", sysconfig.get_platform()) if has_library else "any")
    info = "cchain-%s.dist-info/" % _version()
    files = dict(files)
    files[info + "METADATA"] = _metadata()
    pure = "false" if has_library else "true"
    files[info + "WHEEL"] = ("Wheel-Version: 1.0\nGenerator: cchain\nRoot-Is-Purelib: %s\nTag: %s\n" % (pure, tag)).encode()
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\n" % (name, digest, len(data))
    files[info + "RECORD"] = (record + info + "RECORD,,\n").encode()
    wheel = "cchain-%s-%s.whl" % (_version(), tag)
    with zipfile.ZipFile(os.path.join(folder, wheel), "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(entry, data)
    return wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"cchain/" + n: _read("cchain", n) for n in _files()})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"cchain.pth": (HERE + "\n").encode()})


def build_sdist(sdist_directory, config_settings=None):
    base = "cchain-" + _version()
    names = ["pyproject.toml", "build_backend.py", "README.md"] + ["cchain/" + n for n in _files() if n != LIBRARY]
    with tarfile.open(os.path.join(sdist_directory, base + ".tar.gz"), "w:gz") as tar:
        for name, data in [(n, _read(n)) for n in names] + [("PKG-INFO", _metadata())]:
            entry = tarfile.TarInfo(base + "/" + name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return base + ".tar.gz"
