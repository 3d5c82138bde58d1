"""The reference backend: what a municipality's server does for a kiosk. Imports nothing of the kiosk.

`python -m tests.municipality` runs it; tests use `MunicipalityServer`. The protocol's rules stand in
`eligibility` (who may have what), `sessions` and `orders` (what a request changes), `states`.
"""

from tests.municipality.server import MunicipalityServer

__all__ = ["MunicipalityServer"]
