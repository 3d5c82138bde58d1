"""The same checks of every part, against the simulators or, by --rig=kiosk.toml, against a real machine."""
