"""tools/matmix.py reads a run's folder."""
import json
import pathlib
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
sys.dont_write_bytecode = True

try:
    import numpy
    import matmix
except ModuleNotFoundError:
    numpy = None


def safetensors(tensors):
    header, data = {"__metadata__": {"step": "2"}}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@unittest.skipIf(numpy is None, "numpy is not installed")
class Matmix(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def test_a_run(self):
        (self.root / "config.json").write_text('{"name": "tiny"}')
        (self.root / "metrics.jsonl").write_text('{"step":1,"loss":3.5}\n{"step":2,"heldout_loss":3}\n{"step":2,"lo')
        (self.root / "checkpoints").mkdir()
        for step in (2, 10):
            content = {"w": ("F32", [1, 2], struct.pack("<2f", step, 1)), "h": ("BF16", [], b"\xc0\x3f"),
                       "adam.m.w": ("BOOL", [1], b"\1")}
            (self.root / f"checkpoints/step_{step}.safetensors").write_bytes(safetensors(content))
        run = matmix.Run(self.root)
        self.assertEqual(run.config["name"], "tiny")
        self.assertEqual([list(x) for x in run.column("loss")], [[1], [3.5]])
        tensors = run.tensors()
        self.assertEqual(sorted(tensors), ["h", "w"])
        self.assertEqual(tensors["w"].tolist(), [[10.0, 1.0]])
        self.assertEqual(float(tensors["h"]), 1.5)
        self.assertEqual(matmix.read_safetensors(run.checkpoint())[1], {"step": "2"})

    def test_matrices_and_other_files(self):
        numpy.save(self.root / "matrix_0.npy", numpy.eye(3))
        numpy.savez(self.root / "all.npz", a=numpy.ones(2))
        found = matmix.matrices(self.root)
        self.assertEqual(sorted(found), ["all/a", "matrix_0"])
        (self.root / "x").write_bytes(b"\xff" * 8)
        with self.assertRaises(ValueError):
            matmix.read_safetensors(self.root / "x")


if __name__ == "__main__":
    unittest.main()
