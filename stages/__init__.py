"""The stages of the pipeline, one module each, of the same name as in dvc.yaml. Nothing imports a stage."""

import signal

# Until `abacus.core.process.run` says it in a line, Ctrl-C ends the imports of a stage without a traceback.
if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
