"""The engines of Debian, each doing the same operations with runc and with ocipy: a matrix of cells.

A cell is an engine, a runtime and an operation; what comes out is ``ok``, ``fails`` or ``not here`` with a reason.
``test_engines.py`` demands of ocipy what runc does; ``python3 -m tests.engines --write`` stores what came out in
docs/engines-results.json and makes the tables of docs/engines.md of it.

**An engine** is a subclass of ``matrix.Engine`` in a module of its own here, found by being imported (``collect``).
It gives ``name`` (as in test ids: ``podman-rootless``), ``title``, ``tools`` (programs it needs), ``own_cgroups``
(patterns, relative to a hierarchy, of cgroups that are the engine's own and stay), ``prepare()`` (shell commands that
root runs in the machine before all else), ``boot()`` (start the daemon, import the image), ``version()``, ``sweep()``
(remove every container that a failed operation left), ``stop()`` (end what the engine itself runs).  It has
``self.machine``, which runs commands in the isolation wrapper (``machine.Machine``: mount, network, PID, IPC, UTS and
cgroup namespaces of its own, all of it gone at the end); ``self.runtime`` (``name``, ``path``, ``root``: where it keeps
its state by default); ``self.place``, a directory of its own, visible at that path inside and outside; ``self.image``
(``image.py``: the root filesystem and tars of it).  An engine with a command line like docker's derives from
``commandline.CommandLine``, and gets the operations that are declared for those.

**An operation** is a function with one argument, the engine, that asserts on what came out, declared by
``@operation(*names of engines, not_here={name: why}, runc_lacks=why)``.  Its name is the cell's, its docstring the
row's title.  It removes what it makes; containers are best taken from a context manager.  ``not_here`` names engines
for which this kind of host is known to lack something whatever the runtime: it is tried all the same, and its failure
with runc makes the cells ``not here``; ``runc_lacks`` says what Debian's runc is too old for.  Each operation is
limited to a minute or two, and knows no other operation.  A module with operations is called ``ops_*.py``.

An engine is booted once per runtime; its operations run one after the other, two engines at a time.
"""
