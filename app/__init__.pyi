# ruff: noqa: TID251, TID252 - lazy_loader reads this stub and wants relative imports
from .server.application import AppSettings as AppSettings, create_app as create_app
from .server.launch import run_app as run_app
from .shortcut import add_shortcut as add_shortcut
