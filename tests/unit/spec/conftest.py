"""The files of the runtime spec lie beside the checkout, if at all: in CI, where every skip fails, look elsewhere."""

import os

from .documents import OFFICIAL

collect_ignore = ["test_official.py"] if os.environ.get("CI") == "true" and not OFFICIAL.is_dir() else []
