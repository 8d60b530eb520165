"""Making runnable bundles: ``make_bundle`` and the default config (the library behind ``ocipy bundle`` and ``spec``).

Nothing here is on the way of running a container, so it uses the standard library freely.
"""

from ocipy.bundle.builder import Bundle, Recipe, make_bundle
from ocipy.bundle.default_config import default_config, write_config

__all__ = ["Bundle", "Recipe", "default_config", "make_bundle", "write_config"]
