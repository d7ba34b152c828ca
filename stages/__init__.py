"""The six stages of the pipeline: scripts that read params, call the library and write files."""

import gc
import sys

if sys.argv[0] == "-m":
    # a stage that is started as a program: what it imports stays, and to look through that for garbage, again and again, would take an
    # eighth of its time; `command` begins with it
    gc.disable()
