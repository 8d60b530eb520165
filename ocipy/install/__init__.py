"""Registering the command with container engines, and taking it back: ``ocipy install`` and ``ocipy uninstall``.

``registration`` has the two calls; each engine is a small module that knows its file and its format.  Configuration
files are edited as text, by inserting and deleting what is ours alone: comments, order and layout of everything else
stay, and a parser of the standard library proves that nothing else changed.
"""
