"""The direction of imports, the one home of each heavy library, and an `import distrnn` that loads none of them."""

import json
import subprocess
import sys

import pytest
from importlinter.cli import lint_imports

HEAVY = ("tensorflow", "keras", "ray", "pyarrow")


def test_imports_go_down_the_layers_and_heavy_libraries_have_one_home(repo_root, tmp_path, monkeypatch):
    monkeypatch.chdir(repo_root)
    assert lint_imports(cache_dir=str(tmp_path)) == 0


def test_importing_the_package_loads_the_standard_library_only():
    names = json.loads(
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; old = set(sys.modules); import distrnn, json; print(json.dumps(sorted(set(sys.modules) - old)))",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    foreign = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"distrnn"}
    assert foreign == set()


@pytest.mark.parametrize(
    "module",
    [
        "distrnn.workflow",
        "distrnn.storage",
        "distrnn.registry",
        "distrnn.runtime",
        "distrnn.client",
        "distrnn.embeddings",
        "distrnn.explanation",
    ],
)
def test_light_module_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
