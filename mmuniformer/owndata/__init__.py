"""Data as people have them: recognised, completed, split.

A module for each form. Each reads into one of three kinds of part
(:mod:`mmuniformer.owndata.parts`), and refuses what it cannot read with the
file and the entry. The user's own files are never written.
"""
