"""Insiders: from an online shop's raw invoices to a loyalty programme that can be explained, repeated and trusted.

Only this docstring belongs here: importing the package wires nothing, reads nothing and connects to nothing.
The Dagster code location is :mod:`insiders_assets.definitions`; the command line is :mod:`insiders_assets.cli`.
"""
