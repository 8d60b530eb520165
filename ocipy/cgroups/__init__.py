"""Control groups: pure translation (paths, v1, v2: resources → what to write where) and the one writer (manager)."""
