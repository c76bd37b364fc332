"""Notebooks with parameters: which there are, what they take, and how they run without anybody looking.

- shelf.py: the notebooks that come with the package; parameters.py: what a notebook takes, read without running it
- running.py: a run by papermill, cell by cell; rendering.py: its page; magic.py: `%%sql` in a cell
"""
