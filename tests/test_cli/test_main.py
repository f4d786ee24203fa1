"""The program, its commands and the scripts that are doors to them."""

import argparse
import os
import sys

import pytest

from mmuniformer.cli.main import COMMANDS, command_parser, main, script
from mmuniformer.version import __version__


def ended(capsys, *words, prog=None):
    """Exit code, stdout and stderr of what argparse ends."""
    with pytest.raises(SystemExit) as caught:
        main(words, prog)
    return caught.value.code, *capsys.readouterr()


def test_help_has_a_line_for_each_command(capsys):
    for words in ([], ['--help']):
        code, out, _ = ended(capsys, *words)
        assert code == 0
        for name, line in COMMANDS.items():
            assert f'  {name} ' in out
            assert line in out


def test_version(capsys):
    assert ended(capsys, '--version')[:2] == (
        0,
        f'mmuniformer {__version__}\n',
    )


@pytest.mark.parametrize(
    ('word', 'told'),
    [
        ('tarin', "no command 'tarin'; did you mean train?"),
        ('chekc', 'did you mean check?'),
        ('qqq', "no command 'qqq'; --help lists what there is"),
    ],
)
def test_mistyped_command(capsys, word, told):
    code, _, err = ended(capsys, word)
    assert code == 2
    assert told in err


def test_every_command_says_what_it_does():
    for name in COMMANDS:
        text = command_parser(name).format_help()
        assert text.startswith(f'usage: mmuniformer {name} ')
        assert ' '.join(text.split()).find(COMMANDS[name]) > 0


def test_script_names_itself(capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['/any/tools/train.py', '--no-such'])
    with pytest.raises(SystemExit):
        script('train')
    err = capsys.readouterr().err
    assert err.startswith('usage: train.py ')
    assert 'train.py: error: ' in err


@pytest.mark.parametrize(
    'words',
    [
        ['a.jpg', 'b.jpg', '--model', 'x.pth', '--half'],
        ['--model', 'x.pth', '--half', 'a.jpg', 'b.jpg'],
        ['a.jpg', '--model', 'x.pth', 'b.jpg', '--half'],
    ],
)
def test_words_between_options(words, monkeypatch):
    got = []
    monkeypatch.setattr('mmuniformer.cli.commands.predict.run', got.append)
    assert main(['predict', *words]) == 0
    assert got[0].sources == ['a.jpg', 'b.jpg']
    assert got[0].model == 'x.pth'
    assert got[0].half


@pytest.mark.parametrize('option', ['--world-size 4', '--samples 9'])
def test_options_of_a_dry_run_alone(capsys, option):
    words = ['train', 'config.py', *option.split()]
    code, _, err = ended(capsys, *words)
    assert code == 2
    assert f'{option.split()[0]} is for --dry-run' in err


@pytest.mark.parametrize('command', ['train', 'test'])
@pytest.mark.parametrize(
    ('words', 'before', 'after'),
    [
        ([], None, '0'),
        (['--local-rank=3'], None, '3'),
        (['--local_rank=3'], '1', '1'),
    ],
)
def test_local_rank(monkeypatch, command, words, before, after):
    # Set first, so that it is as before in the end.
    monkeypatch.setenv('LOCAL_RANK', '')
    monkeypatch.delenv('LOCAL_RANK')
    if before is not None:
        monkeypatch.setenv('LOCAL_RANK', before)
    checkpoint = ['no.pth'] if command == 'test' else []
    assert main([command, 'no.py', *checkpoint, *words]) == 1
    assert os.environ['LOCAL_RANK'] == after


def test_nested_commands(monkeypatch, capsys):
    """`mmuniformer data new`: subparsers within a command."""

    def add_arguments(parser):
        parser.add_subparsers(dest='what', required=True).add_parser('new')

    module = argparse.Namespace(
        add_arguments=add_arguments,
        run=lambda arguments: sys.stdout.write(arguments.what),
    )
    monkeypatch.setitem(COMMANDS, 'nest', 'Make a nest')
    monkeypatch.setitem(sys.modules, 'mmuniformer.cli.commands.nest', module)
    assert main(['nest', 'new']) == 0
    assert capsys.readouterr().out == 'new'
    code, _, err = ended(capsys, 'nest', 'nwe')
    assert code == 2
    assert err.startswith('usage: mmuniformer nest ')
