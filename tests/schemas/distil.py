"""Distils the schemas that the files of deploy/ are checked against.

    pip download --no-deps kubeflow-training==1.9.4 kubernetes==31.0.0 \\
        skypilot==0.14.1
    (unpack the three wheels into FOLDER)
    python tests/schemas/distil.py FOLDER

Of Kubernetes' objects only those are kept that the file has: all together
would be megabytes. An object that a file gains needs this to be run again.
"""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
DEPLOY = HERE.parents[1] / 'deploy'
FIRST = {
    'PersistentVolumeClaim': 'V1PersistentVolumeClaim',
    'PyTorchJob': 'KubeflowOrgV1PyTorchJob',
}
PLAIN = {
    'str': {'type': 'string'},
    'int': {'type': 'integer'},
    'float': {'type': 'number'},
    'bool': {'type': 'boolean'},
    'object': {},
    'datetime': {'type': 'string'},
}


def models(folder: Path) -> dict[str, dict[str, Any]]:
    """Keys, their types and which are required, of each model."""
    found = {}
    for path in [
        *folder.glob('kubeflow/training/models/*.py'),
        *folder.glob('kubernetes/client/models/*.py'),
    ]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = _model(node)
    return found


def _model(node: ast.ClassDef) -> dict[str, Any]:
    values = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Dict)
    }
    types, names = values['openapi_types'], values['attribute_map']
    text = ast.unparse(node)
    return {
        names[key]: (
            kind,
            f'Invalid value for `{key}`, must not be `None`' in text,
        )
        for key, kind in types.items()
    }


def schema(kind: str, value: Any, known: dict) -> dict:
    """JSON Schema of a type, as deep as a value goes."""
    match = re.fullmatch(r'list\[(.+)\]', kind)
    if match:
        items = [schema(match[1], each, known) for each in value or [None]]
        return {'type': 'array', 'items': _merged(items)}
    match = re.fullmatch(r'dict\((.+), ?(.+)\)', kind)
    if match:
        entries = [
            schema(match[2], each, known)
            for each in (value or {'': None}).values()
        ]
        return {'type': 'object', 'additionalProperties': _merged(entries)}
    if kind in PLAIN:
        return PLAIN[kind]
    if value is None:
        return {'title': kind}
    keys = known[kind]
    return {
        'title': kind,
        'type': 'object',
        'additionalProperties': False,
        'required': sorted(key for key in keys if keys[key][1]),
        'properties': {
            key: schema(type_, value.get(key), known)
            for key, (type_, _) in keys.items()
        },
    }


def _merged(schemas: list[dict]) -> dict:
    """The schema of all entries, of which each goes into other depths."""
    first, *others = schemas
    for other in others:
        first = _both(first, other)
    return first


def _both(one: dict, other: dict) -> dict:
    if 'properties' not in one or 'properties' not in other:
        return one if len(one) >= len(other) else other
    keys = one['properties']
    both = {k: _both(keys[k], other['properties'][k]) for k in keys}
    return dict(one, properties=both)


def skypilot(folder: Path) -> dict[str, Any]:
    """SkyPilot's own schemas of a task and of its resources."""
    path = folder / 'sky' / 'utils' / 'schemas.py'
    # What it imports of SkyPilot needs everything else.
    text = re.sub(r'^from sky.*\n', '', path.read_text(), flags=re.MULTILINE)
    text = text.replace('import enum\n', f'import enum\n{_STAND_INS}', 1)
    spec = importlib.util.spec_from_loader('schemas', loader=None)
    module = importlib.util.module_from_spec(spec)
    exec(compile(text, str(path), 'exec'), vars(module))
    # Of SkyPilot itself, as a file of a task may set it; ours does not.
    module._task_config_schema = lambda: {'type': 'object'}
    parts = dict(
        task=module.get_task_schema(),
        resources=module._get_single_resources_schema(),
    )
    # Names of clouds and the like, which are not looked at.
    return json.loads(json.dumps(parts, default=lambda _: []))


_STAND_INS = """
from unittest.mock import MagicMock
autostop_lib, kubernetes_enums = MagicMock(), MagicMock()
class constants:
    ALL_CLOUDS = ('aws', 'gcp', 'azure', 'kubernetes', 'slurm')
    ENV_VAR_IS_SKYPILOT_SERVER = 'NONE'
    def __getattr__(self, name):
        return name
constants = constants()
"""


def main() -> None:
    folder = Path(sys.argv[1])
    known = models(folder)
    documents = yaml.safe_load_all((DEPLOY / 'kubernetes.yaml').read_text())
    found = {
        each['kind']: schema(FIRST[each['kind']], each, known)
        for each in documents
    }
    for name, content in (
        ('kubernetes', found),
        ('skypilot', skypilot(folder)),
    ):
        text = json.dumps(content, indent=1, sort_keys=True)
        (HERE / f'{name}.json').write_text(text + '\n')


if __name__ == '__main__':
    main()
