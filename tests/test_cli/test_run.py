"""Command lines: exit codes, and one line for a mistake."""

import io

import pytest

from mmuniformer.cli import INTERRUPTED, run_command
from mmuniformer.errors import UserError


class TestCommand:
    def test_mistake(self, capsys):
        def command():
            raise UserError('no such thing')

        assert run_command(command) == 1
        assert capsys.readouterr().err == 'error: no such thing\n'

    def test_interruption(self, capsys):
        def command():
            raise KeyboardInterrupt

        assert run_command(command) == INTERRUPTED
        assert capsys.readouterr().err == 'interrupted\n'

    def test_names_that_the_terminal_cannot_show(self, monkeypatch):
        file = io.BytesIO()
        stdout = io.TextIOWrapper(file, encoding='ascii')
        monkeypatch.setattr('sys.stdout', stdout)
        assert run_command(lambda: stdout.write('\u00f8 \ud800')) == 0
        stdout.flush()
        assert file.getvalue() == b'\\xf8 \\ud800'

    def test_defect_keeps_its_traceback(self):
        def command():
            raise KeyError('a defect')

        with pytest.raises(KeyError, match='a defect'):
            run_command(command)

    @pytest.mark.parametrize(
        ('tool', 'arguments', 'message'),
        [
            ('train.py', ['nothing.py'], 'error: config nothing.py does not'),
            ('test.py', ['TOY', 'no.pth'], 'error: checkpoint no.pth does'),
            (
                'train.py',
                ['TOY', '--cfg-options', 'resume'],
                "'resume' is not of the form KEY=VALUE",
            ),
        ],
    )
    def test_exit_code_and_one_line(
        self, tool, arguments, message, toy_config, run_tool
    ):
        arguments = [toy_config if a == 'TOY' else a for a in arguments]
        result = run_tool(tool, *arguments)
        assert result.returncode != 0
        assert message in result.stderr
        assert 'Traceback' not in result.stderr
