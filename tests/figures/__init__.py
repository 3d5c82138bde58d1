"""What scripts/bench measures, one group of rows a module.

Not a simulator: modules in here call the kiosk's own code where a part is measured alone.
"""
