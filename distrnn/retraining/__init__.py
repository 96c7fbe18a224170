"""Scheduled retraining: when a workflow is due, what is done about it, and why any number of schedulers do it once.

`ticks` and `policy` are pure functions of a record and a moment; `book` keeps the records; `scheduler` carries the decisions out.
"""
