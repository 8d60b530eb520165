"""The plan: what a config asks for, compiled into one ordered list of steps.

Pure: config, host facts and options go in, a ``Plan`` comes out.  Nothing in this package touches the operating
system (tests/unit/test_architecture.py), so the same list can be printed, compared, encoded for ocipy-init, or run.
"""
