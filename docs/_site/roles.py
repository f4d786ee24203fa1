"""Reads the roles of docstrings (:func:`name`) as names of code."""

import re

import griffe

ROLE = re.compile(r':(?:attr|class|data|func|meth|mod):`~?([^`]+)`')


class Roles(griffe.Extension):
    """Takes the roles, which Markdown does not know, out of docstrings."""

    def on_object(self, *, obj: griffe.Object, **others: object) -> None:
        """Changes the docstring of what was read."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(r'`\1`', obj.docstring.value)
