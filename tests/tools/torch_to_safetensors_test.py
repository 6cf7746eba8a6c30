"""tools/torch_to_safetensors.py reads files as torch.save writes them, and runs nothing that is in them."""
import collections
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import types
import unittest
import zipfile

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/torch_to_safetensors.py"

# What torch.save's pickles name, without torch.
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")


class FloatStorage:
    __module__ = "torch"


class LongStorage:
    __module__ = "torch"


def _rebuild_tensor_v2(*_):
    pass


_rebuild_tensor_v2.__module__ = "torch._utils"
torch.FloatStorage, torch.LongStorage, utils._rebuild_tensor_v2 = FloatStorage, LongStorage, _rebuild_tensor_v2
sys.modules.update({"torch": torch, "torch._utils": utils})


class Storage:
    def __init__(self, kind, key, count):
        self.id = ("storage", kind, key, "cpu", count)


class Tensor:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return _rebuild_tensor_v2, (*self.arguments, False, collections.OrderedDict())


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class TorchPickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.id if isinstance(obj, Storage) else None


class TorchToSafetensors(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def convert(self, state, storages):
        with zipfile.ZipFile(self.root / "in.pt", "w") as archive:
            with archive.open("archive/data.pkl", "w") as out:
                TorchPickler(out, protocol=2).dump(state)
            for key, data in storages.items():
                archive.writestr(f"archive/data/{key}", data)
        return self.run_tool()

    def run_tool(self):
        return subprocess.run([sys.executable, TOOL, self.root / "in.pt", self.root / "out"], capture_output=True, text=True)

    def result(self):
        data = (self.root / "out").read_bytes()
        start = 8 + struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:start])
        return {name: (e["dtype"], e["shape"], data[start + e["data_offsets"][0]:start + e["data_offsets"][1]])
                for name, e in header.items()}

    def test_weights_of_any_strides(self):
        floats = Storage(FloatStorage, "0", 6)
        state = collections.OrderedDict(
            w=Tensor(floats, 0, (2, 3), (3, 1)), wt=Tensor(floats, 0, (3, 2), (1, 3)), row=Tensor(floats, 3, (3,), (1,)),
            model={"n": Tensor(Storage(LongStorage, "1", 1), 0, (), ())}, epoch=3)
        done = self.convert(state, {"0": struct.pack("<6f", *range(6)), "1": struct.pack("<q", -5)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.result(), {
            "w": ("F32", [2, 3], struct.pack("<6f", *range(6))), "wt": ("F32", [3, 2], struct.pack("<6f", 0, 3, 1, 4, 2, 5)),
            "row": ("F32", [3], struct.pack("<3f", 3, 4, 5)), "model.n": ("I64", [], struct.pack("<q", -5))})

    def test_nothing_is_run(self):
        done = self.convert({"w": Evil(str(self.root / "made"))}, {})
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"^torch_to_safetensors.py: .* calls posix mkdir\n$")
        self.assertFalse((self.root / "made").exists())

    def test_damaged_files_are_refused_and_the_old_result_stays(self):
        (self.root / "out").write_text("old")
        floats = Storage(FloatStorage, "0", 6)
        for arguments in [(floats, 4, (3,), (1,)), (floats, 0, (2, 2), (1,)), (floats, -1, (1,), (1,)),
                          (floats, 0, (10**9, 10**9), (0, 0))]:
            done = self.convert({"w": Tensor(*arguments)}, {"0": bytes(24)})
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(done.stderr.count("\n"), 1)
        for data in [b"", b"PK\x03\x04", (self.root / "in.pt").read_bytes()[:-30]]:
            (self.root / "in.pt").write_bytes(data)
            self.assertEqual(self.run_tool().returncode, 2)
        self.assertEqual((self.root / "out").read_text(), "old")


if __name__ == "__main__":
    unittest.main()
