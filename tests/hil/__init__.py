"""The contract suites on the real parts of a machine, by `--rig=kiosk.toml`; see `conftest.py`."""
