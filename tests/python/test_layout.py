"""The header, what the package says of it and the library that was found: none of them moves alone.

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import re
import subprocess
import unittest

from common import CC, TOP, Folder
from cchain import _abi

HEADER = TOP + "/include/cchain.h"
# What the package has no use for. Whatever is new in the header must be bound, or be named here.
STRUCTS_LEFT_OUT = {"cc_completion", "cc_backend", "cc_verify_report"}
CONSTANTS_LEFT_OUT = {"CC_VERSION_MAJOR", "CC_VERSION_MINOR", "CC_VERSION_PATCH", "CC_INV_SHELL_EXACT", "CC_RESULT_KEEP_DEPFILE", "CC_VERIFY_REPAIR"}
FUNCTIONS_LEFT_OUT = {
    "cc_invocation_parse_argv",
    "cc_lookup_async",
    "cc_store_async",
    "cc_async_fd",
    "cc_reap",
    "cc_backend_get",
    "cc_keygen",
    "cc_verify",
}

KINDS = {"i": "i", "l": "i", "q": "i", "I": "u", "L": "u", "Q": "u", "z": "p", "P": "p", "B": "u"}


def header():
    with open(HEADER) as f:
        text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
    return re.sub(r"//[^\n]*", " ", text)


def structs():
    """{struct: [member, …]} as the header has them."""
    found = {}
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", header(), re.S):
        members = []
        for declaration in body.split(";"):
            declaration = " ".join(declaration.split())
            if not declaration:
                continue
            pointer = re.search(r"\(\*(\w+)\)\s*\(", declaration)
            if pointer:
                members.append(pointer.group(1))
            else:  # uint64_t a, b, c
                members += [re.search(r"(\w+)\s*$", part).group(1) for part in declaration.split(",")]
        found[name] = members
    return found


def constants():
    # CC_API and the like are no constants: nothing follows, or no number.
    return re.findall(r"^#define (CC_[A-Z_]+) +\(?-?[0-9]", header(), re.M)


def functions():
    """{name: (return type, [argument type, …])}, types as (kind and size, struct or type pointed to)."""
    found = {}
    for returns, name, arguments in re.findall(r"^CC_API ([^;(]*?)(\w+)\(([^;]*)\);", header(), re.M | re.S):
        arguments = " ".join(arguments.split())
        types = [] if arguments == "void" else [c_type(a, named=True) for a in arguments.split(",")]
        found[name] = (c_type(returns, named=False), types)
    return found


def c_type(text, named):
    text = " ".join(text.split()).replace("const ", "").replace("struct ", "")
    depth = text.count("*") + text.count("[")
    words = re.sub(r"\[\w*\]", "", text.replace("*", " ").replace(" const", " ")).split()
    if named and len(words) > 1:
        words.pop()
    base = " ".join(words)
    if depth:
        return "p" * depth + " " + base
    if base.endswith("_fn"):  # a pointer to a function
        return "p void"
    return {"void": "void", "int": "i4", "int32_t": "i4", "uint32_t": "u4", "uint64_t": "u8", "size_t": "u8"}[base]


def fits(c, python):
    """True if an argument declared so for ctypes is one of that C type."""
    if python is None:
        return c == "void"
    if python is ctypes.c_char_p:
        return c in ("p char", "p void")
    if python is ctypes.c_void_p:
        return c in ("p void", "p cc_cache", "p cc_invocation")
    if issubclass(python, ctypes._Pointer):
        target = python._type_
        if target is ctypes.c_void_p:  # a pointer to a pointer
            return c.startswith("pp ")
        if target is ctypes.c_uint8:
            return c == "p uint8_t"
        if target is ctypes.c_uint64:
            return c == "p uint64_t"
        if issubclass(target, ctypes._Pointer) and target._type_ is ctypes.c_char_p:
            return c == "ppp char"
        if issubclass(target, ctypes._Pointer):
            return c == "pp " + target._type_.__name__
        if issubclass(target, ctypes.Structure):
            return c == "p " + target.__name__
        return c == "pp " + target.__name__  # cc_cache **
    return c == KINDS[python._type_] + str(ctypes.sizeof(python))


def bound_structs():
    return {n: c for n, c in vars(_abi).items() if isinstance(c, type) and issubclass(c, ctypes.Structure) and c is not ctypes.Structure}


def kind_of(field_type):
    if issubclass(field_type, (ctypes._Pointer, ctypes._CFuncPtr)):
        return "p"
    return KINDS[field_type._type_]


class HeaderAndPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """What the C compiler makes of the header: the offset, size and kind of each member, the value of each constant."""
        lines = []
        for name, members in structs().items():
            lines.append('printf("size %s %%zu\\n", sizeof(%s));' % (name, name))
            for m in members:
                lines.append(
                    'printf("member %s %s %%zu %%zu %%s\\n", offsetof(%s, %s), sizeof(((%s *)0)->%s), KIND(((%s *)0)->%s));'
                    % (name, m, name, m, name, m, name, m)
                )
        for name in constants():
            lines.append('printf("constant %s %%lld\\n", (long long)%s);' % (name, name))
        program = '#include <stdio.h>\n#include "cchain.h"\n#include "cchain_layer.h"\n'
        program += '#define KIND(x) _Generic((x), int32_t: "i", int64_t: "i", uint32_t: "u", uint64_t: "u", default: "p")\n'
        program += "int main(void) {\n%s\nreturn 0;\n}\n" % "\n".join(lines)
        with Folder() as folder:
            folder.write("dump.c", program)
            subprocess.run([CC, "-std=c11", "-I" + TOP + "/include", "-o", folder / "dump", folder / "dump.c"], check=True)
            said = subprocess.run([folder / "dump"], stdout=subprocess.PIPE, check=True).stdout.decode()
        cls.sizes, cls.members, cls.constants = {}, {}, {}
        for line in said.splitlines():
            what, *words = line.split()
            if what == "size":
                cls.sizes[words[0]] = int(words[1])
            elif what == "member":
                cls.members.setdefault(words[0], []).append((words[1], int(words[2]), int(words[3]), words[4]))
            else:
                cls.constants[words[0]] = int(words[1])

    def test_structs_are_all_bound(self):
        self.assertGreater(len(structs()), 10)
        self.assertEqual(set(structs()), set(bound_structs()) | STRUCTS_LEFT_OUT)

    def test_structs(self):
        for name, c in bound_structs().items():
            with self.subTest(name):
                self.assertEqual(ctypes.sizeof(c), self.sizes[name])
                ours = [(f, getattr(c, f).offset, getattr(c, f).size, kind_of(t)) for f, t in c._fields_]
                self.assertEqual(ours, self.members[name])

    def test_constants(self):
        self.assertGreater(len(self.constants), 20)
        ours = {n: v for n, v in vars(_abi).items() if re.fullmatch("CC_[A-Z_]+", n)}
        self.assertEqual(ours, {n: v for n, v in self.constants.items() if n not in CONSTANTS_LEFT_OUT})

    def test_functions(self):
        declared = functions()
        self.assertGreater(len(declared), 30)
        self.assertEqual(set(declared), set(_abi.FUNCTIONS) | FUNCTIONS_LEFT_OUT)
        for name, (returns, arguments) in _abi.FUNCTIONS.items():
            with self.subTest(name):
                c_returns, c_arguments = declared[name]
                self.assertTrue(fits(c_returns, returns), (c_returns, returns))
                self.assertEqual(len(arguments), len(c_arguments))
                for c, python in zip(c_arguments, arguments):
                    self.assertTrue(fits(c, python), (c, python))

    def test_version(self):
        least = tuple(self.constants["CC_VERSION_" + part] for part in ("MAJOR", "MINOR", "PATCH"))
        self.assertEqual(least[0], _abi.VERSION_MAJOR)
        self.assertGreaterEqual(least, _abi.VERSION_LEAST)
        self.assertEqual(least[0] * 1000000 + least[1] * 1000 + least[2], _abi.library.cc_version())


class Library(unittest.TestCase):
    """A library takes a struct that is longer than its own if what it does not know is zero. So its own size can be asked for: a struct whose
    last byte that the package knows is not zero is taken, one with a byte behind that is refused."""

    def setUp(self):
        self.lib = _abi.library
        self.folder = Folder().__enter__()
        self.addCleanup(self.folder.__exit__)
        self.cache = _abi.cc_cache()
        options = _abi.cc_open_options(ctypes.sizeof(_abi.cc_open_options), _abi.CC_OPEN_NO_ENV | _abi.CC_OPEN_NO_FILES)
        layers = '{"layers": [{"type": "disk", "path": "%s"}], "state_dir": "%s"}' % (self.folder / "cache", self.folder / "state")
        options.config_text = layers.encode()
        self.assertEqual(self.lib.cc_open(options, self.cache), 0)
        self.inv = self.missed()

    def missed(self):
        """An invocation that was looked up in vain, another one each time."""
        inv, result = _abi.cc_invocation(), _abi.cc_result(ctypes.sizeof(_abi.cc_result))
        self.keys = getattr(self, "keys", 0) + 1
        key = b"%d" % self.keys
        self.assertEqual(self.lib.cc_invocation_from_key(self.cache, b"l", key, len(key), None, 0, None, inv), 0)
        self.assertEqual(self.lib.cc_lookup(self.cache, inv, None, result), 0)
        self.lib.cc_result_clear(result)
        return inv

    def check(self, struct, last, call, fill=lambda s: None):
        """`last` is the last member; `call` makes the call with a pointer."""
        size = ctypes.sizeof(struct)
        self.assertEqual(getattr(struct, last).offset + getattr(struct, last).size, size, "there is a member behind " + last)
        for behind, taken in ((0, True), (1, False)):
            buffer = ctypes.create_string_buffer(size + 64)
            c = struct.from_buffer(buffer)
            c.struct_size = size + 64
            fill(c)
            buffer[size] = bytes([behind])
            self.assertNotEqual(bytes(buffer[getattr(struct, last).offset : size]).strip(b"\0"), b"", last + " is zero")
            status = call(ctypes.pointer(c))
            text = self.lib.cc_last_error().decode()
            if taken:
                self.assertGreaterEqual(status, 0, "%s: the library's is shorter: %s" % (struct.__name__, text))
            else:
                self.assertEqual(status, _abi.CC_E_INVALID, "%s: the library's is longer" % struct.__name__)
                self.assertIn("does not know", text)

    def test_open_options(self):
        def call(p):
            cache = _abi.cc_cache()
            return self.lib.cc_open(p, cache)

        def fill(c):
            c.flags, c.host = _abi.CC_OPEN_NO_ENV | _abi.CC_OPEN_NO_FILES, b"host"

        self.check(_abi.cc_open_options, "host", call, fill)

    def test_invocation_options(self):
        def call(p):
            inv = _abi.cc_invocation()
            return self.lib.cc_invocation_parse_line(self.cache, b"cc", p, inv)

        def fill(c):
            c.flags, c.stdout_columns = _abi.CC_INV_TERMINAL, 80

        self.check(_abi.cc_invocation_options, "stdout_columns", call, fill)

    def test_task(self):
        def fill(c):
            c.cwd = b"/"

        self.check(_abi.cc_task, "cwd", lambda p: self.lib.cc_invocation_task(self.cache, self.inv, p), fill)

    def test_task_result(self):
        def fill(c):
            c.stderr_data, c.stderr_size = ctypes.addressof(c), 1

        # No task was handed out: taken, but the wrong call.
        def call(p):
            status = self.lib.cc_invocation_task_done(self.cache, self.inv, p)
            return 0 if status == _abi.CC_E_STATE else status

        self.check(_abi.cc_task_result, "stderr_size", call, fill)

    def test_result(self):
        def fill(c):
            c.owner = 1  # a store does not look at it

        self.check(_abi.cc_result, "owner", lambda p: self.lib.cc_store(self.cache, self.missed(), p, None), fill)

    def test_stats(self):
        def fill(c):
            c.saved_ms = 1

        self.check(_abi.cc_stats, "saved_ms", lambda p: self.lib.cc_stats_get(self.cache, p), fill)

    def test_layer_stats(self):
        def fill(c):
            c.bytes_written = 1

        self.check(_abi.cc_layer_stats, "bytes_written", lambda p: self.lib.cc_layer_stats_get(self.cache, 0, p), fill)

    def test_layer_health(self):
        def fill(c):
            c.clock_offset_s = 1

        self.check(_abi.cc_layer_health, "clock_offset_s", lambda p: self.lib.cc_layer_check(self.cache, 0, p), fill)

    def test_trim_options(self):
        def fill(c):
            c.max_size, c.max_age_s, c.progress_user = 2**64 - 1, 1 << 40, 1

        self.check(_abi.cc_trim_options, "progress_user", lambda p: self.lib.cc_trim(self.cache, p, None, None), fill)

    def test_every_growing_struct_is_asked_for(self):
        growing = {n for n, c in bound_structs().items() if c._fields_[0][0] == "struct_size"}
        asked = {"cc_" + n[len("test_") :] for n in dir(self) if n.startswith("test_")}
        self.assertEqual(growing - asked, set())


if __name__ == "__main__":
    unittest.main()
