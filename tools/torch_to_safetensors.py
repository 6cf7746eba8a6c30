#!/usr/bin/env python3
"""torch_to_safetensors.py IN.pt OUT.safetensors: the weights of a file of torch.save (version 1.6 or later), without
torch and without running the pickle in it: only the opcodes that lists of weights are made of are read, and the only
names that mean anything are OrderedDict and torch's storages. Anything else is an error. Standard library only."""
import json
import os
import pickletools
import struct
import sys
import zipfile

# torch's name: safetensors' name, bytes an element
STORAGES = {"DoubleStorage": ("F64", 8), "FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2),
            "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1)}
MARK = object()


class Refused(Exception):
    pass


class Name:
    """A global of the pickle: never looked up."""

    def __init__(self, text):
        self.text = text


class Weights:
    """Elements of one stored array: where, and how they lie."""

    def __init__(self, storage, offset, shape, strides):
        self.dtype, self.key = storage
        self.offset, self.shape, self.strides = offset, shape, strides


def call(function, arguments):
    if function.text == "collections OrderedDict" and not arguments:
        return {}
    if function.text == "torch._utils _rebuild_tensor_v2" and len(arguments) >= 4:
        return Weights(*arguments[:4])
    if function.text == "torch._utils _rebuild_parameter" and arguments and isinstance(arguments[0], Weights):
        return arguments[0]
    raise Refused(f"calls {function.text}")


def storage_of(persistent):
    """('storage', Name(torch FloatStorage), key, device, elements) as (dtype, key)."""
    if not (isinstance(persistent, tuple) and len(persistent) == 5 and isinstance(persistent[1], Name)):
        raise Refused("has a persistent id that is no storage")
    module, _, name = persistent[1].text.partition(" ")
    if module != "torch" or name not in STORAGES:
        raise Refused(f"has a storage of type {persistent[1].text}")
    return name, str(persistent[2])


def unpickle(data):
    """What the pickle would make, of dicts, lists, tuples, numbers, texts and Weights alone."""
    stack, memo = [], {}

    def to_mark():
        at = len(stack) - 1 - stack[::-1].index(MARK)
        items = stack[at + 1:]
        del stack[at:]
        return items

    def put_items(pairs):
        for key, value in zip(pairs[::2], pairs[1::2]):
            stack[-1][key] = value

    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name == "MARK":
            stack.append(MARK)
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[name])
        elif name in ("NONE", "NEWTRUE", "NEWFALSE"):
            stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
        elif name in ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"):
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(Name(argument))
        elif name == "STACK_GLOBAL":
            second, first = stack.pop(), stack.pop()
            stack.append(Name(f"{first} {second}"))
        elif name == "TUPLE":
            stack.append(tuple(to_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name == "APPENDS":
            values = to_mark()
            stack[-1].extend(values)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name == "SETITEMS":
            pairs = to_mark()
            put_items(pairs)
        elif name == "BINPERSID":
            stack.append(storage_of(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, Name):
                raise Refused("calls what is no name")
            stack.append(call(function, arguments))
        elif name == "BUILD":
            stack.pop()  # attributes of an OrderedDict (_metadata): no weights
        else:
            raise Refused(f"has the opcode {name}")
    raise Refused("does not end")


def named_weights(value, prefix=""):
    """(name, Weights) of nested dicts and lists, their keys joined by dots; everything else is left out."""
    if isinstance(value, Weights):
        yield prefix, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from named_weights(inner, f"{prefix}.{key}" if prefix else str(key))


def elements(weights, size, data):
    """The bytes in row-major order."""
    whole = [isinstance(x, int) and x >= 0 for x in (weights.offset, *weights.shape, *weights.strides)]
    if not all(whole) or len(weights.shape) != len(weights.strides):
        raise Refused("has a shape that is none")
    count = 1
    for n in weights.shape:
        count *= n
    last = weights.offset + sum((n - 1) * s for n, s in zip(weights.shape, weights.strides))
    if count and (last + 1) * size > len(data) or count > max(1, len(data)):
        raise Refused("has weights beyond their storage")
    starts = [weights.offset] if count else []
    dense, inner = 1, len(weights.shape)  # the last axes that lie without gaps are copied at once
    while inner > 0 and weights.strides[inner - 1] == dense:
        inner -= 1
        dense *= weights.shape[inner]
    for n, stride in zip(weights.shape[:inner], weights.strides[:inner]):
        starts = [start + i * stride for start in starts for i in range(n)]
    return b"".join(data[start * size:(start + dense) * size] for start in starts)


def convert(source, target):
    with zipfile.ZipFile(source) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused("has no data.pkl: it is no file of torch.save, or one of before version 1.6")
        root = pickles[0][:-len("data.pkl")]
        header, parts, end = {}, [], 0
        for name, weights in named_weights(unpickle(archive.read(pickles[0]))):
            dtype, size = STORAGES[weights.dtype]
            if name in header:
                raise Refused(f"names {name} twice")
            parts.append(elements(weights, size, archive.read(f"{root}data/{weights.key}")))
            header[name] = {"dtype": dtype, "shape": list(weights.shape), "data_offsets": [end, end + len(parts[-1])]}
            end += len(parts[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{target}.tmp", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    os.replace(f"{target}.tmp", target)
    return len(parts)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(f"{arguments[1]}: {convert(*arguments)} tensors")
        return 0
    except Refused as why:
        print(f"torch_to_safetensors.py: {arguments[0]} {why}", file=sys.stderr)
    except Exception as error:  # a damaged zip or pickle fails in many ways
        print(f"torch_to_safetensors.py: {arguments[0]} cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
