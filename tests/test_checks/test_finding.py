"""Findings, and the end of a command at the first error."""

import pytest

from mmuniformer.checks.finding import (
    Finding,
    nearest,
    stop_on_errors,
    suggest,
)
from mmuniformer.errors import UserError


def test_a_finding_is_a_sentence_and_what_to_do():
    assert str(Finding('a.txt is empty')) == 'a.txt is empty'
    assert str(Finding('a is 3', 'take 2')) == 'a is 3; take 2'


def test_the_first_error_ends_it():
    asked = []

    def check():
        for what, level in [('a', 'warning'), ('b', 'error'), ('c', 'error')]:
            asked.append(what)
            yield Finding(what, 'mend', level=level)

    with pytest.raises(UserError, match=r'^b; mend$'):
        stop_on_errors(check())
    assert asked == ['a', 'b']


def test_warnings_are_returned():
    findings = [Finding('a', level='warning'), Finding('b', level='warning')]
    assert stop_on_errors(findings) == ['a', 'b']


def test_suggestions():
    assert nearest('epoch_2', ['epoch_1', 'best', 'epoch_3']) == [
        'epoch_3', 'epoch_1'
    ]  # fmt: skip
    assert suggest('modle', ['model']) == '; did you mean model?'
    assert suggest('modle', ['other']) == ''
