"""What the examples share, and a reader need not see again in each of them.

Ctrl-C and the command line, the progress bar, and the servers on the loopback
interface that stand in for the network. Python finds this folder because it puts the
folder of a script on its path.

Examples import from here before anything else: from then on, Ctrl-C ends them without a
traceback, even while they still import their libraries.
"""

from _plumbing.ctrl_c import listen

listen()
