#!/usr/bin/env python3
"""torch_to_safetensors.py IN.pt OUT.safetensors: the weights of a file of torch.save, without torch and without running
the pickle in it: only the opcodes that lists of weights are made of are read, and the only names that mean anything are
dicts, torch's storages and what puts a tensor on one. Every other object is passed over and named on stderr, as are
tensors that matmix does not read (complex, quantized, sparse); plain numbers and texts are left out. F16 becomes F32,
I8 and I16 become I32. Keys are joined by dots; of the keys 0 and '0' beside each other the first is [0].
Standard library only. Exit status 0, or 2 and one sentence: then nothing is written."""
import array
import functools
import json
import math
import os
import pickletools
import stat
import struct
import sys
import tempfile
import zipfile

# torch's name of a dtype: (what its storage is called, bytes an element, safetensors' name or what is written for it)
DTYPES = {"float64": ("DoubleStorage", 8, "F64"), "float32": ("FloatStorage", 4, "F32"),
          "float16": ("HalfStorage", 2, "F16"), "bfloat16": ("BFloat16Storage", 2, "BF16"),
          "int64": ("LongStorage", 8, "I64"), "int32": ("IntStorage", 4, "I32"), "int16": ("ShortStorage", 2, "I16"),
          "int8": ("CharStorage", 1, "I8"), "uint8": ("ByteStorage", 1, "U8"), "bool": ("BoolStorage", 1, "BOOL")}
STORAGES = {storage: dtype for dtype, (storage, _, _) in DTYPES.items()}
WIDENED = {"F16": ("F32", "e", "f"), "I16": ("I32", "h", "i"), "I8": ("I32", "b", "i")}  # codes of struct
OTHER_STORAGES = {"UntypedStorage": 1, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt8Storage": 1,
                  "QUInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1}
UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
MAGIC = 0x1950a86a20f9469cfc6c.to_bytes(10, "little")  # how files of before version 1.6 begin
MOST_AXES, MOST_DEPTH, MOST_CONTAINERS = 8, 100, 1_000_000


class Refused(Exception):
    pass


class Name:
    """A global of the pickle: never looked up."""

    def __init__(self, text):
        self.text = text


class Unknown:
    """An object that the pickle would make by calling something."""

    def __init__(self, why):
        self.why = why


class Storage:
    """count elements in the record `key`; kind: FloatStorage."""

    def __init__(self, kind, key, count):
        self.kind, self.key, self.count = kind, key, count

    def bytes(self):
        if self.kind in STORAGES:
            return self.count * DTYPES[STORAGES[self.kind]][1]
        if self.kind not in OTHER_STORAGES:
            raise Refused(f"has a storage of the unknown type {self.kind}")
        return self.count * OTHER_STORAGES[self.kind]


class Weights:
    """Elements of one stored array: where, and how they lie."""

    def __init__(self, storage, offset, shape, strides, dtype=None):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides
        self.dtype = dtype or STORAGES.get(storage.kind)
        whole = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)
        if not (whole and all(type(x) is int and x >= 0 for x in (offset, *shape, *strides))):
            raise Refused("has a shape that is none")


def parts_of(name):
    module, _, last = name.text.partition(" ")
    return module, last


def rebuild_tensor(arguments):
    storage = arguments[0] if len(arguments) >= 4 else None
    if not isinstance(storage, Storage):
        raise Refused("has a tensor without a storage")
    return Weights(*arguments[:4])


def rebuild_tensor_v3(arguments):
    """As before; the dtype comes behind, for storages of plain bytes."""
    rebuild_tensor(arguments)
    dtype = parts_of(arguments[6])[1] if len(arguments) > 6 and isinstance(arguments[6], Name) else "?"
    return Weights(*arguments[:4], dtype=dtype)


def rebuild_parameter(arguments):
    return arguments[0] if arguments and isinstance(arguments[0], (Weights, Unknown)) else Unknown("is no tensor")


def rebuild_from_type(arguments):
    """A tensor of a class of the user's: what makes it, the class, and what it is made of."""
    if len(arguments) >= 3 and isinstance(arguments[0], Name):
        return call(arguments[0], arguments[2])
    return Unknown("is no tensor")


def ordered_dict(arguments):
    pairs = arguments[0] if len(arguments) == 1 else []
    if len(arguments) > 1 or not isinstance(pairs, list):
        return Unknown("calls collections OrderedDict")
    if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        return Unknown("calls collections OrderedDict")
    return {plain_key(key): value for key, value in pairs}


CALLS = {"collections OrderedDict": ordered_dict, "collections defaultdict": lambda arguments: {},
         "torch._utils _rebuild_tensor": rebuild_tensor, "torch._utils _rebuild_tensor_v2": rebuild_tensor,
         "torch._utils _rebuild_tensor_v3": rebuild_tensor_v3,
         "torch._utils _rebuild_parameter": rebuild_parameter,
         "torch._utils _rebuild_parameter_with_state": rebuild_parameter,
         "torch._tensor _rebuild_from_type_v2": rebuild_from_type}


def call(function, arguments):
    """What a call makes, if it is one of the few that are known; nothing is called."""
    if not isinstance(function, Name):
        return Unknown("calls what is no name")
    if function.text not in CALLS or not isinstance(arguments, tuple):
        return Unknown(f"calls {function.text}")
    return CALLS[function.text](arguments)


def storage_of(persistent):
    """('storage', Name(torch FloatStorage), key, device, elements), before version 1.6 with a view behind."""
    if not (isinstance(persistent, tuple) and len(persistent) in (5, 6) and persistent[0] == "storage"
            and isinstance(persistent[1], Name) and type(persistent[4]) is int and persistent[4] >= 0):
        raise Refused("has a persistent id that is no storage")
    if len(persistent) == 6 and persistent[5] is not None:
        raise Refused("has views of storages, which torch wrote before version 0.4")
    return Storage(parts_of(persistent[1])[1], str(persistent[2]), persistent[4])


def plain_key(key):
    """The key of a dict as it is, or an object of its own for one that names nothing."""
    plain = (str, int, float, bytes, type(None))
    if isinstance(key, plain) or isinstance(key, tuple) and all(isinstance(part, plain) for part in key):
        return key
    return Unknown("has a key that is no name")


CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
VALUES = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING", "BINBYTES",
          "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4",
          "BINFLOAT", "FLOAT"}


class Machine:
    """The stack on which a pickle puts its values together: dicts, lists, tuples, numbers, texts, Weights, Unknown."""

    def __init__(self):
        self.stack, self.marks, self.memo, self.storages = [], [], {}, {}

    def run(self, pickle):
        """Of one pickle; a file that is read stands behind it."""
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name == "STOP":
                return self.stack.pop()
            self.step(opcode.name, argument)
        raise Refused("does not end")

    def to_mark(self):
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def put(self, pairs):
        target = self.stack[-1]
        for key, value in zip(pairs[::2], pairs[1::2]):
            if isinstance(target, dict):
                target[plain_key(key)] = value

    def extend(self, values):
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def step(self, name, argument):
        stack = self.stack
        if name in ("PROTO", "FRAME"):
            pass
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in VALUES:
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self.to_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "GLOBAL":
            stack.append(Name(argument))
        elif name == "STACK_GLOBAL":
            last, module = stack.pop(), stack.pop()
            stack.append(Name(f"{module} {last}" if isinstance(module, str) and isinstance(last, str) else "?"))
        elif name == "TUPLE":
            stack.append(tuple(self.to_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("LIST", "FROZENSET"):
            stack.append(self.to_mark())
        elif name == "DICT":
            pairs = self.to_mark()
            stack.append({})
            self.put(pairs)
        elif name == "APPEND":
            value = stack.pop()
            self.extend([value])
        elif name in ("APPENDS", "ADDITEMS"):
            self.extend(self.to_mark())
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            self.put([key, value])
        elif name == "SETITEMS":
            self.put(self.to_mark())
        elif name == "BINPERSID":
            stack.append(self.storage(stack.pop()))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stack.append(call(function, arguments))
        elif name == "NEWOBJ_EX":
            _, arguments, function = stack.pop(), stack.pop(), stack.pop()
            stack.append(call(function, arguments))
        elif name == "INST":
            self.to_mark()
            stack.append(Unknown(f"calls {argument}"))
        elif name == "OBJ":
            items = self.to_mark()
            stack.append(call(items[0], tuple(items[1:])))
        elif name == "BUILD":
            stack.pop()  # attributes of an object (_metadata of an OrderedDict): no weights
        else:
            raise Refused(f"has the opcode {name}")

    def storage(self, persistent):
        """One object for all that name it."""
        new = storage_of(persistent)
        old = self.storages.setdefault(new.key, new)
        if (old.kind, old.count) != (new.kind, new.count):
            raise Refused(f"has a storage {new.key} of {old.count} {old.kind} and of {new.count} {new.kind}")
        return old


class Leaves:
    """A walk over what a pickle made: weights by name, and what is left out, with its reason."""

    def __init__(self, value):
        self.weights, self.left_out, self.containers = {}, [], 0
        self.walk(value, "", 0)

    def walk(self, value, name, depth):
        if isinstance(value, Weights):
            self.add(value, name or "tensor")
        elif isinstance(value, Unknown):
            self.left_out.append((name or "the file", value.why))
        elif isinstance(value, (dict, list, tuple)):
            self.containers += 1
            if depth > MOST_DEPTH or self.containers > MOST_CONTAINERS:
                raise Refused(f"is nested deeper than {MOST_DEPTH} levels, or holds more than {MOST_CONTAINERS} lists")
            for key, inner in self.items(value):
                if isinstance(inner, (Weights, Unknown, dict, list, tuple)):
                    self.walk(inner, f"{name}.{key}" if name else key, depth + 1)

    @staticmethod
    def items(value):
        if not isinstance(value, dict):
            yield from ((str(i), inner) for i, inner in enumerate(value))
            return
        for key, inner in value.items():
            if isinstance(key, Unknown):
                yield "?", Unknown(key.why)
            elif isinstance(key, str) or str(key) not in value:
                yield str(key), inner
            else:  # 0 beside '0'
                yield f"[{key}]", inner

    def add(self, weights, name):
        why = None
        if weights.dtype not in DTYPES:
            why = f"is of {weights.dtype or weights.storage.kind}, which is not read"
        elif len(weights.shape) > MOST_AXES:
            why = f"has {len(weights.shape)} axes; at most {MOST_AXES} are read"
        if why:
            self.left_out.append((name, why))
            return
        if name in self.weights:
            raise Refused(f"names {name} twice")
        if name == "__metadata__" or any(0xd800 <= ord(c) < 0xe000 for c in name):
            raise Refused(f"names a tensor {name!a}, which safetensors cannot")
        self.weights[name] = weights


class ZipFile:
    """A file of torch.save: a zip file with the pickle, its byte order and the storages. All that is read is checked
    against the zip file's checksums."""

    def __init__(self, file):
        self.archive = zipfile.ZipFile(file)
        names = self.archive.namelist()
        if len(set(names)) != len(names):
            raise Refused("is a zip file with two records of one name")
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused("has no data.pkl: it is no file of torch.save")
        self.root = pickles[0][:-len("data.pkl")]
        if f"{self.root}constants.pkl" in names:
            raise Refused("is a TorchScript archive; save its state_dict() instead")
        records = {name[len(self.root):]: self.archive.read(name) for name in names
                   if name.startswith(self.root) and not name.startswith(f"{self.root}data/")}
        order = records.get("byteorder", b"little").decode("ascii", "replace").strip()
        if order not in ("little", "big"):
            raise Refused(f"has the byte order {order!a}; little and big are read")
        self.big = order == "big"
        self.value = Machine().run(records["data.pkl"])

    def bytes_of(self, storage):
        return self.archive.read(f"{self.root}data/{storage.key}")


class LegacyFile:
    """A file of torch.save before version 1.6: pickles (a magic number, a version, the machine's sizes, the value, the
    keys of the storages) and behind them each storage, its count first. It has no checksums."""

    def __init__(self, file):
        machine = Machine()
        _, version, sizes = (Machine().run(file) for _ in range(3))
        self.value, keys = machine.run(file), Machine().run(file)
        if version != 1001 or not isinstance(sizes, dict) or not isinstance(keys, list):
            raise Refused(f"has the version {version!a} of torch.save; 1001 is read")
        self.big = sizes.get("little_endian") is False
        self.file, self.begins = file, {}
        at, end = file.tell(), file.seek(0, os.SEEK_END)
        for key in map(str, keys):
            file.seek(at)
            count, storage = int.from_bytes(file.read(8), "little"), machine.storages.get(key)
            if storage is None or storage.count != count or storage.bytes() > end - at - 8:
                raise Refused(f"has a storage {key} that is none of its weights', or ends within it")
            self.begins[key] = at + 8
            at += 8 + storage.bytes()
        if at != end:
            raise Refused(f"has {end - at} bytes behind its last storage")

    def bytes_of(self, storage):
        if storage.key not in self.begins:
            raise Refused(f"has no storage {storage.key}")
        self.file.seek(self.begins[storage.key])
        return self.file.read(storage.bytes())


def open_saved(file):
    start = file.read(16)
    file.seek(0)
    if start.startswith(b"PK"):
        return ZipFile(file)
    if MAGIC in start:
        return LegacyFile(file)
    if start[:1] == b"\x80":
        raise Refused("is a plain pickle, no file of torch.save")
    raise Refused("is no file of torch.save")


def picked(view, start, shape, strides):
    """The elements from view[start] on, as the strides lead, in row-major order."""
    if not shape:
        return view[start:start + 1].tobytes()
    dense = all(stride == math.prod(shape[i + 1:]) for i, stride in enumerate(strides))
    if dense:
        return view[start:start + math.prod(shape)].tobytes()
    count, stride = shape[0], strides[0]
    if stride == 0:
        return picked(view, start, shape[1:], strides[1:]) * count
    if len(shape) == 1:
        return view[start:start + (count - 1) * stride + 1:stride].tobytes()
    return b"".join(picked(view, start + i * stride, shape[1:], strides[1:]) for i in range(count))


def widened(dtype, data):
    """(dtype, data) as matmix reads them."""
    if dtype not in WIDENED:
        return dtype, data
    wide, narrow_code, wide_code = WIDENED[dtype]
    parts, size = [], struct.calcsize(narrow_code)
    for begin in range(0, len(data), 1 << 16):
        part = data[begin:begin + (1 << 16)]
        values = struct.unpack(f"<{len(part) // size}{narrow_code}", part)
        parts.append(struct.pack(f"<{len(values)}{wide_code}", *values))
    return wide, b"".join(parts)


class Elements:
    """What weights hold. Views of one storage may repeat its elements, within reason."""

    def __init__(self, saved):
        self.saved = saved
        self.room = 1 << 24
        self.storage = functools.lru_cache(maxsize=2)(self.read_storage)

    def read_storage(self, storage, size):
        data = self.saved.bytes_of(storage)
        if len(data) != storage.bytes() or len(data) % size:
            raise Refused(f"has {len(data)} bytes in storage {storage.key}, expected {storage.bytes()}")
        if self.saved.big and size > 1:
            swapped = array.array(UNSIGNED[size], data)
            swapped.byteswap()
            data = swapped.tobytes()
        return memoryview(data).cast(UNSIGNED[size])

    def of(self, weights):
        """(dtype, data)."""
        _, size, dtype = DTYPES[weights.dtype]
        view, count = self.storage(weights.storage, size), math.prod(weights.shape)
        last = weights.offset + sum((n - 1) * stride for n, stride in zip(weights.shape, weights.strides))
        if count and last >= len(view):
            raise Refused("has weights beyond their storage")
        self.room -= max(0, count - len(view))
        if self.room < 0:
            raise Refused("has weights that repeat their storage too often")
        axes = [(n, stride) for n, stride in zip(weights.shape, weights.strides) if n != 1]
        data = picked(view, weights.offset, [n for n, _ in axes], [stride for _, stride in axes]) if count else b""
        return widened(dtype, data)


def write_whole(path, parts):
    """A file that appears whole or not at all. Error where something that is no file has the name."""
    path = os.path.realpath(path)
    mode = os.stat(path).st_mode if os.path.exists(path) else None
    if mode is not None and not stat.S_ISREG(mode):
        raise Refused(f"is not written: {path} is no regular file")
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".torch_to_safetensors.")
    try:
        with open(descriptor, "wb") as out:
            if mode is None:
                mask = os.umask(0)
                os.umask(mask)
                mode = 0o666 & ~mask
            os.fchmod(descriptor, stat.S_IMODE(mode))
            out.writelines(parts)
            out.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def convert(source, target):
    """How many tensors were written, and what was left out."""
    with open(source, "rb") as file:
        saved = open_saved(file)
        leaves, elements = Leaves(saved.value), Elements(saved)
        if not leaves.weights:
            raise Refused("holds no weights" + "".join(f": {name} {why}" for name, why in leaves.left_out[:1]))
        header, parts, end = {}, [], 0
        for name, weights in leaves.weights.items():
            dtype, data = elements.of(weights)
            parts.append(data)
            header[name] = {"dtype": dtype, "shape": list(weights.shape), "data_offsets": [end, end + len(data)]}
            end += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_whole(target, [struct.pack("<Q", len(text)), text, *parts])
    return len(parts), leaves.left_out


def in_one_line(text):
    return "".join(c if c.isprintable() else "?" for c in text)


def say(message):
    print(in_one_line(f"torch_to_safetensors.py: {message}"), file=sys.stderr)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    source, target = arguments
    try:
        count, left_out = convert(source, target)
        for name, why in left_out[:8]:
            say(f"{source}: {name} is left out: it {why}")
        if len(left_out) > 8:
            say(f"{source}: {len(left_out) - 8} more are left out")
        print(f"{target}: {count} tensors", flush=True)
        return 0
    except Refused as why:
        say(f"{source} {why}")
    except Exception as error:  # a damaged zip or pickle fails in many ways
        say(f"{source} cannot be read: {type(error).__name__}: {error}")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
