#!/usr/bin/env python3
"""page_code.py PAGE FOLDER HEADER: writes the code of a page whose block names a file (```cpp mixers/name.h) below
FOLDER, and a HEADER that includes every .cpp file of them, so that a test can compile what the page says."""
import pathlib
import re
import sys

BLOCK = re.compile(r"^```cpp (\S+)\n(.*?)^```$", re.M | re.S)


def blocks(page):
    """(file, code) of every named block; those of one file are joined in order."""
    files = {}
    for name, code in BLOCK.findall(page):
        files[name] = files.get(name, "") + code
    return files


def main(page, folder, header):
    files = blocks(pathlib.Path(page).read_text())
    for name, code in files.items():
        path = pathlib.Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    pathlib.Path(header).write_text("".join(f"#include <{name}>\n" for name in files if name.endswith(".cpp")))


if __name__ == "__main__":
    main(*sys.argv[1:])
