"""The only package that knows both the rules and the wires."""
