"""The bench panel: the outside world for a person at a browser."""
