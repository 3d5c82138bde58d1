"""Madoguchi: firmware for a self-service terminal that issues municipal certificates. 窓口"""

__version__ = "0.1.0"
