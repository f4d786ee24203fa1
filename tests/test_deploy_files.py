"""The files of deploy/: against schemas, and run with stand-ins."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

HERE = Path(__file__).parent
ROOT = HERE.parent
DEPLOY = ROOT / 'deploy'


def errors(schema: dict, content: object) -> list[str]:
    found = Draft202012Validator(schema).iter_errors(content)
    return [f'{error.json_path}: {error.message}' for error in found]


def schemas(name: str) -> dict:
    return json.loads((HERE / 'schemas' / f'{name}.json').read_text())


class TestKubernetes:
    @pytest.fixture
    def documents(self):
        text = (DEPLOY / 'kubernetes.yaml').read_text()
        return {each['kind']: each for each in yaml.safe_load_all(text)}

    def test_schema(self, documents):
        known = schemas('kubernetes')
        assert set(documents) == {'PersistentVolumeClaim', 'PyTorchJob'}
        for kind, document in documents.items():
            assert errors(known[kind], document) == []

    def test_the_schema_finds_mistakes(self, documents):
        schema = schemas('kubernetes')['PyTorchJob']
        job = documents['PyTorchJob']
        worker = job['spec']['pytorchReplicaSpecs']['Worker']
        pod = worker['template']['spec']
        pod['containers'][0]['volumeMount'] = []
        job['spec']['elasticPolicy']['maxReplicas'] = 'four'
        del pod['containers'][0]['name']
        assert len(errors(schema, job)) == 3

    def test_its_parts_fit_together(self, documents):
        spec = documents['PyTorchJob']['spec']
        worker = spec['pytorchReplicaSpecs']['Worker']
        pod = worker['template']['spec']
        (container,) = pod['containers']
        policy = spec['elasticPolicy']
        assert policy['minReplicas'] <= worker['replicas']
        assert worker['replicas'] <= policy['maxReplicas']
        limits = container['resources']['limits']
        assert int(limits['nvidia.com/gpu']) == policy['nProcPerNode']
        mounts = {each['name'] for each in container['volumeMounts']}
        assert mounts == {each['name'] for each in pod['volumes']}
        grace = {e['name']: e['value'] for e in container['env']}['GRACE']
        assert int(grace) < pod['terminationGracePeriodSeconds']
        for word in container['command']:
            if word.endswith('.py'):
                assert (ROOT / word).is_file()


class TestSkyPilot:
    @pytest.fixture
    def task(self):
        return yaml.safe_load((DEPLOY / 'skypilot.yaml').read_text())

    def test_schema(self, task):
        known = schemas('skypilot')
        assert errors(known['task'], task) == []
        assert errors(known['resources'], task['resources']) == []
        assert (ROOT / task['envs']['CONFIG']).is_file()

    def test_the_schema_finds_mistakes(self, task):
        known = schemas('skypilot')
        task['node'] = task['resources']['gpus'] = 2
        assert len(errors(known['task'], task)) == 1
        assert len(errors(known['resources'], task['resources'])) == 1

    def test_its_commands(self, task, tmp_path):
        """With what SkyPilot sets, and a Python that shows what it gets."""
        python = tmp_path / 'python'
        python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        python.chmod(0o755)
        script = task['run'].replace('.venv/bin/python', str(python))
        done = subprocess.run(
            ['bash', '-euc', script],
            cwd=ROOT,
            env=dict(
                os.environ,
                **task['envs'],
                SKYPILOT_NUM_NODES='2',
                SKYPILOT_NODE_RANK='1',
                SKYPILOT_NODE_IPS='10.0.0.1\n10.0.0.2',
                SKYPILOT_NUM_GPUS_PER_NODE='8',
                SKYPILOT_TASK_ID='managed-1',
            ),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        words = done.stdout.splitlines()
        assert '--rdzv-endpoint=10.0.0.1:29500' in words
        assert '--node-rank=1' in words
        assert '--nproc-per-node=8' in words
        assert words[-1] == '--resume'


class TestSlurm:
    def test_each_node_has_its_place(self, tmp_path):
        """The signal ahead of the limit, the requeue, and the next start."""
        text = (HERE / 'slurm_standin.py').read_text().partition('\n')[2]
        bin_ = tmp_path / 'bin'
        bin_.mkdir()
        for name in ('srun', 'sbatch', 'scontrol'):
            (bin_ / name).write_text(f'#!{sys.executable}\n{text}')
        (bin_ / 'python').write_text(
            f"""#!{sys.executable}
import os, signal, sys, time
from pathlib import Path
folder = Path(os.environ['SLURM_STANDIN'])
print(os.environ['MASTER_ADDR'], *sys.argv[1:], flush=True)
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
(folder / 'started').touch()
time.sleep(0 if 'SLURM_RESTART_COUNT' in os.environ else 60)
"""
        )
        for file in bin_.iterdir():
            file.chmod(0o755)
        done = subprocess.run(
            ['sbatch', '--ntasks=2', 'deploy/slurm.sbatch', 'a.py', 'runs'],
            cwd=ROOT,
            env=dict(
                os.environ,
                PATH=f'{bin_}:/usr/bin:/bin',
                SLURM_STANDIN=str(tmp_path),
                SLURM_JOB_NODELIST='localhost',
                SLURM_JOB_NUM_NODES='2',
                SLURM_GPUS_ON_NODE='8',
                STANDIN_LIMIT='181',
            ),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        output = (tmp_path / 'output').read_text()
        assert output.count('job ended with') == 2, output
        assert output.endswith('job ended with 0\n')
        for place in range(2):
            assert f'--node-rank={place} ' in output
        assert '--nnodes=2' in output
        assert '--rdzv-endpoint=localhost:20007' in output
        assert '--work-dir runs --resume' in output

    def test_settings(self):
        text = (DEPLOY / 'slurm.sbatch').read_text()
        before = int(re.search(r'--signal=B:USR1@(\d+)', text)[1])
        grace = int(re.search(r'GRACE=(\d+)', text)[1])
        assert grace < before


class TestDockerfile:
    def test_what_it_copies_and_installs_is_there(self):
        text = (DEPLOY / 'Dockerfile').read_text()
        named = re.findall(r'requirements/[\w.]+txt', text)
        assert len(named) == 3
        for file in named:
            assert (ROOT / file).is_file()
        assert 'mmuniformer.doctor' in text.splitlines()[-1]

    def test_its_torch_is_the_one_that_is_tested(self):
        text = (DEPLOY / 'Dockerfile').read_text()
        image = re.search(r'ARG PYTORCH=([\d.]+)-', text)[1]
        pinned = (ROOT / 'requirements' / 'constraints.txt').read_text()
        assert f'torch=={image}\n' in pinned
