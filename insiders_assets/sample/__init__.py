"""A made-up online shop of second-line goods: its invoices, with the dirt of a real one, and the truth behind them.

Belongs here: what makes the shop up (parameters, customers, articles, lines, dirt) and writes it as files. Does not
belong here: anything that reads, cleans or judges invoices; the shop is brought to the platform as a stranger's would
be, through the landing zone.
"""

from insiders_assets.sample.files import write_shop
from insiders_assets.sample.parameters import DEMO, DirtShares, ShopParameters
from insiders_assets.sample.shop import Shop

__all__ = ["DEMO", "DirtShares", "Shop", "ShopParameters", "write_shop"]
