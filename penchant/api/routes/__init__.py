"""The routes: a module each, with its ``router``. A new module is included by being here.

Handlers of ``/v1`` are named as their method of ``penchant_client``.
"""

from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """The ``router`` of every module of this package."""
    return [import_module(f"{__name__}.{module.name}").router for module in iter_modules(__path__)]
