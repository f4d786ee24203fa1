"""Mistakes in a config file."""

from pathlib import Path

import pytest

from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError


class TestConfigFile:
    def test_missing_file_names_the_nearest(self, toy_config):
        with pytest.raises(UserError, match=rf'not exist; did.*{toy_config}'):
            load_config(toy_config.replace('.py', 's.py'))

    def test_missing_folder_names_the_nearest(self, toy_config):
        path = Path(toy_config)
        with pytest.raises(UserError, match=rf'did you mean {toy_config}'):
            load_config(path.parent / 'nowhere' / path.name)

    def test_syntax_error_names_file_and_line(self, tmp_path):
        (tmp_path / 'base.py').write_text('a = 1\nb = (\nc = 2\n')
        config = tmp_path / 'leaf.py'
        config.write_text("_base_ = 'base.py'\n")
        with pytest.raises(UserError, match=r'base\.py, line 2'):
            load_config(config)

    def test_wrong_name_names_file_and_line(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text('a = 1\nb = undefined\n')
        with pytest.raises(
            UserError, match=r"config\.py, line 2: NameError.*'undefined'"
        ):
            load_config(config)

    def test_missing_base(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text("_base_ = 'nothing.py'\n")
        with pytest.raises(UserError, match=r'nothing\.py'):
            load_config(config)

    def test_missing_import(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text(
            "custom_imports = dict(imports=['no_such_package'], "
            'allow_failed_imports=False)\n'
        )
        with pytest.raises(UserError, match=r'no_such_package.*doctor'):
            load_config(config)

    def test_unknown_scope(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text("default_scope = 'mmdett'\n")
        with pytest.raises(UserError, match=r"'mmdett'.*did you mean mmdet"):
            load_config(config)
