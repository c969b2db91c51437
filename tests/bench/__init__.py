"""`make bench`: the real processes under load, beside what this machine can do at most.

See options.py for what can be chosen, report.py for what is printed and kept.
"""
