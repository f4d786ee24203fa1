"""Arguments of torchrun, and of the script after them."""

from mmuniformer.launch.torchrun import _parse


def test_an_option_of_the_script_is_the_scripts():
    """``--run`` could be short for two of torchrun's."""
    own = ['--run', 'uniformer_small', '--max', '3']
    args = _parse(['--standalone', '--nproc-per-node=2', 'script.py', *own])
    assert args.training_script == 'script.py'
    assert args.training_script_args == own
    assert args.nproc_per_node == '2'
