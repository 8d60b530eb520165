"""The runtime specification, sentence by sentence, against any runtime.

``RUNTIME=/usr/sbin/runc python3 -m conformance`` runs it against runc.

Independent of the package ocipy: a case knows the command line that engines use, and looks at the container from the
outside and from within.
"""
