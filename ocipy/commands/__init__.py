"""One module per sub-command: parse, call the library, print.  ``ocipy.cli`` holds their table."""
