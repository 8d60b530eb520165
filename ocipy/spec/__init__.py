"""The documents of the runtime spec: read, checked, completed, and written.

``load`` reads and completes config.json, ``schema`` (generated from schemas/) decides on its shape, ``checks`` on
what a schema can't say, ``validate`` and ``locate`` explain what is wrong and where, ``jsontext`` reads and writes
JSON.  Nothing is imported here: ``load``, ``schema``, ``checks`` and ``jsontext`` are on the path of every command.
"""

HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
