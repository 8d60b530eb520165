"""Registering the command with container engines, and taking it back: ``ocipy install`` and ``ocipy uninstall``.

``planning`` works out what is to change, ``changes`` does it; each engine is a small module that knows its file and its
format.  Configuration files are edited as text, by inserting and deleting what is ours alone: comments, order and
layout of everything else stay, and a parser of the standard library proves that nothing else changed.
"""
