"""Counts the work that meshlint does, in calls of functions: the same on a fast and a slow machine.

    python benchmarks/work.py

`tests/test_work.py` fails when the counts go beyond their limits.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# Counts every call, of Python and of C, until the process ends.
_COUNTING = """\
import os, sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event == "call" or event == "c_call"
def told(code):
    sys.setprofile(None)
    os.write(2, f"\\ncalls: {calls}".encode())
    leave(code)
leave, os._exit = os._exit, told
sys.setprofile(count)
"""
_CLICK = "import click\nos._exit(0)\n"
_MESHLINT = """\
sys.argv = ["meshlint", "--profile", "all", "cart.yaml"]
from meshlint.__main__ import main
main()
"""

CART = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
spec:
  selector:
    matchLabels: {app: cart}
  template:
    metadata:
      labels: {app: cart}
    spec:
      containers:
        - name: cart
          image: registry.example/cart:1.0
"""


def installed(folder: Path) -> Path:
    """A directory for the path of modules with meshlint as a release has it: rules compiled."""
    from meshlint.ruleset import compile_rules

    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "meshlint", folder / "meshlint", ignore=ignored)
    compile_rules(ROOT / "rules", folder / "meshlint" / "_rules")
    return folder


def start() -> float:
    """Calls of a process that lints one small file, every rule on, against `import click`."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cart.yaml").write_text(CART)
        where = installed(Path(folder) / "installed")
        return _counted(_MESHLINT, folder, where) / _counted(_CLICK, folder, where)


def _counted(code: str, folder: str, where: Path) -> int:
    environment = {**os.environ, "PYTHONPATH": str(where), "COLUMNS": "80"}
    command = [sys.executable, "-c", _COUNTING + code]
    for _ in range(2):  # the first run compiles the modules
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    return int(done.stderr.rpartition("calls: ")[2])


def each_object(copies: int) -> float:
    """Calls for one object in a mesh of many copies of the shop in `fixtures`, every rule on."""
    from meshlint.enablement import enable
    from meshlint.lint import Request, lint
    from meshlint.ruleset import load_builtin

    rules = [enable(rule) for rule in load_builtin()]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        shutil.copytree(ROOT / "fixtures" / "shop", tree / "shop")
        for number in range(1, copies):
            for file in (ROOT / "fixtures" / "shop" / "apps").iterdir():
                text = file.read_text(encoding="utf-8")
                target = tree / f"shop-{number}" / file.name
                target.parent.mkdir(exist_ok=True)
                target.write_text(
                    text.replace("namespace: shop", f"namespace: shop-{number}")
                    .replace("name: shop\n", f"name: shop-{number}\n")
                    .replace(".shop.svc", f".shop-{number}.svc")
                    .replace("/shop/", f"/shop-{number}/"),
                    encoding="utf-8",
                )
        calls = 0

        def count(_frame: FrameType, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        gc.disable()
        sys.setprofile(count)
        result = lint(Request([folder], rules))
        sys.setprofile(None)
        gc.enable()
    assert not result.crashes
    return calls / result.report.resources


def main() -> None:
    print(f"start: {start():.2f} times the calls of `import click`")
    for copies in (2, 4, 8, 16, 32):
        print(f"{copies} shops: {each_object(copies):,.0f} calls an object")


if __name__ == "__main__":
    main()
