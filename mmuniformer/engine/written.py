"""The config of a run, and the one that the run writes."""

from copy import deepcopy
from typing import Any

from mmengine.config import Config


class RunConfig(Config):
    """A config that is written as its author has it, and runs as prepared.

    A runner writes its config into the work dir, through every backend of
    the visualizer, into the message hub and into checkpoints, where host
    libraries, Inferencers and later runs read it. Parts of ours that a
    command puts in place of the host's are for this run alone; they are in
    the config, and not in :attr:`written`.
    """

    _written: Config | None = None

    @classmethod
    def of(cls, cfg: Config) -> 'RunConfig':
        """A run's config that is written as ``cfg`` is now."""
        own = cls.__new__(cls)
        own.__dict__.update(deepcopy(cfg).__dict__)
        own.__dict__['_written'] = deepcopy(cfg)
        return own

    @property
    def written(self) -> Config:
        """What is written: changes to it show, and change no run."""
        # Of an object that was made in another way, it is the config itself.
        if self._written is None:
            return Config(self._cfg_dict)
        return self._written

    @property
    def pretty_text(self) -> str:
        """Text of the config that is written; ``dump`` writes it."""
        return self.written.pretty_text

    def to_dict(self, keep_imported: bool = False) -> dict[str, Any]:
        """The config that is written as a ``dict``, see :class:`Config`."""
        return self.written.to_dict(keep_imported)
