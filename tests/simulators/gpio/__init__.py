"""GPIO as the outside sees it: pins, switches between pins, and contacts that bounce."""
