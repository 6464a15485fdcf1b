"""Run pytest with this folder as the package `others`: python launch.py ARGUMENT...

Not as `tests.others`, since some suites are a package of that name too; nor by the
folder above on the path, where `typing` is a folder of ours.
"""

import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Make the package, and let pytest load its plugin."""
    sys.path.remove(str(HERE))
    spec = importlib.util.spec_from_file_location(
        "others", HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    assert spec is not None
    sys.modules["others"] = importlib.util.module_from_spec(spec)

    import pytest  # noqa: PLC0415 - not before this folder has left the path

    code = pytest.main(["-p", "others.recorder", *sys.argv[1:]])
    sys.stdout.flush()
    # Some suites leave threads behind, which nothing would end.
    os._exit(code)


if __name__ == "__main__":
    main()
