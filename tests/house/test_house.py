"""The rules of the house that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "triskel"
SOURCES = sorted(
    [*CORE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
)
MOST_LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts and ".git" not in path.parts]
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_files_fit_in_a_head():
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > MOST_LINES}
    assert long == {}


def test_names_say_what_a_thing_is():
    assert [str(p) for p in SOURCES if VAGUE & {p.stem, p.parent.name}] == []


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_public_things_say_what_they_are(path):
    """Every module, public class and public function of the core has a docstring; overloads of a port count as any other."""
    tree = ast.parse(path.read_text())
    if path.name == "__init__.py" and not tree.body:
        return
    assert ast.get_docstring(tree), "the module"
    for parent in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))):
        for node in parent.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{node.name} in line {node.lineno}"


def test_the_project_speaks_of_itself_alone():
    """No path of one machine, and nothing of how or where it was made."""
    words = ["/" + "work/", "/" + "root/", ".." + "/shared", "pypi." + "org", "registry." + "npmjs", "files.python" + "hosted"]
    found = []
    for path in tracked():
        if path.name == "uv.lock" or path.suffix in {".hsdb", ".png"}:
            continue
        text = path.read_text(errors="replace")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in words if word in text]
    assert found == []


def test_nothing_happens_at_import():
    """Importing every module of the core opens no file for writing, no socket, reads no variable of the environment."""
    program = """
import pkgutil, sys, importlib
seen = []
def hook(event, args):
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.putenv"):
        seen.append(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"open {args[0]}")
sys.addaudithook(hook)
import os
class Watched(type(os.environ)):
    pass
reads = []
original = type(os.environ).__getitem__
def spied(self, key):
    caller = sys._getframe(1)
    while caller and caller.f_globals.get("__name__", "") in ("os", "_collections_abc", "collections.abc"):
        caller = caller.f_back
    if caller and caller.f_globals.get("__name__", "").startswith("triskel"):
        reads.append(caller.f_globals["__name__"])
    return original(self, key)
type(os.environ).__getitem__ = spied
import triskel
for module in pkgutil.walk_packages(triskel.__path__, "triskel."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not seen, seen
assert not reads, reads
"""
    done = subprocess.run([sys.executable, "-B", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_asgi_application_imports_no_more_than_a_call_needs():
    """A cold start pays for what it loads: no configuration, no SQL, no YAML, no cryptography, no metrics."""
    program = "import sys, triskel.http.application; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {
        "pydantic",
        "yaml",
        "sqlite3",
        "cryptography",
        "jwt",
        "prometheus_client",
        "opentelemetry",
        "rich",
        "cedarpy",
        "openai",
    }
    heavy |= {"boto3", "azure", "google.cloud", "aiohttp", "httpx", "uvicorn", "starlette"}
    assert heavy & set(done.stdout.split()) == set()


def test_make_help_lists_every_target_a_person_would_type():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "up", "test", "lint", "types", "unit", "bench", "bench-gateway", "bench-cold"):
        assert f"make {target} " in listed.replace("\x1b[1m", "").replace("\x1b[0m", "")


def test_every_relative_link_of_the_documents_leads_somewhere():
    import re

    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
