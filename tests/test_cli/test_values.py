"""Values of ``--cfg-options``, as they are typed."""

import argparse

import pytest
from mmengine.config import DictAction

from mmuniformer.cli.arguments import config_parser
from mmuniformer.cli.values import parse_value

# Read by mmengine and here alike.
ALIKE = [
    *('1', '-3', '1e-4', '-0.5', 'True', 'false', 'None', 'none', ''),
    *('a,b', 'a, b', '1,2,3', '[a,b]', '[1, 2]', '(1,2)', '(1,)', '[]'),
    *('[(1,2),(3,4)]', '[[1,2],[3]]', '(1333,800)', 'a,', '[None,True]'),
    *('"[1,2]"', "'(1,2)'", '[1,(2,3)],4', '[0,0,8,0]', 'x=a=b'),
    *('a[1].jpg', 'data/[x]/(y)', "it's", 'https://x.org/a?b=c', 'a(b'),
]
# What mmengine makes something else of.
OTHERS = {
    'data/my set/': 'data/my set/',
    ',': ',',
    ' ': ' ',
    ', ': ', ',
    ',,': ',,',
    "'a,b'": 'a,b',
    '"a,b"': 'a,b',
    '"1"': '1',
    "'None'": 'None',
    "['a','b,c']": ['a', 'b,c'],
    "['[',1]": ['[', 1],
    '[my set, other]': ['my set', 'other'],
    'my set,other': ['my set', 'other'],
    '[a],[b]': [['a'], ['b']],
    '(a)/(b)': '(a)/(b)',
    'a)b,c': ['a)b', 'c'],
    'größe ü/': 'größe ü/',
    "'": "'",
    "'a(b,c'": 'a(b,c',
    '/data/a b/(1) [x].txt': '/data/a b/(1) [x].txt',
}


@pytest.mark.parametrize('text', ALIKE)
def test_what_mmengine_reads_is_read_alike(text):
    expected = DictAction._parse_iterable(text)
    found = parse_value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(('text', 'value'), OTHERS.items())
def test_as_typed(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize('text', ['[1,2', '(1,2]', 'a(b,c', '[[1,2]'])
def test_brackets_that_are_not_closed(text):
    with pytest.raises(ValueError, match='brackets'):
        parse_value(text)


class TestOption:
    @staticmethod
    def parse(*words: str) -> dict:
        parser = config_parser('')
        return parser.parse_args(['c.py', *words]).cfg_options

    def test_options_add_up(self):
        found = self.parse(
            *('--cfg-options', 'a=1', 'b=data/my set/', 'c='),
            *('--cfg-options', 'd=x=y', 'a=-2'),
        )
        assert found == {'a': -2, 'b': 'data/my set/', 'c': '', 'd': 'x=y'}

    def test_none_are_none(self):
        assert self.parse() is None

    @pytest.mark.parametrize(
        ('word', 'message'),
        [
            ('resume', "'resume' is not of the form KEY=VALUE"),
            ('=1', "'=1' is not of the form KEY=VALUE"),
            ('a=[1,2', '--cfg-options a: the brackets of [1,2 are not closed'),
        ],
    )
    def test_usage_error(self, word, message, capsys):
        with pytest.raises(SystemExit) as error:
            self.parse('--cfg-options', word)
        assert error.value.code == 2
        assert message in capsys.readouterr().err

    def test_help_tells_how(self):
        text = config_parser('').format_help()
        assert isinstance(config_parser(''), argparse.ArgumentParser)
        assert """KEY="'a,b'\"""" in text
