"""The views and services of the live snapshot as module attributes, where Feast's command line
finds them. Nothing else imports this module."""

from feature_repo.definitions import definitions
from penchant.artifacts import Snapshot
from penchant.settings import PROJECT_ROOT, Settings

_settings = Settings(_env_file=PROJECT_ROOT / ".env")  # Feast runs in this folder
_live = _settings.live_snapshot.current()
if _live is not None:
    _defined = definitions(Snapshot.open(_settings, _live))
    globals().update({f"view_{view.name}": view for view in _defined.views})
    globals().update({f"service_{service.name}": service for service in _defined.services})
