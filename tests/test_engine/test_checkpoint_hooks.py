"""What saving removes: old checkpoints of the run, and nothing else."""

from pathlib import Path

import pytest
import torch

from mmuniformer.apis import train
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.hooks.checkpoints import _DeferredRemoval


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / 'run'
    folder.mkdir()
    return folder


def removed(folder: Path, path: Path) -> bool:
    backend = _DeferredRemoval(AtomicLocalBackend(), str(folder))
    backend.remove(str(path))
    backend.remove_now(keep=set())
    return not path.exists()


@pytest.mark.parametrize(
    'name', ['epoch_3.pth', 'iter_100.pth', 'best_coco_bbox_mAP_epoch_2.pth']
)
def test_checkpoints_of_the_run(folder, name):
    (folder / name).write_text('')
    assert removed(folder, folder / name)


@pytest.mark.parametrize(
    'name',
    [
        '../epoch_3.pth',
        '../run2/best_x.pth',
        'notes.txt',
        'thesis.pth',
        'sub/epoch_3.pth',
        'best_.pth',
    ],
)
def test_other_files(folder, name):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('')
    assert not removed(folder, path)


def test_other_folders_and_links(folder, tmp_path):
    victim = tmp_path / 'victim'
    victim.mkdir()
    (victim / 'thesis.txt').write_text('')
    assert not removed(folder, victim)
    link = folder / 'best_link.pth'
    link.symlink_to(victim)
    assert not removed(folder, link)
    (tmp_path / 'linked').symlink_to(folder)
    (folder / 'epoch_1.pth').write_text('')
    assert removed(tmp_path / 'linked', folder / 'epoch_1.pth')
    assert (victim / 'thesis.txt').exists()


def test_a_resumed_file_names_others(toy_config, tmp_path, capfd):
    options = {
        'default_hooks.checkpoint.save_best': 'mean',
        'default_hooks.checkpoint.rule': 'greater',
        'train_cfg.val_interval': 1,
        'train_cfg.max_epochs': 2,
    }
    train(toy_config, work_dir=str(tmp_path / 'a'), cfg_options=options)
    first = tmp_path / 'a' / 'epoch_1.pth'
    content = torch.load(first, weights_only=False)
    victims = [tmp_path / name for name in ('folder', 'epoch_9.pth')]
    victims[0].mkdir()
    victims[1].write_text('')
    info = content['message_hub']['runtime_info']
    for victim in victims:
        info.update(
            best_ckpt=str(victim),
            best_score=-1e9,
            keep_ckpt_ids=['9/../../../epoch_9', 1],
        )
        content['message_hub']['resumed_keys'].update(
            best_ckpt=True, best_score=True, keep_ckpt_ids=True
        )
        torch.save(content, tmp_path / 'file.pth')
        train(
            toy_config,
            work_dir=str(tmp_path / 'b'),
            resume=str(tmp_path / 'file.pth'),
            cfg_options=options,
        )
        assert victim.exists()
        said = ''.join(capfd.readouterr())
        assert f'{victim} is named by the checkpoint' in said
