import pytest
from mmengine.config import Config, config
from mmengine.hub import get_config

from mmuniformer.compat import mmengine_config_names as names
from mmuniformer.compat.replacing import is_replaced


@pytest.mark.parametrize(
    ('base', 'classes'),
    [
        ('mmdet::gn+ws/faster-rcnn_r50_fpn_gn-ws-all_1x_coco.py', 80),
        ('mmdet::legacy_1.x/retinanet_r50_fpn_1x_coco_v1.py', 80),
    ],
)
def test_folders_with_signs_are_inherited(base, classes, tmp_path):
    pytest.importorskip('mmdet')
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f'_base_ = {base!r}')
    model = Config.fromfile(leaf).model
    head = model.get('bbox_head') or model.roi_head.bbox_head
    assert head.num_classes == classes


def test_mmengines_own_function_reads_them_as_well():
    pytest.importorskip('mmdet')
    cfg = get_config('mmdet::gn+ws/faster-rcnn_r50_fpn_gn-ws-all_1x_coco.py')
    assert cfg.default_scope == 'mmdet'


@pytest.mark.parametrize('name', ['mmdet::', 'mmdet::a.py', 'a::b::c/d.py'])
def test_what_is_no_name_is_refused_as_before(name):
    with pytest.raises(ValueError, match='::'):
        config._get_package_and_cfg_path(name)


def test_a_repaired_mmengine_is_left_alone(monkeypatch):
    def repaired(path):
        return tuple(path.split('::'))

    monkeypatch.setattr(config, names._FUNCTION, repaired)
    names._patch(config)
    assert not is_replaced(config._get_package_and_cfg_path, by=names.__name__)
    assert names.status().state == 'not needed'
