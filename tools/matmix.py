"""Reads what a run of matmix left, with numpy alone. Formats: docs/formats.md.

    import matmix
    run = matmix.Run("runs/glosses_hydra")
    run.column("heldout_loss")                  # (steps, losses)
    run.tensors()["embedding.weight"]           # of the newest checkpoint
    matmix.matrices("pictures")["matrix_0"]     # matrix_HEAD.npy and *.npz of `matmix show --out pictures`
"""
import json
import pathlib
import struct

import numpy

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1", "BF16": "<u2"}


def json_lines(path):
    """The objects of a .jsonl file; a last line that was cut off is left out."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def read_safetensors(path):
    """(tensors by name, metadata). BF16 comes as float32, which holds it exactly."""
    data = pathlib.Path(path).read_bytes()
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise ValueError(f"{path}: is no safetensors file")
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        x = numpy.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            x = (x.astype(numpy.uint32) << 16).view(numpy.float32)
        tensors[name] = x.reshape(entry["shape"])
    return tensors, metadata


def matrices(folder):
    """Every array of a folder's .npy and .npz files, by file name (and name inside an .npz)."""
    found = {path.stem: numpy.load(path, allow_pickle=False) for path in sorted(pathlib.Path(folder).glob("*.npy"))}
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        with numpy.load(path, allow_pickle=False) as archive:
            found.update({f"{path.stem}/{name}": archive[name] for name in archive.files})
    return found


class Run:
    """The folder of one run."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        self.metrics = json_lines(self.folder / "metrics.jsonl")

    def column(self, key):
        """(steps, values) of the lines of metrics that have the key; null becomes nan."""
        lines = [line for line in self.metrics if key in line]
        return (numpy.array([line["step"] for line in lines]), numpy.array([line[key] for line in lines], dtype=float))

    def checkpoint(self):
        """The newest checkpoint's path."""
        files = (self.folder / "checkpoints").glob("step_*.safetensors")
        return max(files, key=lambda path: int(path.stem.removeprefix("step_")))

    def tensors(self):
        """The parameters of the newest checkpoint, without the optimiser's state."""
        tensors, _ = read_safetensors(self.checkpoint())
        return {name: x for name, x in tensors.items() if not name.startswith(("adam.", "trainer."))}
