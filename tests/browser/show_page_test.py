"""The page and the files of `matmix show --run`: a browser's hover is asked for numbers, which are those of the .npz.

    python3 show_page_test.py build/experiments/matmix
The cases that need a browser are skipped where there is no chromium (Debian: apt-get install chromium).
"""
import array
import ast
import functools
import html
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom
import zipfile

PROGRAM = sys.argv.pop(1)
CHROMIUM = shutil.which("chromium")
CONFIG = {"data": {"kind": "text", "max_len": 32, "mask_rate": 0.2, "heldout": 0.5},
          "model": {"d_model": 16, "layers": 2, "mixer": {"state": 3, "Q": 4, "headdim": 16, "conv_width": 3}},
          "train": {"batch": 4, "steps": 12, "warmup": 2, "lr": 0.02, "log_every": 4, "evaluate_every": 12}}
TEXTS = {"hydra": "the cat eats <a> hat & \"mat\"", "identity": "a é b"}  # é is two tokens, neither of them UTF-8
# The third is identity's with a fast form that is 1 more everywhere: forms that four digits tell apart.
PAGES = [*TEXTS, "shifted"]

# Pages in one document, as a notebook has them: one is in its file, others are put there later and their scripts run.
HOST = """<!DOCTYPE html><meta charset="utf-8">
<style>body { margin: 3px } h2 { color: rgb(1, 2, 3) }</style><h2 id="host">h</h2><svg id="drawing"></svg>
<script>const before = new Set(Object.getOwnPropertyNames(window));
const kinds = ['color', 'background', 'font', 'margin', 'padding', 'display', 'overflow', 'maxWidth', 'fill'];
const look = () => [...document.querySelectorAll('body, #host, #drawing')].flatMap(x => {
  const style = getComputedStyle(x);
  return kinds.map(kind => style[kind]);
});
const bare = look();</script>
%(first)s
<div id="later"></div>
%(others)s
<script>
const ask = async () => {
  const later = document.getElementById('later');
  later.innerHTML = [...document.querySelectorAll('template')].map(x => x.innerHTML).join('');
  for (const old of later.querySelectorAll('script')) {
    const fresh = document.createElement('script');
    fresh.textContent = old.textContent;
    old.replaceWith(fresh);
  }
  const boxes = [...document.querySelectorAll('.matmix')];
  await Promise.all([...document.images].map(image => image.decode()));
  const choose = (box, name, value) => {
    const select = box.querySelector('.matmix-' + name);
    select.value = value;
    select.dispatchEvent(new Event('change'));
  };
  const hover = (element, i, j, L) => {
    const at = element.getBoundingClientRect();
    element.dispatchEvent(new MouseEvent('mousemove',
      {clientX: at.left + (j + .5) / L * at.width, clientY: at.top + (i + .5) / L * at.height}));
  };
  const said = boxes.map(box => {
    const L = JSON.parse(box.dataset.tokens).tokens.length, entry = box.querySelector('.matmix-entry'), words = {};
    const others = boxes.filter(x => x !== box).map(x => [x, x.querySelector('.matmix-entry').textContent]);
    for (const form of ['explicit', 'fast', 'difference']) {
      choose(box, 'form', form);
      words[form] = [...box.querySelectorAll('.matmix-grid img')].map(image => {
        const rows = [];
        for (let i = 0; i < L; ++i) for (let j = 0; j < L; ++j) {
          hover(image, i, j, L);
          rows.push(entry.textContent);
        }
        return rows;
      });
      words[form + ' note'] = box.querySelector('.matmix-map .matmix-faint').textContent;
    }
    choose(box, 'form', 'fast');
    choose(box, 'scale', 'share');
    words.scaled = box.querySelector('.matmix-map .matmix-faint').textContent;
    box.querySelectorAll('.matmix-grid img')[1].click();
    hover(box.querySelector('.matmix-map image'), 2, 1, L);
    words.detail = entry.textContent;
    hover(box.querySelector('.matmix-ranks image'), 1, 0, L);
    words.rank = entry.textContent;
    words.ranks = box.querySelector('.matmix-ranks .matmix-faint').textContent;
    words.spectrum = box.querySelector('.matmix-spectrum polyline').getAttribute('points').trim().split(' ').length;
    words.lines = [...box.querySelectorAll('.matmix-lines path')].map(x => x.dataset.row);
    words.undisturbed = others.every(([x, text]) => x.querySelector('.matmix-entry').textContent === text);
    return words;
  });
  const names = Object.getOwnPropertyNames(window).filter(x => !before.has(x));
  return {said, names, same: JSON.stringify(look()) === JSON.stringify(bare),
    ids: [...document.querySelectorAll('.matmix [id]')].length};
};
addEventListener('load', () => ask().catch(error => ({error: String(error)})).then(answer => {
  const told = document.createElement('pre');
  told.id = 'told';
  told.textContent = JSON.stringify(answer);
  document.body.replaceChildren(told);
}));
</script>
"""


def run(*words):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr


def read_npy(data):
    """(values in one list, shape)."""
    length = int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:10 + length].decode())
    kind, body = header["descr"], data[10 + length:]
    if kind.startswith("<U"):
        step = 4 * int(kind[2:])
        words = [body[k:k + step].decode("utf-32-le").rstrip("\0") for k in range(0, len(body), step)]
        return words, header["shape"]
    assert kind == "<f8" and not header["fortran_order"], header
    return array.array("d", body).tolist(), header["shape"]


def read_npz(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        return {name.removesuffix(".npy"): read_npy(archive.read(name)) for name in archive.namelist()}


@functools.cache
def shown():
    """A folder with two tiny runs and what show makes of them."""
    holder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(holder.cleanup)
    root = pathlib.Path(holder.name)
    (root / "text.txt").write_text("".join(f"the cat eats rat {i}\n" for i in range(80)))
    for name, mixer in (("hydra", "quasiseparable"), ("identity", "identity")):
        config = json.loads(json.dumps(CONFIG)) | {"name": name}
        config["data"]["path"] = str(root / "text.txt")
        config["model"]["mixer"]["name"] = mixer
        (root / f"{name}.json").write_text(json.dumps(config))
        run("train", root / f"{name}.json", "--out", root / name)
        for kind in ("html", "npz", "svg", "png"):
            run("show", "--run", root / name, "--text", TEXTS[name], "--out", root / f"{name}.{kind}")
    return root


class Shown(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = shown()
        cls.arrays = {name: read_npz(cls.root / f"{name}.npz") for name in TEXTS}
        cls.arrays["shifted"] = {name: ([x + 1 for x in values] if name.endswith("_fast") else values, shape)
                                 for name, (values, shape) in cls.arrays["identity"].items()}

    def near(self, said, want, slack=0.1):
        """What is said to 4 digits is `want` rounded; slack: in units of the last one."""
        unit = 10.0 ** (math.floor(math.log10(abs(want))) - 3) if want else 1e-12
        self.assertLessEqual(abs(float(said) - want), (0.5 + slack) * unit, f"{said} for {want}")


class Files(Shown):
    def test_npz_holds_both_forms_and_the_tokens(self):
        arrays = self.arrays["hydra"]
        self.assertEqual(sorted(arrays), ["layer_0", "layer_0_fast", "layer_1", "layer_1_fast", "tokens"])
        self.assertEqual(arrays["tokens"][0], list(TEXTS["hydra"]))
        L = len(TEXTS["hydra"])
        for layer in ("layer_0", "layer_1"):
            (explicit, shape), (fast, fast_shape) = arrays[layer], arrays[layer + "_fast"]
            self.assertEqual((shape, fast_shape), ((2, L, L), (2, L, L)))
            largest = max(map(abs, explicit))
            self.assertLess(max(abs(a - b) for a, b in zip(explicit, fast)), 1e-4 * largest)
            self.assertNotEqual(explicit, fast)  # two ways of computing, in F32

    def test_the_identity_is_exact_in_both_forms(self):
        values, (heads, L, _) = self.arrays["identity"]["layer_1"]
        self.assertEqual(values, [float(i == j) for _ in range(heads) for i in range(L) for j in range(L)])
        self.assertEqual(values, self.arrays["identity"]["layer_1_fast"][0])
        self.assertEqual(self.arrays["identity"]["tokens"][0], ["a", " ", "\ufffd", "\ufffd", " ", "b"])

    def test_numpy_reads_them(self):
        try:
            import numpy
        except ModuleNotFoundError:
            self.skipTest("numpy is not installed")
        with numpy.load(self.root / "hydra.npz", allow_pickle=False) as archive:
            self.assertEqual("".join(archive["tokens"]), TEXTS["hydra"])
            self.assertEqual(archive["layer_1"].ravel().tolist(), self.arrays["hydra"]["layer_1"][0])

    def test_svg_is_xml_with_a_frame_a_head_and_rectangles(self):
        for name in TEXTS:
            page = xml.dom.minidom.parse(str(self.root / f"{name}.svg"))
            frames = [r for r in page.getElementsByTagName("rect") if r.getAttribute("stroke")]
            self.assertEqual(len(frames), 2 * 2 + 1)
            cells = page.getElementsByTagName("g")[1].getElementsByTagName("rect")
            if name == "identity":
                self.assertEqual({(r.getAttribute("x"), r.getAttribute("fill")) for r in cells},
                                 {(str(i), "#67001f") for i in range(6)})
        self.assertTrue((self.root / "hydra.png").read_bytes().startswith(b"\x89PNG"))

    def test_the_page_asks_for_nothing(self):
        page = (self.root / "hydra.html").read_text()
        for word in ("https:", "url(", "@import", "<link", "fetch("):
            self.assertNotIn(word, page)
        self.assertNotRegex(page, r'\ssrc="(?!data:)')
        for rule in page.split("<style>")[1].split("</style>")[0].strip().splitlines():
            self.assertTrue(all(part.strip().startswith(".matmix") for part in rule.split("{")[0].split(",")), rule)


@unittest.skipIf(CHROMIUM is None, "chromium is not installed: no page was opened")
class Pages(Shown):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        first, second = ((cls.root / f"{name}.html").read_text() for name in TEXTS)
        shifted = second.replace(re.search(r'data-matmix="(\w+)"', second)[1], "shifted")
        shifted = re.sub('(data-difference=)"([^"]*)"', lambda x: f'{x[1]}"{"P4AA" * (len(x[2]) // 4)}"', shifted)
        others = "".join(f"<template>{page}</template>" for page in (second, shifted))
        (cls.root / "host.html").write_text(HOST % {"first": first, "others": others})
        seen = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000",
                               f"--user-data-dir={cls.root}/profile", "--dump-dom", f"file://{cls.root}/host.html"],
                              capture_output=True, text=True, timeout=240, check=True).stdout
        told = re.search(r'<pre id="told">(.*?)</pre>', seen, re.S)
        assert told, seen[-2000:]
        cls.answer = json.loads(html.unescape(told[1]))
        assert "error" not in cls.answer, cls.answer
        cls.said = dict(zip(PAGES, cls.answer["said"]))

    def every_entry(self, name, form, pattern):
        """(match, explicit, fast, share of the row) of every entry of every head."""
        arrays, places = self.arrays[name], []
        for layer in (0, 1):
            (M, (heads, L, _)), (fast, _) = arrays[f"layer_{layer}"], arrays[f"layer_{layer}_fast"]
            places += [(f"layer {layer}, head {h}", L, i, j, M[(h * L + i) * L:][:L], fast[(h * L + i) * L:][:L])
                       for h in range(heads) for i in range(L) for j in range(L)]
        words = [x for head in self.said[name][form] for x in head]
        self.assertEqual(len(words), len(places))
        tokens = arrays["tokens"][0]
        for word, (head, L, i, j, row, fast_row) in zip(words, places):
            found = re.fullmatch(pattern, word, re.S)
            self.assertTrue(found, word)
            self.assertTrue(word.startswith(f"{head}: ") and f"[{i}, {j}] = " in word, word)
            self.assertTrue(word.endswith(f", what '{tokens[i]}' takes from '{tokens[j]}'"), word)
            yield found, row, fast_row, j

    def test_hover_says_what_the_npz_holds(self):
        for name in PAGES:
            for form in ("explicit", "fast"):
                pattern = r".*: " + form + r" M\[\d+, \d+\] = (\S+), (\S+) of its row, what .*"
                for found, explicit, fast, j in self.every_entry(name, form, pattern):
                    row = fast if form == "fast" else explicit
                    self.near(found[1], row[j])
                    self.near(found[2], abs(row[j]) / sum(map(abs, row)), 0.3)

    def test_the_difference_is_that_of_the_two_forms(self):
        pattern = r".*: \|fast - explicit\|\[\d+, \d+\] = (\S+), what .*"
        for name in ("hydra", "shifted"):
            for found, explicit, fast, j in self.every_entry(name, "difference", pattern):
                self.near(found[1], abs(fast[j] - explicit[j]))
        for found, *_ in self.every_entry("identity", "difference", pattern):
            self.assertEqual(found[1], "0")
        self.assertRegex(self.said["hydra"]["difference note"], r"^logarithmic, from 1e-\d+ to 1e-\d+, one scale for ")
        self.assertEqual(self.said["identity"]["difference note"], "all 0")

    def test_one_head_in_full(self):
        said, tokens = self.said["hydra"], self.arrays["hydra"]["tokens"][0]
        L, fast = len(tokens), self.arrays["hydra"]["layer_0_fast"][0]
        found = re.match(r"layer 0, head 1: fast M\[2, 1\] = (\S+), ", said["detail"])
        self.near(found[1], fast[(L + 2) * L + 1])
        self.assertEqual(said["scaled"], "|M| / sum of its row")
        self.assertRegex(said["rank"], r"^layer 0, head 1: rank\[1, 0\] = 1$")
        self.assertEqual(said["ranks"], "at most 3 below the diagonal, 3 above it; "
                         "of singular values from 1e-4 of the largest on")  # 3: the state
        self.assertEqual(said["spectrum"], L)
        self.assertEqual(said["lines"], [str(i) for i in range(L) for _ in range(3)])
        identity = self.said["identity"]
        self.assertTrue(identity["ranks"].startswith("at most 0 below the diagonal, 0 above it; "))
        self.assertEqual(identity["lines"], [str(i) for i in range(6)])  # every token looks at itself alone

    def test_pages_disturb_neither_each_other_nor_their_host(self):
        self.assertEqual(len(self.said), len(PAGES))
        self.assertTrue(all(said["undisturbed"] for said in self.said.values()))
        self.assertTrue(self.answer["same"])
        self.assertEqual((self.answer["names"], self.answer["ids"]), ([], 0))


if __name__ == "__main__":
    if CHROMIUM is None:
        print("skipped: chromium is not installed, no page was opened", file=sys.stderr)
    unittest.main()
