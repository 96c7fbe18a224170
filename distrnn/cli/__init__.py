"""The command line: one module for each group of verbs, `main` puts them together.

A verb asks the layers below for a plain document and shows it through `output`. Everything heavier than typer is imported inside the
verb, so that `distrnn --help` is there at once and `distrnn pull` runs where neither TensorFlow nor Ray is installed.
"""
